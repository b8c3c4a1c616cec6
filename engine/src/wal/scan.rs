//! Reads a segment from its beginning to its end, however damaged it is, through a window of bounded size.

use std::io;
use std::path::Path;

use super::format::{
    FOOTER, Footer, Home, PAYLOAD_CRC, RECORD_HEADER, RECORD_MARK, RecordHeader, payload_range,
};
use crate::fs::Fs;

/// Bytes read at a time. A file is held in memory by this much, whatever lengths stand in it.
const WINDOW: usize = 256 << 10;

/// The part of a file that is looked at.
pub(super) struct Window<'a> {
    fs: &'a dyn Fs,
    path: &'a Path,
    /// Bytes of the file.
    pub(super) len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn open(fs: &'a dyn Fs, path: &'a Path) -> io::Result<Self> {
        Ok(Window { fs, path, len: fs.len(path)?, start: 0, bytes: Vec::new() })
    }

    /// Up to `len` bytes from `offset` on, at most [`WINDOW`]; fewer only where the file ends.
    pub(super) fn at(&mut self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let len = len.min(WINDOW).min(usize::try_from(self.len.saturating_sub(offset)).unwrap_or(WINDOW));
        let held = self.start..self.start + self.bytes.len() as u64;
        if !(held.contains(&offset) && offset + len as u64 <= held.end) {
            self.bytes = self.fs.read_at(self.path, offset, WINDOW)?;
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

    /// All pieces. They cover the file from where the scan began, without overlap and without holes.
    pub(super) fn pieces(mut self) -> io::Result<Vec<Piece>> {
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
        Ok(pieces)
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
