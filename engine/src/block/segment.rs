use crate::Time;
use crate::text::{Chunk, Utf8Chunk};

/// A sealed piece of a block: whole records, as bytes. The clones share the bytes.
#[derive(Clone, Debug)]
pub struct Segment {
    content: Content,
    records: u64,
    block: Time,
}

/// The bytes of a segment.
#[derive(Clone, Debug)]
pub enum Content {
    /// Valid UTF-8.
    Text(Utf8Chunk),
    /// Encoded records.
    Bytes(Chunk),
}

impl Segment {
    /// A segment of the block that began at `block`.
    pub fn new(content: Content, records: u64, block: Time) -> Self {
        Segment { content, records, block }
    }

    /// The bytes, as the format that sealed them has them.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.content {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes.as_bytes(),
        }
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        match &self.content {
            Content::Text(text) => text.len(),
            Content::Bytes(bytes) => bytes.len(),
        }
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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

impl AsRef<[u8]> for Segment {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}
