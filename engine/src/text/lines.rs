//! The lines of a block, as Java's `BufferedReader` cuts them: a line ends at `\n`, at `\r\n`, or at a `\r` alone.
#![expect(unsafe_code, reason = "cuts lines between positions it has found")]

use std::ops::{ControlFlow, Range};

use memchr::memchr_iter;

#[cfg(target_arch = "x86_64")]
use super::window::Wide;
use super::window::{Look, WINDOW, Window, first, is_wide};
use super::{Text, Utf8Chunk};

/// Calls `f` with each line in a range of a block, until it breaks.
///
/// The end of a line is not part of it. Empty lines are delivered, and so is a last line without an end. A `\r\n`
/// counts as one end only if the range has both of its bytes.
///
/// ```
/// use millstream_engine::text::{Chunk, for_each_line, validate};
/// use std::ops::ControlFlow;
///
/// let chunk = Chunk::copy_from(b"one\r\n\ntwo\rthree")?;
/// let block = validate(&chunk, 0..chunk.len())?.block;
/// let mut lines = vec![];
/// let _ = for_each_line(&block, 0..block.len(), |line| {
///     lines.push(line);
///     ControlFlow::Continue(())
/// });
/// assert_eq!(lines, ["one", "", "two", "three"]);
/// # Ok::<(), millstream_engine::text::TooLong>(())
/// ```
///
/// # Panics
/// When the range is outside of the block or cuts a character, as a slice of a `str` would.
pub fn for_each_line(
    block: &Utf8Chunk,
    range: Range<usize>,
    mut f: impl FnMut(Text) -> ControlFlow<()>,
) -> ControlFlow<()> {
    assert!(
        block.as_str().get(range.clone()).is_some(),
        "the range is outside of the block or cuts a character"
    );
    let bytes = &block.as_bytes()[..range.end];
    let mut start = range.start;
    for stretch in range.clone().step_by(WINDOWS * WINDOW) {
        let ends = ends(block, stretch..range.end.min(stretch + WINDOWS * WINDOW));
        for (window, mut ends) in (stretch..range.end).step_by(WINDOW).zip(ends) {
            while ends != 0 {
                let end = window + ends.trailing_zeros() as usize;
                ends &= ends - 1;
                if end < start {
                    continue; // the \n of a \r\n
                }
                // SAFETY: both in the range; behind an ASCII byte or at the range's start, and before an ASCII byte.
                f(unsafe { block.part(start, end) })?;
                start = behind(bytes, end);
            }
        }
    }
    if start < range.end {
        // SAFETY: behind an ASCII byte or at the range's start, and the range's end.
        f(unsafe { block.part(start, range.end) })?;
    }
    ControlFlow::Continue(())
}

/// How many windows are looked at in one go.
const WINDOWS: usize = 16;

/// Which bytes of a range of at most [`WINDOWS`] windows may end a line.
fn ends(block: &Utf8Chunk, range: Range<usize>) -> [u64; WINDOWS] {
    #[cfg(target_arch = "x86_64")]
    if is_wide() {
        // SAFETY: the processor has what it is compiled for.
        return unsafe { wide_ends(block, range) };
    }
    ends_in::<Window>(block, range)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
fn wide_ends(block: &Utf8Chunk, range: Range<usize>) -> [u64; WINDOWS] {
    ends_in::<Wide>(block, range)
}

#[inline(always)]
fn ends_in<W: Look>(block: &Utf8Chunk, range: Range<usize>) -> [u64; WINDOWS] {
    let mut masks = [0; WINDOWS];
    for (mask, at) in masks.iter_mut().zip(range.clone().step_by(WINDOW)) {
        // SAFETY: whoever asks for windows of this kind has seen to it that there are such registers.
        *mask = unsafe { block.window::<W>(at) }.either(b'\n', b'\r') & first(range.end - at);
    }
    masks
}

/// Where the next line starts when one ends at `end`.
#[inline]
fn behind(bytes: &[u8], end: usize) -> usize {
    let is_pair = bytes[end] == b'\r' && bytes.get(end + 1) == Some(&b'\n');
    end + 1 + usize::from(is_pair)
}

/// How many lines [`for_each_line`] delivers for these bytes.
///
/// ```
/// use millstream_engine::text::count_lines;
/// assert_eq!(count_lines(b"one\r\n\ntwo\rthree"), 4);
/// ```
pub fn count_lines(bytes: &[u8]) -> u64 {
    let feeds = memchr_iter(b'\n', bytes).count();
    let lone_returns = memchr_iter(b'\r', bytes).filter(|&at| bytes.get(at + 1) != Some(&b'\n')).count();
    let unended = bytes.last().is_some_and(|last| !matches!(last, b'\n' | b'\r'));
    (feeds + lone_returns + usize::from(unended)) as u64
}

#[cfg(test)]
mod tests {
    use super::super::{Chunk, validate};
    use super::*;

    fn lines(text: &str, range: Range<usize>) -> Vec<String> {
        let chunk = Chunk::copy_from(text.as_bytes()).unwrap();
        let block = validate(&chunk, 0..chunk.len()).unwrap().block;
        let mut lines = vec![];
        let flow = for_each_line(&block, range, |line| {
            lines.push(line.into());
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        lines
    }

    #[test]
    fn each_kind_of_end_ends_a_line_at_every_place_of_a_window() {
        for end in ["\n", "\r", "\r\n"] {
            for before in 0..150 {
                let (a, b) = ("a".repeat(before), "b");
                let text = format!("{a}{end}{end}{b}");
                assert_eq!(lines(&text, 0..text.len()), [&a, "", b], "{before} {end:?}");
                assert_eq!(count_lines(text.as_bytes()), 3);
            }
        }
    }

    #[test]
    fn a_range_knows_nothing_of_what_surrounds_it() {
        let text = "x\na\r\nb\r\ny";
        assert_eq!(lines(text, 2..8), ["a", "b"]);
        assert_eq!(lines(text, 2..4), ["a"]);
        assert_eq!(lines(text, 4..6), ["", "b"]);
        assert!(lines(text, 3..3).is_empty());
    }

    #[test]
    fn a_break_ends_the_loop() {
        let chunk = Chunk::copy_from(b"a\nb\nc").unwrap();
        let block = validate(&chunk, 0..5).unwrap().block;
        let mut seen = 0;
        let flow = for_each_line(&block, 0..5, |line| {
            seen += 1;
            if line == "b" { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        assert_eq!((flow, seen), (ControlFlow::Break(()), 2));
    }

    #[test]
    #[should_panic(expected = "cuts a character")]
    fn a_range_that_cuts_a_character_is_refused() {
        lines("é\n", 1..3);
    }
}
