/// Where `byte` is first in `bytes`. For bytes that are expected within a few dozen: it is inlined, eight bytes at a time, where
/// `memchr` is a call that first finds out how the processor and the bytes are.
#[inline(always)]
pub(super) fn find_near(byte: u8, bytes: &[u8]) -> Option<usize> {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    let (words, rest) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ (LOW * u64::from(byte));
        // The topmost bit of each byte that is zero; above the first such byte, perhaps also of others (Hacker's Delight, 6-1).
        let equal = differing.wrapping_sub(LOW) & !differing & HIGH;
        if equal != 0 {
            return Some(i * 8 + equal.trailing_zeros() as usize / 8);
        }
    }
    let at = rest.iter().position(|other| *other == byte)?;
    Some(words.len() * 8 + at)
}

#[cfg(test)]
mod tests {
    use memchr::memchr;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_finds_what_memchr_finds(bytes in prop::collection::vec(prop_oneof![Just(b' '), Just(b'!'), Just(0xa0), any::<u8>()], 0..40)) {
            for byte in [b' ', b'!', 0, 0xff] {
                prop_assert_eq!(find_near(byte, &bytes), memchr(byte, &bytes));
            }
        }
    }
}
