//! From bytes to UTF-8: checked once for a whole block, repaired when it must be.
#![expect(unsafe_code, reason = "cuts texts from bytes it has checked")]

use std::ops::Range;
use std::{slice, str};

use super::Text;
use super::chunk::{self, Chunk, TooLong};
use super::window::Look;

/// What the replacement character U+FFFD is written as.
const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();

/// A range of a frozen chunk that is known to be valid UTF-8. Clones share the chunk.
#[derive(Debug, Clone)]
pub struct Utf8Chunk {
    chunk: Chunk,
    start: usize,
    len: usize,
}

/// The outcome of [`validate`].
#[derive(Debug, Clone)]
pub struct Validated {
    /// The text, of the same chunk if it was valid.
    pub block: Utf8Chunk,
    /// How many times bytes that are not UTF-8 were replaced by U+FFFD.
    pub replaced: u64,
}

/// Checks that the bytes are UTF-8. If they are not, a repaired copy is made (counted by the same pool) in which each
/// maximal invalid sequence is one U+FFFD, exactly as in [`String::from_utf8_lossy`].
///
/// ```
/// use millstream_engine::text::{Chunk, validate};
/// let chunk = Chunk::copy_from(b"na\xefve\n")?;
/// let validated = validate(&chunk, 0..chunk.len())?;
/// assert_eq!((validated.block.as_str(), validated.replaced), ("na\u{fffd}ve\n", 1));
/// # Ok::<(), millstream_engine::text::TooLong>(())
/// ```
///
/// # Errors
/// When the repaired text does not fit a chunk.
///
/// # Panics
/// When the range is not in the chunk.
pub fn validate(chunk: &Chunk, range: Range<usize>) -> Result<Validated, TooLong> {
    let bytes = &chunk.as_bytes()[range.clone()];
    if simdutf8::basic::from_utf8(bytes).is_ok() {
        let block = Utf8Chunk { chunk: chunk.clone(), start: range.start, len: bytes.len() };
        return Ok(Validated { block, replaced: 0 });
    }
    repair(chunk, bytes)
}

#[cold]
fn repair(chunk: &Chunk, bytes: &[u8]) -> Result<Validated, TooLong> {
    let (mut len, mut replaced) = (0, 0);
    for part in bytes.utf8_chunks() {
        let is_invalid = !part.invalid().is_empty();
        len += part.valid().len() + if is_invalid { REPLACEMENT.len() } else { 0 };
        replaced += u64::from(is_invalid);
    }
    let mut repaired = chunk.sibling(len)?;
    for part in bytes.utf8_chunks() {
        repaired.extend_from_slice(part.valid().as_bytes());
        if !part.invalid().is_empty() {
            repaired.extend_from_slice(REPLACEMENT);
        }
    }
    let block = Utf8Chunk { chunk: repaired.freeze(), start: 0, len };
    Ok(Validated { block, replaced })
}

impl Utf8Chunk {
    /// The text.
    pub fn as_str(&self) -> &str {
        // SAFETY: checked when made.
        unsafe { str::from_utf8_unchecked(self.as_bytes()) }
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: a range of the frozen chunk that `self` counts, checked when made.
        unsafe { slice::from_raw_parts(chunk::content(self.chunk.ptr()).add(self.start), self.len) }
    }

    /// How many bytes the text has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when the text has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunk that holds the text.
    pub fn chunk(&self) -> &Chunk {
        &self.chunk
    }

    /// The text of a range, or `None` when it is outside or cuts a character. One of 16 MiB and more is copied unless it
    /// is the whole chunk.
    pub fn get(&self, range: Range<usize>) -> Option<Text> {
        self.as_str().get(range.clone())?;
        // SAFETY: in the text and between characters, as `str` says.
        Some(unsafe { self.part(range.start, range.end) })
    }

    /// The chunk narrowed to a range, or `None` when it is outside or cuts a character.
    pub fn slice(&self, range: Range<usize>) -> Option<Utf8Chunk> {
        let len = self.as_str().get(range.clone())?.len();
        Some(Utf8Chunk { chunk: self.chunk.clone(), start: self.start + range.start, len })
    }

    /// The text of a range.
    ///
    /// # Safety
    /// `start <= end <= self.len()`, both between characters.
    #[inline(always)]
    pub(super) unsafe fn part(&self, start: usize, end: usize) -> Text {
        // SAFETY: `self` counts the chunk, which is frozen; the bytes are whole characters of valid UTF-8.
        unsafe { Text::of_chunk(self.chunk.ptr(), self.start + start, end - start) }
    }

    /// The 64 bytes from `at`. What stands behind the text's end is not defined.
    ///
    /// # Panics
    /// When `at` is not before the end.
    ///
    /// # Safety
    /// The processor has such registers.
    #[inline(always)]
    pub(super) unsafe fn window<W: Look>(&self, at: usize) -> W {
        assert!(at < self.len, "a window outside of the chunk");
        // SAFETY: starts in the content of a chunk that `self` counts, which is frozen and padded; and the caller's promise.
        unsafe { W::load(chunk::content(self.chunk.ptr()).add(self.start + at)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ChunkPool;
    use super::*;

    #[test]
    fn a_valid_range_stays_where_it_is() {
        let chunk = Chunk::copy_from("\u{fffd} é ü".as_bytes()).unwrap();
        let validated = validate(&chunk, 4..6).unwrap();
        assert_eq!((validated.block.as_str(), validated.replaced), ("é", 0));
        assert_eq!(validated.block.as_bytes().as_ptr(), chunk.as_bytes()[4..].as_ptr());
        assert!(validate(&chunk, 3..3).unwrap().block.is_empty());
    }

    #[test]
    fn invalid_bytes_are_replaced_as_in_the_standard_library() {
        let parts: [&[u8]; 8] =
            [b"a", b"\xff", b"\xc3", b"\xe2\x80", b"\xf0\x9f\x98", b"\xed\xa0\x80", "é€".as_bytes(), b"\x80"];
        let pool = ChunkPool::new(64, 1);
        for (i, j, k) in (0..512).map(|n| (n % 8, n / 8 % 8, n / 64)) {
            let bytes = [parts[i], parts[j], parts[k]].concat();
            let mut chunk = pool.take();
            chunk.extend_from_slice(&bytes);
            let validated = validate(&chunk.freeze(), 0..bytes.len()).unwrap();
            let expected = String::from_utf8_lossy(&bytes);
            assert_eq!(validated.block.as_str(), expected);
            assert_eq!(validated.replaced as usize, expected.matches('\u{fffd}').count());
            assert_eq!(pool.chunks_in_use(), 1, "the repaired chunk, or the valid one");
        }
        assert_eq!(pool.chunks_in_use(), 0);
    }

    #[test]
    fn ranges_are_cut_between_characters_only() {
        let chunk = Chunk::copy_from("-aéz-".as_bytes()).unwrap();
        let block = validate(&chunk, 1..5).unwrap().block;
        assert_eq!(block.get(0..3).unwrap(), "aé");
        assert_eq!((block.get(0..2), block.get(0..5)), (None, None));
        let end = block.slice(1..4).unwrap();
        assert_eq!((end.as_str(), end.len(), end.get(2..3).unwrap().as_str()), ("éz", 3, "z"));
        assert!(block.slice(2..4).is_none() && end.chunk().len() == 6);
    }
}
