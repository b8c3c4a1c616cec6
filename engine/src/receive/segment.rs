use crate::Time;
use crate::text::Chunk;

/// A sealed piece of a block: whole records, as bytes. The clones share the bytes.
#[derive(Clone, Debug)]
pub struct Segment {
    chunk: Chunk,
    records: u64,
    block: Time,
}

impl Segment {
    /// A segment of the block that began at `block`.
    pub fn new(chunk: Chunk, records: u64, block: Time) -> Self {
        Segment { chunk, records, block }
    }

    /// The bytes.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.chunk.len()
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.chunk.is_empty()
    }

    /// The number of records.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The beginning of the block interval in which it was received: the block's name within its stream.
    pub fn block(&self) -> Time {
        self.block
    }
}
