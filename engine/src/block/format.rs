use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Content;
use crate::job::Task;
use crate::rdd::{Data, Flow};
use crate::text::{self, ChunkMut, Text};
use crate::{Error, Result, codec};

/// How records stand as bytes in a block.
pub trait BlockFormat: Send + Sync + 'static {
    /// The type of the records.
    type Item: Data;

    /// Appends one record to `bytes`.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    fn encode(item: &Self::Item, bytes: &mut Vec<u8>) -> Result<()>;

    /// Makes a filled chunk readable; `counted` records were encoded into it one by one.
    ///
    /// # Errors
    /// When the bytes cannot be made valid within the limits of a chunk.
    fn seal(chunk: ChunkMut, counted: u64) -> Result<Sealed>;

    /// Gives the records of a segment to `sink`, in order; there are `records` of them.
    fn for_each(content: &Content, records: u64, task: &Task, sink: impl FnMut(Self::Item) -> Flow) -> Flow;
}

/// A chunk that is ready to be read.
#[derive(Debug)]
pub struct Sealed {
    /// The bytes.
    pub content: Content,
    /// The number of records in them.
    pub records: u64,
    /// Invalid UTF-8 sequences that became U+FFFD.
    pub replaced: u64,
}

/// Lines of text. Blocks hold the received bytes as they came; they are valid UTF-8 once sealed.
///
/// A line ends with `\n`, `\r\n` or `\r`; so a text that holds such a character becomes several records.
#[derive(Clone, Copy, Debug)]
pub struct Lines;

impl BlockFormat for Lines {
    type Item = Text;

    fn encode(item: &Text, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend_from_slice(item.as_bytes());
        bytes.push(b'\n');
        Ok(())
    }

    fn seal(chunk: ChunkMut, _counted: u64) -> Result<Sealed> {
        let chunk = chunk.freeze_compact();
        let valid = text::validate(&chunk, 0..chunk.len()).map_err(|e| Error::Codec(e.to_string()))?;
        let records = text::count_lines(valid.block.as_bytes());
        Ok(Sealed { content: Content::Text(valid.block), records, replaced: valid.replaced })
    }

    #[inline]
    fn for_each(content: &Content, _records: u64, task: &Task, sink: impl FnMut(Text) -> Flow) -> Flow {
        match content {
            Content::Text(block) => text::for_each_line(block, 0..block.len(), sink),
            Content::Bytes(_) => task.fail("a block of lines holds other records"),
        }
    }
}

/// Records of any serializable type, compact: one postcard encoding after the other.
#[derive(Clone, Copy, Debug)]
pub struct Records<T>(PhantomData<fn() -> T>);

impl<T: Data + Serialize + DeserializeOwned> BlockFormat for Records<T> {
    type Item = T;

    fn encode(item: &T, bytes: &mut Vec<u8>) -> Result<()> {
        codec::encode(item, bytes)
    }

    fn seal(chunk: ChunkMut, counted: u64) -> Result<Sealed> {
        Ok(Sealed { content: Content::Bytes(chunk.freeze_compact()), records: counted, replaced: 0 })
    }

    fn for_each(content: &Content, records: u64, task: &Task, mut sink: impl FnMut(T) -> Flow) -> Flow {
        let Content::Bytes(chunk) = content else {
            return task.fail("a block of records holds lines");
        };
        let mut bytes = chunk.as_bytes();
        for _ in 0..records {
            match codec::decode(&mut bytes) {
                Ok(item) => sink(item)?,
                Err(error) => return task.fail(error.to_string()),
            }
        }
        Flow::Continue(())
    }
}
