//! Words between white space, found 64 bytes at a time.
//!
//! A window has a bit for each byte at which a word begins or behind which one has ended. These edges come in pairs, so a word
//! costs a handful of steps without a branch that depends on its length. A word that goes on behind the window has no edges
//! there, and the next window begins with it; so only a word that fills a whole window needs other treatment.
#![expect(unsafe_code, reason = "cuts words between positions it has found")]

use std::iter::FusedIterator;
use std::ptr;

use super::text::Alias;
#[cfg(target_arch = "x86_64")]
use super::window::Wide;
use super::window::{Look, WINDOW, Window, first, is_wide};
use super::{MAX_INLINE, Text};

/// Iterator of [`Text::split_whitespace`].
pub type SplitWhitespace = Words<true>;

/// Iterator of [`Text::split_ascii_whitespace`] and [`Text::fields`].
pub type SplitAsciiWhitespace = Words<false>;

/// The words of a text, which it owns: between Unicode white space, or between ASCII white space only.
#[derive(Debug)]
pub struct Words<const UNICODE: bool> {
    text: Text,
    len: usize,
    /// Words of up to this length are loaded from `bytes`: all that are inline, or none where the text is not in a frozen chunk.
    short: usize,
    /// Where the text starts, if it is in a frozen chunk.
    start: *const u8,
    /// The bytes of the current window, if the text is in a frozen chunk.
    bytes: *const u8,
    /// Where the current window starts.
    window: usize,
    /// The first bytes of the window's words that are not delivered yet, and those behind them.
    edges: u64,
    /// Where the next window starts.
    next: usize,
}

// SAFETY: `start` and `bytes` are addresses in the chunk that `text` counts, and only read.
unsafe impl<const UNICODE: bool> Send for Words<UNICODE> {}
// SAFETY: as above.
unsafe impl<const UNICODE: bool> Sync for Words<UNICODE> {}

impl<const UNICODE: bool> Words<UNICODE> {
    #[inline]
    pub(super) fn new(text: Text) -> Self {
        let (start, short) = text.frozen_start().map_or((ptr::null(), 0), |start| (start, MAX_INLINE));
        Words { len: text.len(), text, start, bytes: start, short, window: 0, edges: 0, next: 0 }
    }

    /// Where in the window the next word starts, and its length. Without an end in the window it is a word from end to end of it, and
    /// the length is the window's.
    #[inline(always)]
    fn next_edges(&mut self) -> Option<(usize, usize)> {
        if self.edges == 0 {
            self.look();
            if self.edges == 0 {
                return None;
            }
        }
        let start = self.edges.trailing_zeros() as usize;
        let ends = without_lowest(self.edges);
        self.edges = without_lowest(ends);
        Some((start, ends.trailing_zeros() as usize - start))
    }

    /// Where in the text the word is that has these edges in the window.
    #[inline(always)]
    fn range(&mut self, (start, len): (usize, usize)) -> (usize, usize) {
        if len < WINDOW {
            return (self.window + start, self.window + start + len);
        }
        self.next = end_of_long_word::<UNICODE>(self.text.alias(), self.len, self.window);
        (self.window, self.next)
    }

    /// Goes to the next window with a word, if there is one.
    #[inline(always)]
    fn look(&mut self) {
        if self.next < self.len {
            (self.window, self.edges) = if self.short > 0 {
                // SAFETY: `short` says that this is the start of a text in a frozen chunk.
                unsafe { find_plain_words::<UNICODE>(self.start, self.len, self.next, self.text.alias()) }
            } else {
                find_words::<UNICODE>(self.text.alias(), self.next)
            };
            self.bytes = self.start.wrapping_add(self.window);
            self.next = self.window + (WINDOW - self.edges.leading_zeros() as usize);
        }
    }
}

/// `bits` without the lowest one.
#[inline(always)]
fn without_lowest(bits: u64) -> u64 {
    bits & bits.wrapping_sub(1)
}

