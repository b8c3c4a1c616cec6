//! Sixty-four bytes at a time: one bit per byte says whether the byte is of a kind.
//!
//! On x86-64 a window is four SSE2 registers, which every such processor has; loops that see many windows use two of AVX2 where
//! there are ([`is_wide`]). Elsewhere it is an array of bytes. Bit `i` of a mask stands for byte `i` of the window.
#![expect(unsafe_code, reason = "loads vectors from the padded bytes of a chunk")]

use std::sync::LazyLock;

/// How many bytes a window shows.
pub(super) const WINDOW: usize = 64;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Wide;
#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::{Bytes, Window};
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::{Bytes, Window};

/// The processor has what functions with a wide form are compiled for: AVX2 and its companions (x86-64-v3).
static IS_WIDE: LazyLock<bool> = LazyLock::new(|| {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2")
        && is_x86_feature_detected!("bmi1")
        && is_x86_feature_detected!("bmi2")
        && is_x86_feature_detected!("lzcnt");
    #[cfg(not(target_arch = "x86_64"))]
    false
});

/// Whether functions that are compiled for AVX2, BMI1, BMI2 and LZCNT may be called.
#[inline]
pub(crate) fn is_wide() -> bool {
    *IS_WIDE
}

/// What loops over many windows ask of one, whatever registers it is in.
pub(super) trait Look: Copy {
    /// Loads the 64 bytes from `start`.
    ///
    /// # Safety
    /// They are readable, initialised and not written meanwhile, and the processor has such registers.
    unsafe fn load(start: *const u8) -> Self;

    /// Which bytes are `byte`.
    fn equal(self, byte: u8) -> u64;

    /// Which bytes are `one` or `other`.
    fn either(self, one: u8, other: u8) -> u64;

    /// Which bytes are not ASCII, or control characters from 0 to 31.
    fn non_ascii_or_control(self) -> u64;
}

impl Window {
    /// Fewer than 64 bytes, then zeros.
    #[cold]
    pub(super) fn of_fewer(bytes: &[u8]) -> Self {
        let mut window = [0; WINDOW];
        window[..bytes.len()].copy_from_slice(bytes);
        // SAFETY: 64 bytes of our own.
        unsafe { Window::load(window.as_ptr()) }
    }
}

