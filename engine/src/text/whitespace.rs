//! Words between white space, found 64 bytes at a time.
//!
//! A window's mask has a bit for each byte of a word. Adding the lowest bit to the mask carries through the lowest run
//! of bits: the carry comes to rest on the byte behind the word, and out of the mask when the word goes on in the next
//! window. So a word costs a handful of steps without a branch that depends on its length.
#![expect(unsafe_code, reason = "cuts words between positions it has found")]

use std::iter::FusedIterator;

use super::Text;
use super::window::{WINDOW, first};

/// Iterator of [`Text::split_whitespace`].
pub type SplitWhitespace = Words<true>;

/// Iterator of [`Text::split_ascii_whitespace`] and [`Text::fields`].
pub type SplitAsciiWhitespace = Words<false>;

/// The words of a text, which it owns: between Unicode white space, or between ASCII white space only.
#[derive(Debug, Clone)]
pub struct Words<const UNICODE: bool> {
    text: Text,
    len: usize,
    /// Where the current window starts.
    window: usize,
    /// The bytes of the window that belong to words not delivered yet.
    words: u64,
}

impl<const UNICODE: bool> Words<UNICODE> {
    #[inline]
    pub(super) fn new(text: Text) -> Self {
        let len = text.len();
        let words = if len > 0 { look::<UNICODE>(&text, len, 0) } else { 0 };
        Words { text, len, window: 0, words }
    }

    /// Where the next word starts and ends.
    #[inline(always)]
    fn next_range(&mut self) -> Option<(usize, usize)> {
        while self.words == 0 {
            if self.len - self.window <= WINDOW {
                return None;
            }
            self.window += WINDOW;
            self.words = look::<UNICODE>(&self.text, self.len, self.window);
        }
        let start = self.window + self.words.trailing_zeros() as usize;
        let lowest = self.words & self.words.wrapping_neg();
        let carried = self.words.wrapping_add(lowest);
        if carried == 0 {
            let end;
            (end, self.window, self.words) =
                end_of_crossing_word::<UNICODE>(&self.text, self.len, self.window);
            return Some((start, end));
        }
        self.words &= carried;
        Some((start, self.window + carried.trailing_zeros() as usize))
    }

    #[inline(always)]
    fn word(&self, (start, end): (usize, usize)) -> Text {
        // SAFETY: a range of the text, between white space characters or the text's ends.
        unsafe { self.text.part(start, end) }
    }
}

/// The bytes of words in a window. (This and the next take no `&mut Words`, so that the state of a loop over words is
/// kept in registers.)
#[inline(never)]
fn look<const UNICODE: bool>(text: &Text, len: usize, at: usize) -> u64 {
    let window = text.window(at);
    let mut spaces = window.ascii_space();
    if UNICODE && window.has_non_ascii() {
        spaces |= unicode_spaces(text.as_bytes(), at, window.unicode_space_lead());
    }
    !spaces & first(len - at)
}

/// Where a word ends that goes on behind a window; with the window where that is and what is left there.
#[inline(never)]
fn end_of_crossing_word<const UNICODE: bool>(
    text: &Text,
    len: usize,
    mut window: usize,
) -> (usize, usize, u64) {
    while len - window > WINDOW {
        window += WINDOW;
        let words = look::<UNICODE>(text, len, window);
        if words != !0 {
            let end = words.trailing_ones();
            return (window + end as usize, window, words >> end << end);
        }
    }
    (len, window, 0)
}

/// The bytes of a window that belong to white space outside of ASCII; `leads` are those that may begin such a character.
/// One that began in the window before has its last bytes in this one.
fn unicode_spaces(text: &[u8], window: usize, leads: u64) -> u64 {
    let mut spaces = 0;
    for back in 1..=window.min(2) {
        let len = unicode_space_len(&text[window - back..]);
        spaces |= first(len.saturating_sub(back));
    }
    let mut leads = leads & first(text.len() - window);
    while leads != 0 {
        let at = leads.trailing_zeros() as usize;
        leads &= leads - 1;
        spaces |= first(unicode_space_len(&text[window + at..])) << at;
    }
    spaces
}