/// The first window from `at` on in which a word is whole, and the edges of those that are; or the first in which one goes from
/// end to end, and an edge at its beginning only. At the end of the text, no edges.
///
/// (This and its like take no `&Words`, so that the state of a loop over words is kept in registers.)
#[inline(never)]
fn find_words<const UNICODE: bool>(text: Alias<'_>, mut at: usize) -> (usize, u64) {
    let len = text.len();
    while at < len {
        match whole_words(look::<UNICODE>(&text, len, at)) {
            Ok(edges) => return (at, edges),
            Err(skip) => at += skip,
        }
    }
    (len, 0)
}

/// [`find_words`] of a text in a frozen chunk, which stays here while it sees nothing but printable ASCII.
///
/// # Safety
/// `start` and `len` are those of `text`.
#[inline(always)]
unsafe fn find_plain_words<const UNICODE: bool>(
    start: *const u8,
    len: usize,
    at: usize,
    text: Alias<'_>,
) -> (usize, u64) {
    #[cfg(target_arch = "x86_64")]
    if is_wide() {
        // SAFETY: the processor has what it is compiled for, and the caller's promise.
        return unsafe { find_plain_words_wide::<UNICODE>(start, len, at, text) };
    }
    // SAFETY: every processor has a `Window`, and the caller's promise.
    unsafe { find_plain_words_narrow::<UNICODE>(start, len, at, text) }
}

/// # Safety
/// As for [`find_plain_words_in`].
#[inline(never)]
unsafe fn find_plain_words_narrow<const UNICODE: bool>(
    start: *const u8,
    len: usize,
    at: usize,
    text: Alias<'_>,
) -> (usize, u64) {
    // SAFETY: the caller's promise.
    unsafe { find_plain_words_in::<UNICODE, Window>(start, len, at, text) }
}

/// # Safety
/// As for [`find_plain_words_in`].
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
unsafe fn find_plain_words_wide<const UNICODE: bool>(
    start: *const u8,
    len: usize,
    at: usize,
    text: Alias<'_>,
) -> (usize, u64) {
    // SAFETY: the caller's promise.
    unsafe { find_plain_words_in::<UNICODE, Wide>(start, len, at, text) }
}

/// # Safety
/// `start` and `len` are those of `text`, and the processor has windows of this kind.
#[inline(always)]
unsafe fn find_plain_words_in<const UNICODE: bool, W: Look>(
    start: *const u8,
    len: usize,
    mut at: usize,
    text: Alias<'_>,
) -> (usize, u64) {
    while at < len {
        // SAFETY: `at` is before the end, and the chunk is padded.
        let window = unsafe { W::load(start.add(at)) };
        let ours = first(len - at);
        if window.non_ascii_or_control() & ours != 0 {
            return find_words::<UNICODE>(text, at);
        }
        match whole_words(!window.equal(b' ') & ours) {
            Ok(edges) => return (at, edges),
            Err(skip) => at += skip,
        }
    }
    (len, 0)
}

/// The edges of the words that do not go on behind the window, of whose bytes `words` has the bits; if there are none, how far
/// it is to where the next word may begin. (A word from end to end has the edge at its beginning.)
#[inline(always)]
fn whole_words(words: u64) -> Result<u64, usize> {
    let cut = words.leading_ones();
    let whole = if words == !0 { words } else { words << cut >> cut };
    if whole == 0 { Err(WINDOW - cut as usize) } else { Ok(whole ^ whole << 1) }
}

/// Where a word ends that has the whole window from `at`.
#[cold]
#[inline(never)]
fn end_of_long_word<const UNICODE: bool>(text: Alias<'_>, len: usize, mut at: usize) -> usize {
    while at < len {
        let words = look::<UNICODE>(&text, len, at);
        if words != !0 {
            return at + words.trailing_ones() as usize;
        }
        at += WINDOW;
    }
    len
}

/// The part of a text that is not a short one of a frozen chunk.
///
/// # Safety
/// As for [`Text::part`].
#[inline(never)]
unsafe fn part(text: Alias<'_>, start: usize, end: usize) -> Text {
    // SAFETY: the caller's promise.
    unsafe { text.part(start, end) }
}

