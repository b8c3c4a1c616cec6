use super::generations::name_of_data;
use super::manifest::{OperatorEntry, UnitEntry};
use super::store::CheckpointStore;
use crate::{Error, Result};

/// What is read at once at the most. Units are small and many; an object store takes as long for one of them as for a megabyte.
const READ_BYTES: u64 = 8 << 20;

/// What is read in vain rather than ask twice.
const GAP_BYTES: u64 = 256 << 10;

/// The contents of the units of an operator, in their order, those that stand close to each other read in one go.
///
/// # Errors
/// When a unit is missing or is not what was written.
pub(super) fn read_units(
    store: &dyn CheckpointStore,
    operator: &OperatorEntry,
) -> Result<Vec<(u64, Vec<u8>)>> {
    let mut places: Vec<usize> = (0..operator.units.len()).collect();
    places.sort_by_key(|place| (operator.units[*place].file, operator.units[*place].offset));
    let mut contents: Vec<(u64, Vec<u8>)> = operator.units.iter().map(|unit| (unit.id, Vec::new())).collect();
    for run in places.chunk_by(|a, b| follows(&operator.units[*a], &operator.units[*b])) {
        for run in in_pieces(run, &operator.units) {
            read_run(store, operator, run, &mut contents)?;
        }
    }
    Ok(contents)
}

fn end(unit: &UnitEntry) -> u64 {
    unit.offset + u64::from(unit.len)
}

fn follows(unit: &UnitEntry, next: &UnitEntry) -> bool {
    unit.file == next.file && next.offset <= end(unit) + GAP_BYTES
}

/// Cuts what may be read in one go so that no piece has more than [`READ_BYTES`], unless it is one unit.
fn in_pieces<'a>(mut run: &'a [usize], units: &[UnitEntry]) -> Vec<&'a [usize]> {
    let mut pieces = Vec::new();
    while let Some(first) = run.first() {
        let begin = units[*first].offset;
        let fitting = run.iter().take_while(|place| end(&units[**place]) - begin <= READ_BYTES).count();
        let (piece, rest) = run.split_at(fitting.max(1));
        pieces.push(piece);
        run = rest;
    }
    pieces
}

/// Reads units that stand close to each other.
fn read_run(
    store: &dyn CheckpointStore,
    operator: &OperatorEntry,
    run: &[usize],
    contents: &mut [(u64, Vec<u8>)],
) -> Result<()> {
    let (Some(first), Some(last)) = (run.first(), run.last()) else { return Ok(()) };
    let (first, last) = (&operator.units[*first], &operator.units[*last]);
    let name = name_of_data(first.file);
    let what =
        |unit: &UnitEntry| format!("part {} of {:?} in {}/{name}", unit.id, operator.id, store.location());
    let bytes = store
        .read_at(&name, first.offset, (end(last) - first.offset) as usize)
        .map_err(|e| Error::io(what(first), e))?;
    for place in run {
        let unit = &operator.units[*place];
        let begin = (unit.offset - first.offset) as usize;
        let content = bytes.get(begin..begin + unit.len as usize);
        let content = content.filter(|content| crc32c::crc32c(content) == unit.crc);
        let content = content.ok_or_else(|| {
            Error::Recovery(format!("{} is damaged: its checksum does not fit", what(unit)))
        })?;
        contents[*place].1 = content.to_vec();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::{MemoryStore, StoreCall};

    const GAP: usize = GAP_BYTES as usize;

    /// A store with a data object of `len` bytes, and the unit with `id` at `begin..end` of it.
    fn units(len: usize, at: &[(u64, usize, usize)]) -> (MemoryStore, OperatorEntry) {
        let bytes: Vec<u8> = (0..len).map(|i| (i % 253) as u8).collect();
        let unit = |&(id, begin, end): &(u64, usize, usize)| {
            let (offset, len, crc) = (begin as u64, (end - begin) as u32, crc32c::crc32c(&bytes[begin..end]));
            UnitEntry { id, file: 1, offset, len, crc }
        };
        let units = at.iter().map(unit).collect();
        let store = MemoryStore::new();
        store.put(&name_of_data(1), &bytes).unwrap();
        let (id, description, types) = ("sums".to_owned(), String::new(), String::new());
        (store, OperatorEntry { id, description, types, number: 0, keys: 0, rest: Vec::new(), units })
    }

    fn assert_reads(len: usize, at: &[(u64, usize, usize)], calls: u64) {
        let (store, operator) = units(len, at);
        for ((id, content), (expected, begin, end)) in read_units(&store, &operator).unwrap().iter().zip(at) {
            assert!(
                id == expected && content.iter().copied().eq((*begin..*end).map(|i| (i % 253) as u8)),
                "{id}"
            );
        }
        assert_eq!(store.calls(StoreCall::Read), calls, "{at:?}");
    }

    #[test]
    fn what_stands_close_is_read_at_once_and_what_is_far_or_much_is_not() {
        assert_reads(100, &[(3, 50, 60), (1, 0, 10), (2, 10, 10), (4, 60, 100)], 1);
        assert_reads(GAP * 2, &[(1, 0, 10), (2, GAP + 10, GAP + 20)], 1);
        assert_reads(GAP * 2, &[(1, 0, 10), (2, GAP + 11, GAP + 20)], 2);
        let much = READ_BYTES as usize / 2 + 1;
        assert_reads(much * 3, &[(1, 0, much), (2, much, much * 2), (3, much * 2, much * 3)], 3);
        assert_reads(much * 3, &[(1, 0, much * 2), (2, much * 2, much * 3)], 2);
    }

    #[test]
    fn a_unit_that_is_damaged_or_cut_off_is_named() {
        let (store, operator) = units(100, &[(1, 0, 50), (2, 50, 100)]);
        for damage in [|bytes: &mut Vec<u8>| bytes[70] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(99)] {
            let store = store.copied();
            store.damage(&name_of_data(1), damage);
            let error = read_units(&store, &operator).unwrap_err().to_string();
            assert!(
                error.contains("part 2 of \"sums\" in memory:/0000000000000001.data is damaged"),
                "{error}"
            );
        }
    }
}
