//! A file in pieces: the lines that begin in so many bytes of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A piece stays in the second-level cache.
pub(crate) const PIECE_BYTES: u64 = 256 << 10;
/// How far beyond a piece a line is looked for at a time.
const SEARCH_BYTES: usize = 4 << 10;

/// The number of pieces of a file.
pub(crate) fn number_of(path: &Path) -> io::Result<u64> {
    Ok(path.metadata()?.len().div_ceil(PIECE_BYTES))
}

/// Reads the lines that begin in a piece.
pub(crate) fn read(file: &File, piece: u64) -> io::Result<Vec<u8>> {
    let end = file.metadata()?.len();
    let first = line_start(file, piece * PIECE_BYTES, end)?;
    let last = line_start(file, end.min((piece + 1) * PIECE_BYTES), end)?;
    let mut text = vec![0; (last - first) as usize];
    file.read_exact_at(&mut text, first)?;
    Ok(text)
}

/// Where the first line begins that does not begin before `at`.
fn line_start(file: &File, at: u64, end: u64) -> io::Result<u64> {
    if at == 0 || at >= end {
        return Ok(at.min(end));
    }
    let mut from = at - 1;
    let mut searched = [0; SEARCH_BYTES];
    while from < end {
        let n = file.read_at(&mut searched, from)?;
        if let Some(found) = searched[..n].iter().position(|byte| *byte == b'\n') {
            return Ok(from + found as u64 + 1);
        }
        from += n.max(1) as u64;
    }
    Ok(end)
}