/// The bytes of words in the window from `at`.
#[inline(always)]
fn look<const UNICODE: bool>(text: &Text, len: usize, at: usize) -> u64 {
    let window = text.window(at);
    let mut spaces = window.ascii_space();
    if UNICODE && window.has_non_ascii() {
        spaces |= unicode_spaces(text.as_bytes(), at, window.unicode_space_lead());
    }
    !spaces & first(len - at)
}

/// The bytes of a window that belong to white space outside of ASCII; `leads` are those that may begin such a character.
/// One that began in the window before has its last bytes in this one.
#[inline(never)]
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
        let (start, len) = self.next_edges()?;
        if len <= self.short {
            // SAFETY: `short` says that `bytes` are those of a text in a frozen chunk; the range is whole characters of it.
            return Some(unsafe { Text::short_of_frozen(self.bytes.add(start), len) });
        }
        let (start, end) = self.range((start, len));
        // SAFETY: a range of the text, between white space characters or the text's ends.
        Some(unsafe { part(self.text.alias(), start, end) })
    }

    #[inline]
    fn nth(&mut self, n: usize) -> Option<Text> {
        for _ in 0..n {
            let edges = self.next_edges()?;
            self.range(edges);
        }
        self.next()
    }

    fn count(mut self) -> usize {
        let mut count = 0;
        while let Some(edges) = self.next_edges() {
            self.range(edges);
            count += 1;
        }
        count
    }
}

impl<const UNICODE: bool> FusedIterator for Words<UNICODE> {}

impl<const UNICODE: bool> Clone for Words<UNICODE> {
    fn clone(&self) -> Self {
        let Words { window, edges, next, .. } = *self;
        let copy = Words::new(self.text.clone()); // which may have copied the text
        Words { window, bytes: copy.start.wrapping_add(window), edges, next, ..copy }
    }
}

#[cfg(test)]
mod tests {
    use super::super::detached;
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
    fn a_clone_goes_on_where_the_iterator_is_also_when_it_copies() {
        let value = "these are words, some-that-are-too-long-to-be-inline and some that are not".repeat(3);
        for text in texts_of(&value) {
            let expected: Vec<&str> = value.split_whitespace().collect();
            for n in 0..=expected.len() {
                let mut words = text.split_whitespace();
                words.by_ref().take(n).for_each(drop);
                let (clone, copy) = (words.clone(), detached(|| words.clone()));
                drop(words);
                assert_eq!(clone.collect::<Vec<_>>(), expected[n..]);
                assert_eq!(copy.collect::<Vec<_>>(), expected[n..]);
            }
        }
    }

    /// [`whole_words`] bit by bit: the edges, and where to look next if there are none.
    fn plain_whole_words(words: u64) -> (u64, usize) {
        let is_word = |i: usize| i < 64 && words >> i & 1 == 1;
        if words == !0 {
            return (1, 0);
        }
        let end = (0..64).rev().find(|i| !is_word(*i)).map_or(0, |i| i + 1);
        let edge = |i: &usize| *i < end && is_word(*i) != (*i > 0 && is_word(*i - 1));
        ((0..64).filter(edge).fold(0, |edges, i| edges | 1 << i), end)
    }

    #[test]
    fn edges_are_those_of_the_words_that_end_in_the_window() {
        let mut random = 0x9e37_79b9_7f4a_7c15u64;
        let mut masks =
            vec![0, 1, !0, !0 << 1, !0 >> 1, 1 << 63, 0x5555_5555_5555_5555, 0xaaaa_aaaa_aaaa_aaaa];
        for _ in 0..10_000 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            masks.extend([random, random | random << 1, random | random >> 3 | !0 << (random % 64)]);
        }
        for words in masks {
            let (edges, skip) = plain_whole_words(words);
            assert_eq!(whole_words(words), if edges == 0 { Err(skip) } else { Ok(edges) }, "{words:#066b}");
        }
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
