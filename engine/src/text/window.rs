//! Sixty-four bytes at a time: one bit per byte says whether the byte is of a kind.
//!
//! On x86-64 a window is four SSE2 registers, which every such processor has, so nothing is detected while running.
//! Elsewhere it is an array of bytes. Bit `i` of a mask stands for byte `i` of the window.
#![expect(unsafe_code, reason = "loads vectors from the padded bytes of a chunk")]

/// How many bytes a window shows.
pub(super) const WINDOW: usize = 64;

#[cfg(not(target_arch = "x86_64"))]
pub(super) use portable::Window;
#[cfg(target_arch = "x86_64")]
pub(super) use x86_64::Window;

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
    use std::arch::x86_64::{
        __m128i, _mm_add_epi8, _mm_cmpeq_epi8, _mm_cmpgt_epi8, _mm_loadu_si128, _mm_min_epu8,
        _mm_movemask_epi8, _mm_or_si128, _mm_set_epi64x, _mm_set1_epi8,
    };

    /// Sixty-four bytes in four registers.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Window([Bytes; 4]);

    impl Window {
        /// Loads the 64 bytes from `start`.
        ///
        /// # Safety
        /// They are readable, initialised and not written meanwhile.
        #[inline(always)]
        pub(in super::super) unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise.
            Window([0, 16, 32, 48].map(|at| unsafe { Bytes::load(start.add(at)) }))
        }

        /// Sixteen bytes, lowest first, then zeros.
        #[inline]
        pub(in super::super) fn of_16(bytes: u128) -> Self {
            let zeros = Bytes::splat(0);
            Window([Bytes::of(bytes), zeros, zeros, zeros])
        }

        /// Which bytes are `byte`.
        #[inline(always)]
        pub(in super::super) fn equal(self, byte: u8) -> u64 {
            self.mask(|bytes| bytes.equal(byte))
        }

        /// Which bytes are `one` or `other`.
        #[inline(always)]
        pub(in super::super) fn either(self, one: u8, other: u8) -> u64 {
            self.mask(|bytes| bytes.equal(one).or(bytes.equal(other)))
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

        /// Which bytes are not ASCII, or control characters from 0 to 31.
        #[inline(always)]
        pub(in super::super) fn non_ascii_or_control(self) -> u64 {
            self.mask(|bytes| bytes.is_below(b' ' as i8))
        }

        #[inline(always)]
        fn mask(self, is_of_kind: impl Fn(Bytes) -> Bytes) -> u64 {
            let [a, b, c, d] = self.0.map(|bytes| u64::from(is_of_kind(bytes).high_bits()));
            a | b << 16 | c << 32 | d << 48
        }
    }

    /// One register. Every x86-64 processor has SSE2, which is what makes its intrinsics safe to call here.
    #[derive(Clone, Copy)]
    struct Bytes(__m128i);

    impl Bytes {
        /// # Safety
        /// Sixteen bytes from `start` are readable, initialised and not written meanwhile.
        #[inline(always)]
        unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise; the load needs no alignment.
            Bytes(unsafe { _mm_loadu_si128(start.cast()) })
        }

        #[inline(always)]
        fn of(bytes: u128) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_set_epi64x((bytes >> 64) as i64, bytes as i64) })
        }

        #[inline(always)]
        fn splat(byte: u8) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_set1_epi8(byte as i8) })
        }

        #[inline(always)]
        fn equal(self, byte: u8) -> Self {
            // SAFETY: SSE2.
            Bytes(unsafe { _mm_cmpeq_epi8(self.0, Self::splat(byte).0) })
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

        #[inline(always)]
        fn high_bits(self) -> u16 {
            // SAFETY: SSE2.
            unsafe { _mm_movemask_epi8(self.0) as u16 }
        }
    }
}

#[cfg(any(test, not(target_arch = "x86_64")))]
mod portable {
    /// Sixty-four bytes in an array.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Window([u8; 64]);

    impl Window {
        /// Loads the 64 bytes from `start`.
        ///
        /// # Safety
        /// They are readable, initialised and not written meanwhile.
        pub(in super::super) unsafe fn load(start: *const u8) -> Self {
            // SAFETY: the caller's promise; an array of bytes needs no alignment.
            Window(unsafe { start.cast::<[u8; 64]>().read() })
        }

        /// Sixteen bytes, lowest first, then zeros.
        pub(in super::super) fn of_16(bytes: u128) -> Self {
            let mut window = [0; 64];
            window[..16].copy_from_slice(&bytes.to_le_bytes());
            Window(window)
        }

        /// Which bytes are `byte`.
        pub(in super::super) fn equal(self, byte: u8) -> u64 {
            self.mask(|b| b == byte)
        }

        /// Which bytes are `one` or `other`.
        pub(in super::super) fn either(self, one: u8, other: u8) -> u64 {
            self.mask(|b| b == one || b == other)
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

        /// Which bytes are not ASCII, or control characters from 0 to 31.
        pub(in super::super) fn non_ascii_or_control(self) -> u64 {
            self.mask(|b| !(b' '..=0x7f).contains(&b))
        }

        fn mask(self, is_of_kind: impl Fn(u8) -> bool) -> u64 {
            self.0.iter().rev().fold(0, |mask, &b| mask << 1 | u64::from(is_of_kind(b)))
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
    fn the_first_bits() {
        assert_eq!([first(0), first(1), first(63), first(64), first(65)], [0, 1, !0 >> 1, !0, !0]);
    }
}
