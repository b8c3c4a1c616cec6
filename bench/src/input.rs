//! Bytes as the engine has them when a batch begins: in blocks of sealed segments, warm in memory.

use millstream::Time;
use millstream::job::Executor;
use millstream::receive::{BlockFormat, Blocks, Lines, Segment};

/// Segments of one block: with the default segment of 256 KB a block has 4 MB, so that two threads have enough of them.
const SEGMENTS_PER_BLOCK: usize = 16;

/// Cuts `bytes` into segments of whole lines, as a receiver does.
///
/// # Panics
/// When a line is longer than a segment.
#[expect(clippy::expect_used, reason = "the workloads have short lines")]
pub fn segments(executor: &Executor, bytes: &[u8]) -> Vec<Segment> {
    let size = executor.config().segment_bytes;
    let (mut segments, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let end = if rest.len() <= size { rest.len() } else { line_end(&rest[..size]) };
        let mut chunk = executor.chunks().take();
        chunk.extend_from_slice(&rest[..end]);
        let sealed = Lines::seal(chunk, 0).expect("text that fits into a chunk");
        let block = Time::from_millis((segments.len() / SEGMENTS_PER_BLOCK) as i64);
        segments.push(Segment::new(sealed.content, sealed.records, block));
        rest = &rest[end..];
    }
    segments
}

#[expect(clippy::expect_used, reason = "the workloads have short lines")]
fn line_end(bytes: &[u8]) -> usize {
    memchr::memrchr(b'\n', bytes).expect("a line is shorter than a segment") + 1
}

/// The lines of `bytes` as the batch of a receiver.
pub fn blocks(executor: &Executor, bytes: &[u8]) -> Blocks<Lines> {
    Blocks::new(executor.clone(), segments(executor, bytes))
}

#[cfg(test)]
mod tests {
    use millstream::operators::prelude::*;

    use super::*;

    #[test]
    fn blocks_hold_every_line_once() {
        let text = "one line of several words\n".repeat(400_000);
        let blocks = blocks(&Executor::local(2), text.as_bytes());
        assert_eq!(blocks.clone().count().unwrap(), 400_000);
        assert_eq!(blocks.map(|line| line.len()).sum().unwrap(), text.len() - 400_000);
    }
}
