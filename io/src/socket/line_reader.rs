use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

use millstream_engine::receive::{Lines, ReceiverContext};
use millstream_engine::text::{ChunkMut, count_lines};
use millstream_engine::{Result, StreamingContext};

use super::LineCounters;
use crate::lines::LineCutter;

/// Reads the lines of one connection into the receiver's current chunk. Between two reads it holds the beginning of one line.
#[derive(Debug)]
pub(crate) struct LineReader {
    cutter: LineCutter,
    sizes: ReadSizes,
    cut_lines: u64,
    /// Bytes and lines so far, counted while there is a rate limit.
    limited: (u64, u64),
}

/// How much is read at a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadSizes {
    min_read: usize,
    max_line: usize,
}

/// What one read came to.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Bytes. Nothing may be read before `wait` is over. `drained`: there were fewer than there was room for.
    Bytes { wait: Duration, drained: bool },
    /// Nothing at the moment.
    Nothing,
    /// There is no room at the moment.
    NoRoom,
    /// The end; a last line without an end was delivered.
    End,
    /// The connection broke; half a line was delivered, and counted.
    Broken(io::Error),
}

/// The least space to read into: with less, the chunk is handed on and a new one begun.
const MIN_READ: usize = 16 << 10;
/// With a rate limit no more is read at once than this part of a second may bring.
const READS_PER_SECOND: u64 = 20;
/// The length of a line before any has been seen: rather too short, as the limit counts lines.
const LIKELY_LINE_BYTES: u64 = 16;

impl ReadSizes {
    pub(crate) fn of(context: &StreamingContext) -> Self {
        let min_read = MIN_READ.min(context.executor().chunks().chunk_bytes() / 4);
        ReadSizes { min_read, max_line: context.config().max_line_bytes }
    }
}

impl LineReader {
    pub(crate) fn new(sizes: ReadSizes) -> Self {
        LineReader { cutter: LineCutter::new(sizes.max_line), sizes, cut_lines: 0, limited: (0, 0) }
    }

    /// Reads once, straight into the current chunk, up to all the space that it has.
    ///
    /// # Errors
    /// When a chunk cannot be had.
    pub(crate) fn read(
        &mut self,
        source: &mut impl Read,
        cx: &ReceiverContext<Lines>,
        counters: &LineCounters,
    ) -> Result<Taken> {
        let limiter = cx.builder().limiter();
        let limit = limiter.current_limit();
        let spare = self.cutter.pending() + self.sizes.min_read + 1;
        let allowance = self.allowance(limit);
        let filled = cx.builder().fill(spare, |chunk| self.fill(chunk, source, allowance, limit.is_some()));
        let Some(filled) = filled? else { return Ok(Taken::NoRoom) };
        let cut = self.cutter.cut_lines() - std::mem::replace(&mut self.cut_lines, self.cutter.cut_lines());
        if cut > 0 {
            counters.cut.add(cut as i64);
        }
        if matches!(filled.taken, Taken::Broken(_)) && filled.is_half {
            counters.half.add(1);
        }
        Ok(match filled.taken {
            Taken::Bytes { drained, .. } if filled.lines > 0 => {
                Taken::Bytes { wait: limiter.acquire(filled.lines, Instant::now()), drained }
            }
            taken => taken,
        })
    }

    /// Delivers a last line that has no end: the source has come to its own. False when there is no room.
    ///
    /// # Errors
    /// When a chunk cannot be had.
    pub(crate) fn finish(&mut self, cx: &ReceiverContext<Lines>, counters: &LineCounters) -> Result<bool> {
        Ok(!matches!(self.read(&mut io::empty(), cx, counters)?, Taken::NoRoom))
    }

    fn fill(
        &mut self,
        chunk: &mut ChunkMut,
        source: &mut impl Read,
        allowance: usize,
        count: bool,
    ) -> Filled {
        let start = self.cutter.begin(chunk);
        // One byte is left for the end of a last line that has none.
        let wanted = (chunk.remaining() - 1).min(allowance);
        let read = read_once(source, &mut chunk.spare_mut()[..wanted]);
        let bytes = *read.as_ref().unwrap_or(&0);
        chunk.advance(bytes);
        let taken = match read {
            Ok(0) => Taken::End,
            Ok(n) => Taken::Bytes { wait: Duration::ZERO, drained: n < wanted },
            Err(error) if error.kind() == ErrorKind::WouldBlock => Taken::Nothing,
            Err(error) => Taken::Broken(error),
        };
        let is_half = !matches!(chunk.filled()[start..].last(), None | Some(b'\n' | b'\r'));
        self.cutter.settle(chunk, start, matches!(taken, Taken::End | Taken::Broken(_)));
        let lines = if count { count_lines(&chunk.filled()[start..]) } else { 0 };
        self.limited.0 += if count { bytes as u64 } else { 0 };
        self.limited.1 += lines;
        Filled { taken, lines, is_half }
    }

    /// The bytes that may be read at once, so that a rate limit is kept evenly.
    fn allowance(&self, limit: Option<u64>) -> usize {
        let Some(rate) = limit else { return usize::MAX };
        let (bytes, lines) = self.limited;
        let line_bytes = bytes.checked_div(lines).unwrap_or(LIKELY_LINE_BYTES).max(1);
        let allowed = (rate / READS_PER_SECOND).max(1).saturating_mul(line_bytes);
        usize::try_from(allowed).unwrap_or(usize::MAX)
    }
}

struct Filled {
    taken: Taken,
    /// Whole lines; 0 while there is no limit to count them for.
    lines: u64,
    is_half: bool,
}

fn read_once(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => (),
            read => return read,
        }
    }
}
