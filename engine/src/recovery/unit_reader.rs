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
