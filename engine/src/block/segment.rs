use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::LoggedContent;
use crate::storage::{Slot, SpillFile};
use crate::text::{self, Chunk, ChunkPool, Utf8Chunk};
use crate::{Error, Result, Time};

/// A sealed piece of a block: whole records, as bytes, in memory or on disk. The clones share the bytes.
#[derive(Clone, Debug)]
pub struct Segment {
    body: Arc<Mutex<Body>>,
    len: usize,
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

#[derive(Debug)]
enum Body {
    Memory(Content),
    Disk {
        slot: Slot,
        is_text: bool,
    },
    /// Of an earlier run: there may be more of it than there is memory.
    Log(Arc<dyn LoggedContent>),
}

impl Content {
    /// The bytes themselves.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Content::Text(text) => text.as_bytes(),
            Content::Bytes(bytes) => bytes.as_bytes(),
        }
    }

    /// Whether the bytes are lines of text.
    pub fn is_text(&self) -> bool {
        matches!(self, Content::Text(_))
    }

    /// A copy of `bytes`, in a chunk of `chunks`.
    ///
    /// # Errors
    /// When there are more than a chunk can hold.
    pub(crate) fn copied(bytes: &[u8], is_text: bool, chunks: &ChunkPool) -> Result<Content> {
        let too_long = |error: text::TooLong| Error::Codec(error.to_string());
        let mut chunk = chunks.take_at_least(bytes.len()).map_err(too_long)?;
        chunk.extend_from_slice(bytes);
        let chunk = chunk.freeze_compact();
        if !is_text {
            return Ok(Content::Bytes(chunk));
        }
        Ok(Content::Text(text::validate(&chunk, 0..chunk.len()).map_err(too_long)?.block))
    }
}

impl AsRef<[u8]> for Content {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl Segment {
    /// A segment of the block that began at `block`.
    pub fn new(content: Content, records: u64, block: Time) -> Self {
        let len = content.as_bytes().len();
        Segment { body: Arc::new(Mutex::new(Body::Memory(content))), len, records, block }
    }

    /// A segment of an earlier run, whose `len` bytes are in the log and stay there.
    pub(crate) fn logged(content: Arc<dyn LoggedContent>, len: usize, records: u64, block: Time) -> Self {
        Segment { body: Arc::new(Mutex::new(Body::Log(content))), len, records, block }
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The bytes, as the format that sealed them has them; those on disk are read into a chunk of `chunks`, and stay on disk.
    ///
    /// # Errors
    /// When they cannot be read back.
    pub fn content(&self, chunks: &ChunkPool) -> Result<Content> {
        let body = self.body();
        match &*body {
            Body::Memory(content) => Ok(content.clone()),
            Body::Disk { slot, is_text } => {
                let (slot, is_text) = (slot.clone(), *is_text);
                drop(body);
                Content::copied(&slot.read()?, is_text, chunks)
            }
            Body::Log(content) => {
                let content = Arc::clone(content);
                drop(body);
                content.read(chunks)
            }
        }
    }

    /// Moves the bytes to the end of `file`; false when they are on disk already. Who is reading them has them in memory until he is
    /// done.
    ///
    /// # Errors
    /// When the disk refuses; then they stay in memory.
    pub(crate) fn spill(&self, file: &mut SpillFile) -> Result<bool> {
        let mut body = self.body();
        let Body::Memory(content) = &*body else { return Ok(false) };
        *body = Body::Disk { slot: file.append(content.as_bytes())?, is_text: content.is_text() };
        Ok(true)
    }

    /// Whether the bytes are in memory.
    pub fn is_in_memory(&self) -> bool {
        matches!(&*self.body(), Body::Memory(_))
    }

    /// The number of bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::RealFs;
    use crate::storage::Spill;

    fn content(bytes: &[u8], is_text: bool, chunks: &ChunkPool) -> Content {
        Content::copied(bytes, is_text, chunks).unwrap()
    }

    #[test]
    fn spilled_bytes_leave_memory_and_come_back_as_what_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let spill = Spill::new(Arc::new(RealFs), vec![dir.path().to_owned()], 1 << 20);
        let chunks = ChunkPool::new(1 << 10, 4);
        let mut file = spill.file(1).unwrap();
        for (bytes, is_text) in [("gr\u{fc}n\nrot\n".as_bytes(), true), (&[0xff, 0x00, 0x17], false)] {
            let segment = Segment::new(content(bytes, is_text, &chunks), 2, Time::default());
            let reader = segment.content(&chunks).unwrap();
            assert!(segment.spill(&mut file).unwrap());
            assert!(!segment.spill(&mut file).unwrap(), "once is enough");
            assert_eq!(
                (segment.is_in_memory(), segment.len(), reader.as_bytes()),
                (false, bytes.len(), bytes)
            );
            drop(reader);
            assert_eq!(chunks.bytes_in_use(), 0);
            let back = segment.clone().content(&chunks).unwrap();
            assert_eq!((back.as_bytes(), back.is_text()), (bytes, is_text));
        }
    }
}
