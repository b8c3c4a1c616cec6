//! Pieces between delimiters.
//!
//! A delimiter of one byte is looked for 64 bytes at a time, all places in a window at once. A longer one is looked for
//! by its first byte, and where that stands the others are compared; that is linear for delimiters of bounded length,
//! and the rare one of more than [`MAX_INLINE`] bytes is found by `memchr`'s two-way search.
#![expect(unsafe_code, reason = "cuts pieces between positions it has found")]

use std::iter::FusedIterator;

use memchr::memmem;

use super::window::{Look, WINDOW, first};
use super::{MAX_INLINE, Text};

/// What a text is split at: a character or a string.
///
/// ```
/// use millstream_engine::text::{Delimiter, Text};
/// let tab = Delimiter::from('\t');
/// assert_eq!(Text::from("a\tb").split(tab.clone()).count(), 2);
/// assert_eq!(Text::from("a\tb").nth(tab, 1), Some(Text::from("b")));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delimiter(Text);

impl<T: Into<Text>> From<T> for Delimiter {
    #[inline]
    fn from(delimiter: T) -> Self {
        Delimiter(delimiter.into())
    }
}

/// Iterator of [`Text::split`]: the pieces of a text, which it owns.
#[derive(Debug, Clone)]
pub struct Split {
    text: Text,
    delimiter: Text,
    /// Where the next piece starts.
    start: usize,
    /// Where the current window starts; with a delimiter that is not one byte, from where on it is looked for.
    window: usize,
    /// Where in the window a delimiter of one byte stands, as far as not visited.
    hits: u64,
    /// The last piece was delivered.
    done: bool,
}

impl Split {
    #[inline]
    pub(super) fn new(text: Text, Delimiter(delimiter): Delimiter) -> Self {
        let hits = if delimiter.len() == 1 && !text.is_empty() { look(&text, &delimiter, 0) } else { 0 };
        Split { text, delimiter, start: 0, window: 0, hits, done: false }
    }

    /// Where the next piece starts and ends.
    #[inline(always)]
    fn next_range(&mut self) -> Option<(usize, usize)> {
        if self.done {
            return None;
        }
        let delimiter = if self.delimiter.len() == 1 { self.next_hit() } else { self.next_match() };
        match delimiter {
            Some(at) => {
                let piece = (self.start, at);
                self.start = at + self.delimiter.len();
                Some(piece)
            }
            None => Some(self.rest()),
        }
    }

    /// All that is left, as the last piece.
    #[inline(always)]
    fn rest(&mut self) -> (usize, usize) {
        self.done = true;
        (self.start, self.text.len())
    }

    /// Where a delimiter of one byte stands next.
    #[inline(always)]
    fn next_hit(&mut self) -> Option<usize> {
        while self.hits == 0 {
            if self.text.len() - self.window <= WINDOW {
                return None;
            }
            self.window += WINDOW;
            self.hits = look(&self.text, &self.delimiter, self.window);
        }
        let hit = self.window + self.hits.trailing_zeros() as usize;
        self.hits &= self.hits - 1;
        Some(hit)
    }

    /// Where any other delimiter stands next.
    #[inline(always)]
    fn next_match(&mut self) -> Option<usize> {
        let at;
        (at, self.window) = find(&self.text, &self.delimiter, self.window)?;
        Some(at)
    }

    #[inline(always)]
    fn piece(&self, (start, end): (usize, usize)) -> Text {
        // SAFETY: a range of the text, between delimiters, which are whole characters, or the text's ends.
        unsafe { self.text.part(start, end) }
    }

    /// What stands before and behind the next delimiter.
    pub(super) fn once(mut self) -> Option<(Text, Text)> {
        let before = self.next_range().filter(|_| !self.done)?;
        let behind = self.rest();
        Some((self.piece(before), self.piece(behind)))
    }
}

/// Where in a window the delimiter's first byte stands. (This and the next take no `&mut Split`, so that the state of a
/// loop over pieces is kept in registers.)
#[inline(never)]
fn look(text: &Text, delimiter: &Text, at: usize) -> u64 {
    text.window(at).equal(delimiter.as_bytes()[0]) & first(text.len() - at)
}

/// Where the delimiter stands at or behind `from`, and from where on to look for the next.
#[inline(never)]
fn find(text: &Text, delimiter: &Text, from: usize) -> Option<(usize, usize)> {
    let at = match delimiter.len() {
        0 => {
            let next = text.as_str().get(from..)?.chars().next();
            return Some((from, from + next.map_or(1, char::len_utf8)));
        }
        1..=MAX_INLINE => find_short(text, delimiter, from)?,
        _ => from + memmem::find(&text.as_bytes()[from..], delimiter.as_bytes())?,
    };
    Some((at, at + delimiter.len()))
}

