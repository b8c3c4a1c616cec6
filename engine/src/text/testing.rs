//! What the tests of this module share.

use super::{Chunk, ChunkPool, Text, detached, validate};

/// The text as all there is in a chunk.
pub(super) fn whole(value: &str) -> Text {
    let chunk = Chunk::copy_from(value.as_bytes()).unwrap();
    validate(&chunk, 0..chunk.len()).unwrap().block.get(0..value.len()).unwrap()
}

/// The text at `offset` in a chunk that has no byte behind it, with a word before it.
pub(super) fn at_offset(value: &str, offset: usize) -> Text {
    let mut chunk = ChunkPool::new(offset + value.len(), 1).take();
    chunk.extend_from_slice(&vec![b'w'; offset]);
    chunk.extend_from_slice(value.as_bytes());
    let chunk = chunk.freeze();
    validate(&chunk, offset..chunk.len()).unwrap().block.get(0..value.len()).unwrap()
}

/// The same text in every way it can be stored.
pub(super) fn texts_of(value: &str) -> Vec<Text> {
    let before = format!("{value} behind a text");
    let followed = whole(&before).get(..value.len()).unwrap();
    let mut texts =
        vec![Text::from(value), whole(value), followed.detached(), detached(|| followed.clone()), followed];
    texts.extend([0, 1, 7, 63].map(|offset| at_offset(value, offset)));
    texts
}
