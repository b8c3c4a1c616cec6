//! Reads a segment from its beginning to its end, however damaged it is, through a window of bounded size.

use std::io;
use std::ops::Range;
use std::path::Path;

use super::format::{
    FOOTER, Footer, Home, PAYLOAD_CRC, RECORD_HEADER, RECORD_MARK, RecordHeader, payload_range,
};
use super::options::OnCorruption;
use super::trouble::is_temporary;
use crate::fs::Fs;

/// Bytes read at a time. A file is held in memory by this much, whatever lengths stand in it.
const WINDOW: usize = 256 << 10;

/// Where a disk is broken, files are read in pieces of this many bytes: more than a disk loses at once.
const PIECE: usize = 4096;

/// Stands for bytes that cannot be read. Not zero: zeros at the end of a file are passed over in silence.
const UNREADABLE: u8 = 0xFF;

/// Whether a failed read is damage that `policy` passes over. What may go away by itself, as missing rights, is none.
pub(super) fn passes_over(policy: OnCorruption, error: &io::Error) -> bool {
    policy == OnCorruption::Skip && error.kind() != io::ErrorKind::NotFound && !is_temporary(error)
}

/// Reads as [`Fs::read_at`]. Where the policy is to skip damage, a piece that cannot be read comes as bytes that no record has, and
/// `unreadable` is widened to take it in.
pub(super) fn read(
    (fs, policy): (&dyn Fs, OnCorruption),
    path: &Path,
    offset: u64,
    len: usize,
    unreadable: &mut Range<u64>,
) -> io::Result<Vec<u8>> {
    match fs.read_at(path, offset, len) {
        Err(error) if passes_over(policy, &error) => {}
        read => return read,
    }
    let rest = usize::try_from(fs.len(path)?.saturating_sub(offset)).unwrap_or(len);
    let mut bytes = Vec::with_capacity(rest.min(len));
    while bytes.len() < rest.min(len) {
        let piece = (rest.min(len) - bytes.len()).min(PIECE);
        let from = offset + bytes.len() as u64;
        match fs.read_at(path, from, piece) {
            Ok(read) if read.is_empty() => break,
            Ok(read) => bytes.extend(read),
            Err(error) if passes_over(policy, &error) => {
                bytes.resize(bytes.len() + piece, UNREADABLE);
                let start = if unreadable.is_empty() { from } else { unreadable.start.min(from) };
                *unreadable = start..unreadable.end.max(from + piece as u64);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The part of a file that is looked at.
pub(super) struct Window<'a> {
    disk: (&'a dyn Fs, OnCorruption),
    path: &'a Path,
    /// Bytes of the file.
    pub(super) len: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Where bytes could not be read, with what is between them.
    unreadable: Range<u64>,
}

impl<'a> Window<'a> {
    pub(super) fn open(disk: (&'a dyn Fs, OnCorruption), path: &'a Path) -> io::Result<Self> {
        Ok(Window { disk, path, len: disk.0.len(path)?, start: 0, bytes: Vec::new(), unreadable: 0..0 })
    }

    /// Up to `len` bytes from `offset` on, at most [`WINDOW`]; fewer only where the file ends.
    pub(super) fn at(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min(WINDOW).min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(WINDOW));
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.contains(&offset) && offset + len as u64 <= held.end) {
            self.bytes = read(self.disk, self.path, offset, WINDOW, &mut self.unreadable)?;
            self.start = offset;
        }
        let begin = ((offset - self.start) as usize).min(self.bytes.len());
        Ok(&self.bytes[begin..self.bytes.len().min(begin + len)])
    }

    /// Some bytes from `offset` on, at least two unless the file ends; those that are at hand.
    fn some(&mut self, offset: u64) -> io::Result<&[u8]> {
        let held = self.start + self.bytes.len() as u64;
        let enough = self.start <= offset && (offset + 2 <= held || held >= self.len);
        let len = if enough { held.saturating_sub(offset) as usize } else { WINDOW };
        self.at(offset, len)
    }

    /// Calls `look` with the bytes of a range, a piece at a time.
    pub(super) fn each(
        &mut self,
        mut from: u64,
        to: u64,
        mut look: impl FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        while from < to {
            let len = usize::try_from(to - from).unwrap_or(WINDOW);
            let piece = self.at(from, len)?;
            if piece.is_empty() {
                return Ok(());
            }
            look(from, piece);
            from += piece.len() as u64;
        }
        Ok(())
    }
}

/// What stands in a segment after its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// A record whose header and payload are sound.
    Record { offset: u64, header: RecordHeader, payload_crc: u32 },
    /// A sound footer.
    Footer(Footer),
    /// Bytes that are neither, up to the next that are, or to the end of the file.
    Bad { offset: u64, bytes: u64, zeros: bool },
}

/// Goes through the pieces of a segment.
pub(super) struct Scan<'a> {
    window: Window<'a>,
    home: Home,
    position: u64,
}

impl<'a> Scan<'a> {
    pub(super) fn new(window: Window<'a>, home: Home, from: u64) -> Self {
        Scan { window, home, position: from }
    }

    /// All pieces, and where bytes could not be read. The pieces cover the file from where the scan began, without overlap and
    /// without holes.
    pub(super) fn pieces(mut self) -> io::Result<(Vec<Piece>, Range<u64>)> {
        let mut pieces = Vec::new();
        while self.position < self.window.len {
            match self.sound_at(self.position)? {
                Some((piece, end)) => {
                    pieces.push(piece);
                    self.position = end;
                }
                None => pieces.push(self.bad()?),
            }
        }
        Ok((pieces, self.window.unreadable))
    }

    /// The record or footer at `offset`, with its end.
    fn sound_at(&mut self, offset: u64) -> io::Result<Option<(Piece, u64)>> {
        let home = self.home;
        let head = self.window.at(offset, RECORD_HEADER as usize)?;
        if let Some(footer) = Footer::decode(head, home, offset) {
            return Ok(Some((Piece::Footer(footer), offset + FOOTER)));
        }
        let Some(header) = RecordHeader::decode(head, home, offset) else { return Ok(None) };
        let end = offset + header.record_len();
        if end > self.window.len {
            return Ok(None);
        }
        let payload = payload_range(offset, header.len);
        let mut payload_crc = 0;
        self.window.each(payload.start, payload.end, |_, bytes| {
            payload_crc = crc32c::crc32c_append(payload_crc, bytes);
        })?;
        let stored = self.window.at(payload.end, PAYLOAD_CRC as usize)?;
        let sound = stored == payload_crc.to_le_bytes();
        Ok(sound.then_some((Piece::Record { offset, header, payload_crc }, end)))
    }

    /// The bytes from here to the next sound piece. That is looked for byte by byte: lengths in damaged bytes are not believed.
    fn bad(&mut self) -> io::Result<Piece> {
        let offset = self.position;
        let mut from = offset + 1;
        self.position = loop {
            match self.next_mark(from)? {
                None => break self.window.len,
                Some(mark) if self.sound_at(mark)?.is_some() => break mark,
                Some(mark) => from = mark + 1,
            }
        };
        let mut zeros = true;
        self.window.each(offset, self.position, |_, bytes| zeros &= bytes.iter().all(|byte| *byte == 0))?;
        Ok(Piece::Bad { offset, bytes: self.position - offset, zeros })
    }

    /// The next place that may be the beginning of a record or footer.
    fn next_mark(&mut self, mut from: u64) -> io::Result<Option<u64>> {
        let mark = &RECORD_MARK[..2];
        loop {
            let bytes = self.window.some(from)?;
            if bytes.len() < mark.len() {
                return Ok(None);
            }
            if let Some(found) = memchr::memmem::find(bytes, mark) {
                return Ok(Some(from + found as u64));
            }
            // The last byte again: a mark may stand across the edge.
            from += bytes.len() as u64 - 1;
        }
    }
}
