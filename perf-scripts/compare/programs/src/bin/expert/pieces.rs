//! A file in pieces of whole lines.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use memchr::memrchr;

/// A piece, its lines and the table of the counts should fit into the second-level cache.
const PIECE_BYTES: u64 = 256 << 10;

/// Gives the pieces one after the other; `f` gives the memory back, so that it is used again.
pub(crate) fn for_each(path: &Path, mut f: impl FnMut(Vec<u8>) -> Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let (mut piece, mut rest) = (Vec::new(), Vec::new());
    loop {
        piece.clear();
        piece.append(&mut rest);
        let read = file.by_ref().take(PIECE_BYTES).read_to_end(&mut piece)?;
        if read > 0 {
            let end = memrchr(b'\n', &piece).map_or(0, |at| at + 1);
            rest.extend_from_slice(&piece[end..]);
            piece.truncate(end);
        }
        if !piece.is_empty() {
            piece = f(piece);
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Calls `f` for every line of a piece, without its end.
#[inline(always)]
pub(crate) fn lines(mut piece: &[u8], mut f: impl FnMut(&[u8])) {
    while let Some(end) = memchr::memchr(b'\n', piece) {
        f(&piece[..end]);
        piece = &piece[end + 1..];
    }
    if !piece.is_empty() {
        f(piece);
    }
}
