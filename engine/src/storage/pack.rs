use std::ops::ControlFlow;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Slot, Spill, SpillFile};
use crate::{Result, codec};

/// How records of one type are encoded and decoded.
pub(crate) struct Codec<T> {
    encode: fn(&T, &mut Vec<u8>) -> Result<()>,
    decode: fn(&mut &[u8]) -> Result<T>,
}

impl<T: Serialize + DeserializeOwned> Codec<T> {
    pub(crate) fn new() -> Self {
        Codec { encode: codec::encode, decode: codec::decode }
    }
}

impl<T> Clone for Codec<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> std::marker::Copy for Codec<T> {}

/// Encoded records, in pieces of about [`PIECE_BYTES`], in memory or on disk.
#[derive(Debug)]
pub(crate) struct Packed(Vec<Piece>);

#[derive(Debug)]
struct Piece {
    records: usize,
    bytes: Bytes,
}

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    Disk(Slot),
}

/// A piece is closed when it has so much: what one reader has in memory of what is on disk.
const PIECE_BYTES: usize = 1 << 20;

impl Packed {
    /// Bytes in memory.
    pub(crate) fn memory(&self) -> usize {
        let in_memory = |piece: &Piece| match &piece.bytes {
            Bytes::Memory(bytes) => bytes.capacity(),
            Bytes::Disk(_) => 0,
        };
        self.0.iter().map(in_memory).sum()
    }

    /// The same records on disk.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn on_disk(&self, spill: &Spill, copies: u8) -> Result<Packed> {
        let mut file = spill.file(copies)?;
        let spilled = self.0.iter().map(|piece| match &piece.bytes {
            Bytes::Memory(bytes) => {
                Ok(Piece { records: piece.records, bytes: Bytes::Disk(file.append(bytes)?) })
            }
            Bytes::Disk(slot) => Ok(Piece { records: piece.records, bytes: Bytes::Disk(slot.clone()) }),
        });
        spilled.collect::<Result<_>>().map(Packed)
    }

    /// Gives the records to `sink` until it breaks.
    ///
    /// # Errors
    /// When a piece cannot be read back, or is no encoding of such records.
    pub(crate) fn for_each<T>(
        &self,
        codec: Codec<T>,
        mut sink: impl FnMut(T) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>> {
        for piece in &self.0 {
            let flow = match &piece.bytes {
                Bytes::Memory(bytes) => decode(codec, piece.records, bytes, &mut sink)?,
                Bytes::Disk(slot) => decode(codec, piece.records, &slot.read()?, &mut sink)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

fn decode<T>(
    codec: Codec<T>,
    records: usize,
    mut bytes: &[u8],
    sink: &mut impl FnMut(T) -> ControlFlow<()>,
) -> Result<ControlFlow<()>> {
    for _ in 0..records {
        if sink((codec.decode)(&mut bytes)?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Encodes records one by one.
pub(crate) struct Packer<T> {
    codec: Codec<T>,
    packed: Vec<Piece>,
    records: usize,
    bytes: Vec<u8>,
    /// Where full pieces go; without it they stay in memory.
    file: Option<SpillFile>,
}

impl<T> Packer<T> {
    pub(crate) fn new(codec: Codec<T>, file: Option<SpillFile>) -> Self {
        Packer { codec, packed: Vec::new(), records: 0, bytes: Vec::new(), file }
    }

    /// Encodes one more.
    ///
    /// # Errors
    /// When it has no encoding, or the disk refuses.
    pub(crate) fn push(&mut self, record: &T) -> Result<()> {
        (self.codec.encode)(record, &mut self.bytes)?;
        self.records += 1;
        if self.bytes.len() >= PIECE_BYTES { self.close_piece() } else { Ok(()) }
    }

    /// All of them.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn finish(mut self) -> Result<Packed> {
        self.close_piece()?;
        Ok(Packed(self.packed))
    }

    fn close_piece(&mut self) -> Result<()> {
        if self.records == 0 {
            return Ok(());
        }
        let bytes = match &mut self.file {
            Some(file) => {
                let slot = file.append(&self.bytes)?;
                self.bytes.clear();
                Bytes::Disk(slot)
            }
            None => {
                let mut bytes = std::mem::take(&mut self.bytes);
                bytes.shrink_to_fit();
                Bytes::Memory(bytes)
            }
        };
        self.packed.push(Piece { records: std::mem::take(&mut self.records), bytes });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::fs::RealFs;

    type Record = (String, Option<u64>);

    fn records() -> Vec<Record> {
        (0..60_000).map(|i| (format!("key number {i}"), (i % 3 > 0).then_some(i))).collect()
    }

    fn packed(records: &[Record], file: Option<SpillFile>) -> Packed {
        let mut packer = Packer::new(Codec::new(), file);
        records.iter().for_each(|record| packer.push(record).unwrap());
        packer.finish().unwrap()
    }

    fn unpacked(packed: &Packed, limit: usize) -> Vec<Record> {
        let mut found = Vec::new();
        let take = |record| {
            found.push(record);
            if found.len() == limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let flow = packed.for_each(Codec::new(), take).unwrap();
        assert_eq!(flow.is_break(), found.len() == limit);
        found
    }

    #[test]
    fn records_come_back_from_memory_and_from_disk() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::new(Arc::new(RealFs), vec![dir.path().to_owned()], 1 << 30);
        let records = records();
        let in_memory = packed(&records, None);
        assert!(in_memory.0.len() > 1 && in_memory.memory() > PIECE_BYTES);
        let moved = in_memory.on_disk(&spill, 1).unwrap();
        let direct = packed(&records, Some(spill.file(1).unwrap()));
        assert_eq!((moved.memory(), direct.memory()), (0, 0));
        for packed in [in_memory, moved, direct] {
            assert_eq!(unpacked(&packed, usize::MAX), records);
            assert_eq!(unpacked(&packed, 40_000), records[..40_000]);
        }
        assert_eq!(unpacked(&packed(&[], None), usize::MAX), []);
    }

    #[test]
    fn bytes_of_another_type_are_an_error() {
        let packed = packed(&[("long".repeat(100), None)], None);
        let error =
            packed.for_each(Codec::<Vec<Vec<u64>>>::new(), |_| ControlFlow::Continue(())).unwrap_err();
        assert!(error.to_string().contains("alloc::vec::Vec"), "{error}");
    }
}
