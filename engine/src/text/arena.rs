//! Where a thread puts texts that come from nowhere else: detached copies, and those made from a `str`.
//!
//! They are too long to be inline and too short to deserve an allocation each, so a thread fills chunks of
//! [`ARENA_BYTES`] with one behind the other. Such a chunk is shared and written to at the same time, by different
//! threads but never in the same place: the texts handed out are not written again, and who reads them reads nothing
//! behind their end (the `GROWING` tag in `text.rs`). The arena buys the references for all texts that can fit when it
//! starts a chunk, hands one out with each text, and returns those left when it starts the next.
#![expect(unsafe_code, reason = "writes behind the texts of a chunk that is shared")]

use std::cell::RefCell;
use std::marker::PhantomData;
use std::slice;

use super::chunk::{self, Chunk, ChunkMut, ChunkPtr};
use super::text::MAX_INLINE;

/// The size of an arena's chunks.
const ARENA_BYTES: usize = 64 * 1024;

/// Longer texts have a chunk of their own, so that at most this much of an arena's chunk stays unused.
const MAX_TEXT: usize = ARENA_BYTES / 16;

/// References for all texts that fit, and one for the arena itself.
const REFERENCES: usize = ARENA_BYTES / (MAX_INLINE + 1) + 1;

struct Arena {
    chunk: ChunkPtr,
    used: usize,
    /// References not handed out yet; at least one.
    references: usize,
}

thread_local! {
    static ARENA: RefCell<Option<Arena>> = const { RefCell::new(None) };
}

/// Room for one text, to be written and then kept.
pub(super) struct Place {
    start: usize,
    len: usize,
    chunk: ChunkPtr,
    /// A place is used on the thread whose arena it is of.
    not_send: PhantomData<*mut u8>,
}

/// Room for `len > MAX_INLINE` bytes, or none when they are too many or the thread is ending.
pub(super) fn reserve(len: usize) -> Option<Place> {
    debug_assert!(len > MAX_INLINE);
    if len > MAX_TEXT {
        return None;
    }
    let reserve = |arena: &RefCell<Option<Arena>>| {
        let mut arena = arena.borrow_mut();
        let arena = match &mut *arena {
            Some(arena) if len <= ARENA_BYTES - arena.used => arena,
            full => full.insert(Arena::new()),
        };
        arena.take(len)
    };
    ARENA.try_with(reserve).ok()
}

impl Arena {
    fn new() -> Self {
        let chunk = ChunkMut::with_capacity(ARENA_BYTES).expect("a small chunk").freeze();
        let chunk = Chunk::into_ptr(chunk);
        // SAFETY: the reference of the handle is ours.
        unsafe { chunk::retain(chunk, REFERENCES - 1) };
        Arena { chunk, used: 0, references: REFERENCES }
    }

    fn take(&mut self, len: usize) -> Place {
        let place = Place { start: self.used, len, chunk: self.chunk, not_send: PhantomData };
        self.used += len;
        self.references -= 1;
        place
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // SAFETY: the references are ours.
        unsafe { chunk::release(self.chunk, self.references) };
    }
}

impl Place {
    /// The bytes of the place, all zero at first.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: initialised bytes of a chunk that the place counts; no text or other place has them.
        unsafe { slice::from_raw_parts_mut(chunk::content(self.chunk).add(self.start), self.len) }
    }

    /// The chunk with one reference, and where the place starts in it.
    pub(super) fn keep(self) -> (ChunkPtr, usize) {
        let kept = (self.chunk, self.start);
        std::mem::forget(self);
        kept
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // SAFETY: the reference is ours.
        unsafe { chunk::release(self.chunk, 1) };
    }
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::super::chunk::ChunkPtr;
    use super::*;

    fn place(len: usize) -> (ChunkPtr, usize, Place) {
        let place = reserve(len).unwrap();
        (place.chunk, place.start, place)
    }

    #[test]
    fn places_follow_each_other_until_the_chunk_is_full() {
        let (first_chunk, first, _one) = place(16);
        let (chunk, second, _two) = place(MAX_TEXT);
        assert_eq!((chunk, second), (first_chunk, first + 16));
        let places: Vec<Place> = (0..16).map(|_| place(MAX_TEXT).2).collect();
        assert_ne!(places.last().unwrap().chunk, first_chunk);
        assert!(reserve(MAX_TEXT + 1).is_none());
    }

    #[test]
    fn the_shortest_texts_find_references_enough() {
        let texts: Vec<Text> = (0..3 * REFERENCES).map(|n| Text::from(format!("{n:016}"))).collect();
        assert!(texts.iter().enumerate().all(|(n, text)| *text == format!("{n:016}")));
    }
}
