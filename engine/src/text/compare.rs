//! Equality, order and hash of texts.
//!
//! A text of at most [`MAX_INLINE`](super::MAX_INLINE) bytes is always inline, so two inline texts are equal when their
//! sixteen bytes are, and an inline text never equals a long one. Read with the first byte highest, the sixteen bytes
//! of inline texts are in the order of the texts: what is missing is zero, and the length, lowest, decides between a
//! text and the same with zero bytes behind.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use super::text::Alias;
use super::{MAX_INLINE, Text};

impl Text {
    #[inline(always)]
    fn hash_long<H: Hasher>(&self, state: &mut H) {
        state.write(self.long_bytes());
        state.write_usize(self.len());
    }
}

/// Whether two texts with other bits are equal. (The arguments are no addresses, so that the texts can be in registers.)
#[cold]
#[inline(never)]
fn is_equal_long(one: Alias<'_>, other: Alias<'_>) -> bool {
    !one.is_inline() && !other.is_inline() && is_same(one.long_bytes(), other.long_bytes())
}

/// Whether long texts have the same bytes. Those of up to 32 are all in their first and their last sixteen; for these the call that
/// compares more is dear.
#[inline]
fn is_same(one: &[u8], other: &[u8]) -> bool {
    const SHORT: usize = 2 * (MAX_INLINE + 1);
    let ends = |bytes: &[u8]| {
        let (first, last) = (bytes.first_chunk().copied(), bytes.last_chunk().copied());
        (first.map(u128::from_le_bytes), last.map(u128::from_le_bytes))
    };
    one.len() == other.len() && if one.len() <= SHORT { ends(one) == ends(other) } else { one == other }
}

impl PartialEq for Text {
    #[inline]
    fn eq(&self, other: &Text) -> bool {
        self.is_same_bits(other) || is_equal_long(self.alias(), other.alias())
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Text) -> Ordering {
        if self.is_inline() && other.is_inline() {
            self.inline_bits().swap_bytes().cmp(&other.inline_bits().swap_bytes())
        } else {
            self.as_bytes().cmp(other.as_bytes())
        }
    }
}

impl Hash for Text {
    /// One number for an inline text, bytes and length for a long one; not the hash of the same `str`.
    #[inline(always)]
    fn hash<H: Hasher>(&self, state: &mut H) {
        if self.is_inline() {
            state.write_u128(self.inline_bits());
        } else {
            self.hash_long(state);
        }
    }
}

/// Comparisons with the kinds of `str`, both ways round.
macro_rules! compare_with {
    ($($other:ty),*) => { $(
        impl PartialEq<$other> for Text {
            #[inline]
            fn eq(&self, other: &$other) -> bool {
                self.as_str() == &other[..]
            }
        }

        impl PartialEq<Text> for $other {
            #[inline]
            fn eq(&self, other: &Text) -> bool {
                &self[..] == other.as_str()
            }
        }

        impl PartialOrd<$other> for Text {
            #[inline]
            fn partial_cmp(&self, other: &$other) -> Option<Ordering> {
                Some(self.as_str().cmp(&other[..]))
            }
        }

        impl PartialOrd<Text> for $other {
            #[inline]
            fn partial_cmp(&self, other: &Text) -> Option<Ordering> {
                Some(self[..].cmp(other.as_str()))
            }
        }
    )* };
}

compare_with!(str, &str, String);

#[cfg(test)]
mod tests {
    use super::super::testing::{texts_of, whole};
    use super::*;

    #[test]
    fn zero_bytes_count() {
        let texts =
            ["", "\0", "\0\0", "a", "a\0", "ab", "fourteen bytes", "fourteen bytes\0", "fourteen bytes\0\0"];
        for (i, a) in texts.iter().enumerate() {
            for (j, b) in texts.iter().enumerate() {
                let (x, y) = (Text::from(*a), Text::from(*b));
                assert_eq!(x.cmp(&y), i.cmp(&j), "{a:?} {b:?}");
                assert_eq!(x == y, i == j, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_text_is_the_same_wherever_it_is_stored() {
        let hasher = ahash::RandomState::with_seeds(1, 2, 3, 4);
        for value in ["", "short", "fifteen bytes..", "sixteen bytes...", &"long ".repeat(2_000)] {
            let texts = texts_of(value);
            for (a, b) in texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b))) {
                assert_eq!(a, b);
                assert_eq!(a.cmp(b), Ordering::Equal);
                assert_eq!(hasher.hash_one(a), hasher.hash_one(b));
            }
        }
    }

    #[test]
    fn texts_compare_with_strings_both_ways() {
        let long = whole("a text that is longer than fifteen bytes");
        let string = String::from(long.as_str());
        assert!(long == *string.as_str() && long == string.as_str() && long == string);
        assert!(*string.as_str() == long && string.as_str() == long && string == long);
        assert!(long < *"b" && "b" > long && long < string + "!");
        assert!(long != "a text that is longer than fifteen byteS");
    }
}