fn find_short(text: &Text, delimiter: &Text, from: usize) -> Option<usize> {
    for window in (from..text.len()).step_by(WINDOW) {
        let mut hits = look(text, delimiter, window);
        while hits != 0 {
            let at = window + hits.trailing_zeros() as usize;
            if text.as_bytes()[at..].starts_with(delimiter.as_bytes()) {
                return Some(at);
            }
            hits &= hits - 1;
        }
    }
    None
}

impl Iterator for Split {
    type Item = Text;

    #[inline(always)]
    fn next(&mut self) -> Option<Text> {
        let range = self.next_range()?;
        Some(self.piece(range))
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Text> {
        for _ in 0..n {
            self.next_range()?;
        }
        self.next()
    }

    fn count(mut self) -> usize {
        let mut count = 0;
        while self.next_range().is_some() {
            count += 1;
        }
        count
    }
}

impl FusedIterator for Split {}

/// Iterator of [`Text::splitn`].
#[derive(Debug, Clone)]
pub struct SplitN {
    split: Split,
    left: usize,
}

impl SplitN {
    pub(super) fn new(split: Split, n: usize) -> Self {
        SplitN { split, left: n }
    }
}

impl Iterator for SplitN {
    type Item = Text;

    #[inline]
    fn next(&mut self) -> Option<Text> {
        self.left = self.left.checked_sub(1)?;
        let range = match self.left {
            0 if !self.split.done => self.split.rest(),
            _ => self.split.next_range()?,
        };
        Some(self.split.piece(range))
    }
}

impl FusedIterator for SplitN {}

/// Iterator of [`Text::lines`].
#[derive(Debug, Clone)]
pub struct Lines {
    split: Split,
}

impl Lines {
    pub(super) fn new(split: Split) -> Self {
        Lines { split }
    }
}

impl Iterator for Lines {
    type Item = Text;

    #[inline]
    fn next(&mut self) -> Option<Text> {
        let (start, mut end) = self.split.next_range()?;
        if self.split.done {
            return (start < end).then(|| self.split.piece((start, end))); // not ended by \n
        }
        if self.split.text.as_bytes()[start..end].ends_with(b"\r") {
            end -= 1;
        }
        Some(self.split.piece((start, end)))
    }
}

impl FusedIterator for Lines {}

#[cfg(test)]
mod tests {
    use super::super::testing::texts_of;
    use super::*;

    const VALUES: [&str; 8] = ["", ",", "a", "a,b", ",a,,b,", "a, b, c", "::::", "aaaaaaaaaaaaaaaaab"];
    const DELIMITERS: [&str; 8] = [",", "", ", ", "::", ":::", "é", "aab", "a long delimiter of many bytes"];

    fn assert_splits_like_str(value: &str, delimiter: &str) {
        for text in texts_of(value) {
            assert_eq!(
                text.split(delimiter).collect::<Vec<_>>(),
                value.split(delimiter).collect::<Vec<_>>(),
                "{value:?} at {delimiter:?}"
            );
            assert_eq!(text.split(delimiter).count(), value.split(delimiter).count());
            let once = text.split_once(delimiter);
            assert_eq!(once.as_ref().map(|(a, b)| (a.as_str(), b.as_str())), value.split_once(delimiter));
            for n in 0..4 {
                let pieces: Vec<Text> = text.splitn(n, delimiter).collect();
                assert_eq!(
                    pieces,
                    value.splitn(n, delimiter).collect::<Vec<_>>(),
                    "{value:?} at {delimiter:?}, {n}"
                );
                assert_eq!(text.nth(delimiter, n).as_deref(), value.split(delimiter).nth(n));
            }
        }
    }

    #[test]
    fn pieces_are_those_of_str() {
        for delimiter in DELIMITERS {
            for value in VALUES {
                assert_splits_like_str(value, delimiter);
            }
            for repeat in 1..40 {
                assert_splits_like_str(&format!("{delimiter}ab{delimiter}é,").repeat(repeat), delimiter);
            }
        }
    }

    #[test]
    fn a_character_splits_like_the_string_of_it() {
        for c in [',', 'é', '€', '😀'] {
            let value = format!("a{c}b{c}{c}c");
            assert_eq!(Text::from(&value).split(c).collect::<Vec<_>>(), value.split(c).collect::<Vec<_>>());
        }
    }

    #[test]
    fn lines_are_those_of_str() {
        for value in ["", "\n", "a", "a\n", "a\r\nb", "a\n\nb\n", "a\r", "\r\n\r\n", "\r\r\n", "a\rb\nc"] {
            for repeat in [1, 3, 30] {
                let value = value.repeat(repeat);
                for text in texts_of(&value) {
                    assert_eq!(
                        text.lines().collect::<Vec<_>>(),
                        value.lines().collect::<Vec<_>>(),
                        "{value:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn an_iterator_at_its_end_stays_there() {
        let mut pieces = Text::from("a,b").split(',');
        assert_eq!(pieces.nth(1).unwrap(), "b");
        assert_eq!((pieces.next(), pieces.nth(1)), (None, None));
    }
}