/// The length of the white space character outside of ASCII with which the bytes start, or 0.
#[inline]
fn unicode_space_len(bytes: &[u8]) -> usize {
    match bytes {
        [0xC2, 0x85 | 0xA0, ..] => 2, // next line, no-break space
        [0xE2, 0x80, 0x80..=0x8A | 0xA8 | 0xA9 | 0xAF, ..] => 3, // en quad to hair space, line and paragraph separators
        [0xE2, 0x81, 0x9F, ..] | [0xE1, 0x9A, 0x80, ..] | [0xE3, 0x80, 0x80, ..] => 3, // mathematical, ogham, wide
        _ => 0,
    }
}

impl<const UNICODE: bool> Iterator for Words<UNICODE> {
    type Item = Text;

    #[inline(always)]
    fn next(&mut self) -> Option<Text> {
        let range = self.next_range()?;
        Some(self.word(range))
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

impl<const UNICODE: bool> FusedIterator for Words<UNICODE> {}

#[cfg(test)]
mod tests {
    use super::super::testing::texts_of;
    use super::*;

    #[test]
    fn every_white_space_character_splits_and_no_other() {
        for c in (0..=0x10ffff).filter_map(char::from_u32) {
            let len = unicode_space_len(c.encode_utf8(&mut [0; 4]).as_bytes());
            let expected = if c.is_whitespace() && !c.is_ascii() { c.len_utf8() } else { 0 };
            assert_eq!(len, expected, "{c:?}");
        }
    }

    #[test]
    fn a_space_splits_at_every_place_of_a_window() {
        for space in [" ", "\u{b}", "\u{85}", "\u{a0}", "\u{2003}", "\u{3000}", "\u{201c}", " \u{a0} "] {
            for before in 0..200 {
                let value = format!("{}{space}b", "a".repeat(before));
                for text in texts_of(&value) {
                    let words: Vec<Text> = text.split_whitespace().collect();
                    assert_eq!(words, value.split_whitespace().collect::<Vec<_>>(), "{before} {space:?}");
                    assert_eq!(text.split_whitespace().count(), words.len());
                }
            }
        }
    }

    #[test]
    fn ascii_splits_at_six_bytes_only() {
        let value = "a b\tc\nd\u{b}e\u{c}f\rg\u{a0}h\u{2003}i\u{1c}j and one that is longer than a whole window of 64 bytes \
                     which_goes_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on_and_on";
        let expected: Vec<&str> = value.split(|c: char| c.is_ascii() && c.is_whitespace()).collect();
        for text in texts_of(value) {
            assert_eq!(text.split_ascii_whitespace().collect::<Vec<_>>(), expected);
            for (n, field) in expected.iter().enumerate() {
                assert_eq!(text.field(n).unwrap(), *field);
            }
            assert_eq!(text.field(expected.len()), None);
        }
    }

    #[test]
    fn a_text_with_a_chunk_of_its_own_splits_like_any_other() {
        let value = "words of all lengths, some-of-them-too-long-to-be-inline ".repeat(100);
        let text = Text::from(&value);
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), value.split_whitespace().collect::<Vec<_>>());
        assert_eq!(text.split(',').collect::<Vec<_>>(), value.split(',').collect::<Vec<_>>());
    }

    #[test]
    fn an_iterator_at_its_end_stays_there() {
        for value in ["", "   ", "a", &" ".repeat(64), &"a".repeat(64), &"a".repeat(128)] {
            let mut words = Text::from(value).split_whitespace();
            words.by_ref().for_each(drop);
            assert_eq!((words.next(), words.next(), words.nth(3)), (None, None, None));
        }
    }
}
