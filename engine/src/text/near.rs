//! Searches for bytes that are expected within a few dozen. They are inlined, sixteen bytes at a time, where `memchr` is a call that
//! first finds out how the processor and the bytes are.

use super::window::Bytes;

/// Where `byte` is first in `bytes`.
///
/// ```
/// use millstream_engine::text::find_near;
/// assert_eq!(find_near(b' ', b"192.0.2.7 - -"), Some(9));
/// assert_eq!(find_near(b'!', b"192.0.2.7 - -"), None);
/// ```
#[inline(always)]
pub fn find_near(byte: u8, bytes: &[u8]) -> Option<usize> {
    find(bytes, |sixteen| sixteen.equal(byte), |other| other == byte)
}

/// Where `one` or `other` is first in `bytes`.
///
/// ```
/// use millstream_engine::text::find_either_near;
/// assert_eq!(find_either_near(b'"', b'\\', br#"a\"b"c"#), Some(1));
/// ```
#[inline(always)]
pub fn find_either_near(one: u8, other: u8, bytes: &[u8]) -> Option<usize> {
    find(bytes, |sixteen| sixteen.either(one, other), |byte| byte == one || byte == other)
}

#[inline(always)]
fn find(bytes: &[u8], marked: impl Fn(Bytes) -> Bytes, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let (blocks, rest) = bytes.as_chunks::<16>();
    for (i, block) in blocks.iter().enumerate() {
        let hits = marked(Bytes::of(u128::from_le_bytes(*block))).high_bits();
        if hits != 0 {
            return Some(i * 16 + hits.trailing_zeros() as usize);
        }
    }
    let at = rest.iter().position(|byte| is_it(*byte))?;
    Some(blocks.len() * 16 + at)
}

#[cfg(test)]
mod tests {
    use memchr::{memchr, memchr2};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn they_find_what_memchr_finds(bytes in prop::collection::vec(prop_oneof![Just(b' '), Just(b'!'), Just(0xa0), any::<u8>()], 0..80)) {
            for byte in [b' ', b'!', 0, 0xff] {
                prop_assert_eq!(find_near(byte, &bytes), memchr(byte, &bytes));
                prop_assert_eq!(find_either_near(byte, b'x', &bytes), memchr2(byte, b'x', &bytes));
            }
        }
    }
}