/// The bits of the first `len` bytes of a window.
#[inline]
pub(super) fn first(len: usize) -> u64 {
    if len < WINDOW { (1 << len) - 1 } else { !0 }
}

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    use super::Look;
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    /// Sixty-four bytes in four registers.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Window([Bytes; 4]);

    impl Look for Window {
        #[inline(always)]
        unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise.
            Window([0, 16, 32, 48].map(|at| unsafe { Bytes::load(start.add(at)) }))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            self.mask(|bytes| bytes.equal(byte))
        }

        #[inline(always)]
        fn either(self, one: u8, other: u8) -> u64 {
            self.mask(|bytes| bytes.either(one, other))
        }

        #[inline(always)]
        fn non_ascii_or_control(self) -> u64 {
            self.mask(|bytes| bytes.is_below(b' ' as i8))
        }
    }

    impl Window {
        /// Sixteen bytes, lowest first, then zeros.
        #[inline]
        pub(in super::super) fn of_16(bytes: u128) -> Self {
            let zeros = Bytes::splat(0);
            Window([Bytes::of(bytes), zeros, zeros, zeros])
        }

        /// Which bytes are space, tab, line feed, vertical tab, form feed or carriage return.
        #[inline(always)]
        pub(in super::super) fn ascii_space(self) -> u64 {
            self.mask(|bytes| bytes.equal(b' ').or(bytes.between(b'\t', b'\r')))
        }

        /// Which bytes begin a character that can be white space outside of ASCII: C2, E1, E2 or E3.
        #[inline(always)]
        pub(in super::super) fn unicode_space_lead(self) -> u64 {
            self.mask(|bytes| bytes.equal(0xC2).or(bytes.between(0xE1, 0xE3)))
        }

        /// True when a byte is not ASCII.
        #[inline(always)]
        pub(in super::super) fn has_non_ascii(self) -> bool {
            let [a, b, c, d] = self.0;
            a.or(b).or(c.or(d)).high_bits() != 0
        }

        #[inline(always)]
        fn mask(self, is_of_kind: impl Fn(Bytes) -> Bytes) -> u64 {
            let [a, b, c, d] = self.0.map(|bytes| u64::from(is_of_kind(bytes).high_bits()));
            a | b << 16 | c << 32 | d << 48
        }
    }

    /// One register. Every x86-64 processor has SSE2, which is what makes its intrinsics safe to call here.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Bytes(__m128i);

    impl Bytes {
        /// # Safety
        /// Sixteen bytes from `start` are readable, initialised and not written meanwhile.
        #[inline(always)]
        unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise; the load needs no alignment.
            Bytes(unsafe { _mm_loadu_si128(start.cast()) })
        }

        /// Sixteen bytes, lowest first.
        #[inline(always)]
        pub(in super::super) fn of(bytes: u128) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_set_epi64x((bytes >> 64) as i64, bytes as i64) })
        }

        #[inline(always)]
        fn splat(byte: u8) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_set1_epi8(byte as i8) })
        }

        /// All bits of the bytes that are `byte`.
        #[inline(always)]
        pub(in super::super) fn equal(self, byte: u8) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_cmpeq_epi8(self.0, Self::splat(byte).0) })
        }

        /// All bits of the bytes that are `one` or `other`.
        #[inline(always)]
        pub(in super::super) fn either(self, one: u8, other: u8) -> Self {
            self.equal(one).or(self.equal(other))
        }

        /// `byte < limit`, as signed numbers: those that are not ASCII are negative.
        #[inline(always)]
        fn is_below(self, limit: i8) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_cmpgt_epi8(Self::splat(limit as u8).0, self.0) })
        }

        /// `low <= byte <= high`: moved down by `low`, such a byte is its own minimum with the range's width.
        #[inline(always)]
        fn between(self, low: u8, high: u8) -> Self {
            // SAFETY: SSE2.
            unsafe {
                let moved = _mm_add_epi8(self.0, Self::splat(low.wrapping_neg()).0);
                Bytes(_mm_cmpeq_epi8(_mm_min_epu8(moved, Self::splat(high - low).0), moved))
            }
        }

        #[inline(always)]
        fn or(self, other: Self) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_or_si128(self.0, other.0) })
        }

        /// The topmost bit of each.
        #[inline(always)]
        pub(in super::super) fn high_bits(self) -> u16 {
            // SAFETY: SSE2.
            unsafe { _mm_movemask_epi8(self.0) as u16 }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Look;
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_cmpgt_epi8, _mm256_loadu_si256, _mm256_movemask_epi8,
        _mm256_or_si256, _mm256_set1_epi8,
    };

    /// Sixty-four bytes in two registers. There is one only where the processor has AVX2, as whoever loads it promises; it is fast
    /// only in functions that are compiled for that.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Wide([__m256i; 2]);

    impl Look for Wide {
        #[inline(always)]
        unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise; the loads need no alignment.
            Wide([0, 32].map(|at| unsafe { _mm256_loadu_si256(start.add(at).cast()) }))
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> u64 {
            // SAFETY: there is AVX2.
            self.mask(|bytes| unsafe { _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(byte as i8)) })
        }

        #[inline(always)]
        fn either(self, one: u8, other: u8) -> u64 {
            // SAFETY: there is AVX2.
            self.mask(|bytes| unsafe {
                let one = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(one as i8));
                _mm256_or_si256(one, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(other as i8)))
            })
        }

        #[inline(always)]
        fn non_ascii_or_control(self) -> u64 {
            // SAFETY: there is AVX2. As signed numbers, bytes that are not ASCII are negative.
            self.mask(|bytes| unsafe { _mm256_cmpgt_epi8(_mm256_set1_epi8(b' ' as i8), bytes) })
        }
    }

    impl Wide {
        #[inline(always)]
        fn mask(self, is_of_kind: impl Fn(__m256i) -> __m256i) -> u64 {
            // SAFETY: there is AVX2.
            let [low, high] = self.0.map(|bytes| unsafe { _mm256_movemask_epi8(is_of_kind(bytes)) } as u32);
            u64::from(low) | u64::from(high) << 32
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    use super::Look;

    /// Sixty-four bytes in an array.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Window([u8; 64]);

    impl Look for Window {
        unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise; an array of bytes needs no alignment.
            Window(unsafe { start.cast::<[u8; 64]>().read() })
        }

        fn equal(self, byte: u8) -> u64 {
            self.mask(|b| b == byte)
        }

        fn either(self, one: u8, other: u8) -> u64 {
            self.mask(|b| b == one || b == other)
        }

        fn non_ascii_or_control(self) -> u64 {
            self.mask(|b| !(b' '..=0x7f).contains(&b))
        }
    }

    impl Window {
        /// Sixteen bytes, lowest first, then zeros.
        pub(in super::super) fn of_16(bytes: u128) -> Self {
            let mut window = [0; 64];
            window[..16].copy_from_slice(&bytes.to_le_bytes());
            Window(window)
        }

        /// Which bytes are space, tab, line feed, vertical tab, form feed or carriage return.
        pub(in super::super) fn ascii_space(self) -> u64 {
            self.mask(|b| b == b' ' || (b'\t'..=b'\r').contains(&b))
        }

        /// Which bytes begin a character that can be white space outside of ASCII: C2, E1, E2 or E3.
        pub(in super::super) fn unicode_space_lead(self) -> u64 {
            self.mask(|b| b == 0xC2 || (0xE1..=0xE3).contains(&b))
        }

        /// True when a byte is not ASCII.
        pub(in super::super) fn has_non_ascii(self) -> bool {
            !self.0.is_ascii()
        }

        fn mask(self, is_of_kind: impl Fn(u8) -> bool) -> u64 {
            self.0.iter().rev().fold(0, |mask, &b| mask << 1 | u64::from(is_of_kind(b)))
        }
    }

    /// Sixteen bytes in an array.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Bytes([u8; 16]);

    impl Bytes {
        /// Sixteen bytes, lowest first.
        pub(in super::super) fn of(bytes: u128) -> Self {
            Bytes(bytes.to_le_bytes())
        }

        /// All bits of the bytes that are `byte`.
        pub(in super::super) fn equal(self, byte: u8) -> Self {
            self.either(byte, byte)
        }

        /// All bits of the bytes that are `one` or `other`.
        pub(in super::super) fn either(self, one: u8, other: u8) -> Self {
            Bytes(self.0.map(|b| if b == one || b == other { 0xff } else { 0 }))
        }

        /// The topmost bit of each.
        pub(in super::super) fn high_bits(self) -> u16 {
            self.0.iter().rev().fold(0, |mask, b| mask << 1 | u16::from(b >> 7))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_agree_with_the_portable_window_on_every_byte_at_every_place() {
        for byte in 0..=255u8 {
            for at in [0, 1, 15, 16, 31, 32, 47, 48, 63] {
                let mut bytes = [b'x'; WINDOW];
                bytes[at] = byte;
                // SAFETY: 64 initialised bytes.
                let (fast, slow) =
                    unsafe { (Window::load(bytes.as_ptr()), portable::Window::load(bytes.as_ptr())) };
                #[cfg(target_arch = "x86_64")]
                if is_wide() {
                    // SAFETY: the same bytes, and the processor has the registers.
                    let wide = unsafe { Wide::load(bytes.as_ptr()) };
                    assert_eq!(wide.equal(byte), slow.equal(byte));
                    assert_eq!(wide.either(b'\n', byte), slow.either(b'\n', byte));
                    assert_eq!(wide.non_ascii_or_control(), slow.non_ascii_or_control());
                }
                assert_eq!(fast.equal(byte), slow.equal(byte));
                assert_eq!(fast.either(b'\n', byte), slow.either(b'\n', byte));
                assert_eq!(fast.ascii_space(), slow.ascii_space(), "{byte:#x}");
                assert_eq!(fast.unicode_space_lead(), slow.unicode_space_lead(), "{byte:#x}");
                assert_eq!(fast.has_non_ascii(), slow.has_non_ascii());
                assert_eq!(fast.non_ascii_or_control(), slow.non_ascii_or_control());
                assert_eq!(slow.non_ascii_or_control() != 0, !(32..128).contains(&byte));
                assert_eq!(slow.ascii_space() != 0, char::from(byte).is_whitespace() && byte.is_ascii());
            }
        }
    }

    #[test]
    fn sixteen_bytes_are_followed_by_zeros() {
        let bytes = u128::from_le_bytes(*b"a b c d e f g h ");
        assert_eq!(Window::of_16(bytes).equal(b' '), 0b1010_1010_1010_1010);
        assert_eq!(portable::Window::of_16(bytes).equal(b' '), 0b1010_1010_1010_1010);
        assert_eq!(Window::of_16(bytes).equal(0), !0xffff);
    }

    #[test]
    fn sixteen_bytes_are_marked_as_by_the_portable_ones() {
        for byte in 0..=255 {
            let bytes = u128::from_le_bytes(*b"\x00a b\xffc d\x80e f\x7fg h") ^ u128::from(byte & 15) << 64;
            let (fast, slow) = (Bytes::of(bytes), portable::Bytes::of(bytes));
            assert_eq!(fast.equal(byte).high_bits(), slow.equal(byte).high_bits());
            assert_eq!(fast.either(b' ', byte).high_bits(), slow.either(b' ', byte).high_bits());
        }
    }

    #[test]
    fn the_first_bits() {
        assert_eq!([first(0), first(1), first(63), first(64), first(65)], [0, 1, !0 >> 1, !0, !0]);
    }
}
