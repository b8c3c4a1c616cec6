//! The hash table proper: where in a list the entry with a given hash may be.
//!
//! A slot has half of an entry's hash, its *tag*, and the entry's place in the list. Eight slots are a bucket, and a bucket is one
//! cache line: eight tags, which two vector compares look at, and eight places. Slots of a bucket are filled from the front, and a
//! bucket that is full goes over into the next. Nothing is ever removed but everything at once.
#![expect(unsafe_code, reason = "vector instructions, places that were masked, and prefetches")]

use std::mem;

/// The slots of a bucket.
const BUCKET_SLOTS: usize = 8;

/// The buckets that a table begins with.
const BUCKETS_MIN: usize = 8;

/// Set in every tag, so that 0 is none. No table is so large that this bit would say in which bucket a tag belongs.
const TAKEN: u32 = 1 << 31;

/// Eight slots, in one cache line.
#[derive(Clone)]
#[repr(C, align(64))]
struct Bucket {
    tags: [u32; BUCKET_SLOTS],
    places: [u32; BUCKET_SLOTS],
}

const EMPTY: Bucket = Bucket { tags: [0; BUCKET_SLOTS], places: [0; BUCKET_SLOTS] };

/// The tag of a hash.
#[inline(always)]
pub(super) fn tag_of(hash: u64) -> u32 {
    hash as u32 | TAKEN
}

/// A table from tags to places. At most three quarters of its slots are taken.
pub(super) struct Slots {
    /// As many as a power of two.
    buckets: Box<[Bucket]>,
    /// `buckets.len() - 1`.
    mask: usize,
    taken: usize,
}

impl Default for Slots {
    fn default() -> Self {
        Slots { buckets: vec![EMPTY; BUCKETS_MIN].into(), mask: BUCKETS_MIN - 1, taken: 0 }
    }
}

impl Slots {
    /// Taken and free.
    fn capacity(&self) -> usize {
        (self.mask + 1) * BUCKET_SLOTS
    }

    /// How many are taken.
    pub(super) fn len(&self) -> usize {
        self.taken
    }

    #[inline(always)]
    fn bucket(&self, at: usize) -> &Bucket {
        debug_assert!(self.mask == self.buckets.len() - 1);
        // SAFETY: the mask is below the number of buckets.
        unsafe { self.buckets.get_unchecked(at & self.mask) }
    }

    /// Has the processor fetch what [`guess`](Self::guess) looks at.
    #[inline(always)]
    pub(super) fn prefetch(&self, tag: u32) {
        prefetch(self.buckets.as_ptr().wrapping_add(tag as usize & self.mask));
    }

    /// Where the entry with this tag most likely is, if there is one; otherwise any number. `WIDE` where the caller is compiled for
    /// AVX2.
    #[inline(always)]
    pub(super) fn guess<const WIDE: bool>(&self, tag: u32) -> u32 {
        let bucket = self.bucket(tag as usize);
        let slots = if WIDE { bucket.slots_of_wide(tag) } else { bucket.slots_of(tag) };
        bucket.places[slots.trailing_zeros() as usize % BUCKET_SLOTS]
    }

    /// The first of the places with this tag for which `is_it` holds.
    #[inline]
    pub(super) fn find(&self, tag: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mut at = tag as usize;
        loop {
            let bucket = self.bucket(at);
            let mut slots = bucket.slots_of(tag);
            while slots != 0 {
                let place = bucket.places[slots.trailing_zeros() as usize % BUCKET_SLOTS] as usize;
                if is_it(place) {
                    return Some(place);
                }
                slots &= slots - 1;
            }
            if !bucket.is_full() {
                return None;
            }
            at += 1;
        }
    }

    /// Adds a place.
    pub(super) fn insert(&mut self, tag: u32, place: u32) {
        if (self.taken + 1) * 4 > self.capacity() * 3 {
            self.grow();
        }
        self.taken += 1;
        self.occupy(tag, place);
    }

    fn occupy(&mut self, tag: u32, place: u32) {
        let mut at = tag as usize & self.mask;
        while self.buckets[at].is_full() {
            at = (at + 1) & self.mask;
        }
        let bucket = &mut self.buckets[at];
        let slot = bucket.slots_of(0).trailing_zeros() as usize % BUCKET_SLOTS;
        (bucket.tags[slot], bucket.places[slot]) = (tag, place);
    }

    fn grow(&mut self) {
        let larger: Box<[_]> = vec![EMPTY; self.buckets.len() * 2].into();
        self.mask = larger.len() - 1;
        for bucket in mem::replace(&mut self.buckets, larger) {
            let slots = bucket.tags.iter().zip(bucket.places);
            slots.take_while(|(tag, _)| **tag != 0).for_each(|(tag, place)| self.occupy(*tag, place));
        }
    }

    /// Forgets all places.
    pub(super) fn clear(&mut self) {
        self.buckets.fill(EMPTY);
        self.taken = 0;
    }

    /// The tags of the places from 0 on, which must all be there.
    pub(super) fn tags(&self) -> Vec<u32> {
        let mut tags = vec![0; self.taken];
        for bucket in &self.buckets {
            let slots = bucket.tags.iter().zip(bucket.places);
            slots.take_while(|(tag, _)| **tag != 0).for_each(|(tag, place)| tags[place as usize] = *tag);
        }
        tags
    }
}

impl Bucket {
    #[inline(always)]
    fn is_full(&self) -> bool {
        self.tags[BUCKET_SLOTS - 1] != 0
    }

    /// A bit for each slot with this tag.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn slots_of(&self, tag: u32) -> u32 {
        use std::arch::x86_64::{
            _mm_cmpeq_epi32, _mm_loadu_si128, _mm_movemask_epi8, _mm_packs_epi16, _mm_packs_epi32,
            _mm_set1_epi32, _mm_setzero_si128,
        };
        let tags = self.tags.as_ptr();
        // SAFETY: twice sixteen bytes of the eight tags; and every x86-64 processor has SSE2.
        unsafe {
            let wanted = _mm_set1_epi32(tag as i32);
            let low = _mm_cmpeq_epi32(_mm_loadu_si128(tags.cast()), wanted);
            let high = _mm_cmpeq_epi32(_mm_loadu_si128(tags.add(4).cast()), wanted);
            let both = _mm_packs_epi16(_mm_packs_epi32(low, high), _mm_setzero_si128());
            _mm_movemask_epi8(both) as u32
        }
    }

    /// The same with one compare, where the processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    fn slots_of_wide(&self, tag: u32) -> u32 {
        use std::arch::x86_64::{
            _mm256_castsi256_ps, _mm256_cmpeq_epi32, _mm256_loadu_si256, _mm256_movemask_ps,
            _mm256_set1_epi32,
        };
        // SAFETY: the 32 bytes of the eight tags; and only functions that are compiled for AVX2 are `WIDE`.
        unsafe {
            let tags = _mm256_loadu_si256(self.tags.as_ptr().cast());
            let equal = _mm256_cmpeq_epi32(tags, _mm256_set1_epi32(tag as i32));
            _mm256_movemask_ps(_mm256_castsi256_ps(equal)) as u32
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn slots_of_wide(&self, tag: u32) -> u32 {
        self.slots_of(tag)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn slots_of(&self, tag: u32) -> u32 {
        self.tags.iter().enumerate().fold(0, |slots, (i, other)| slots | u32::from(*other == tag) << i)
    }
}

/// Has the processor fetch what `at` points to; any pointer will do.
#[inline(always)]
pub(crate) fn prefetch<T>(at: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint; the processor ignores addresses that are not mapped.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(at.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = at;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_found_by_their_tags_also_where_many_share_a_bucket() {
        for spread in [1, 1 << 12, 0x9e37_79b9] {
            let mut slots = Slots::default();
            let tags: Vec<u32> =
                (0..3_000u32).map(|i| tag_of(u64::from((i / 2).wrapping_mul(spread)))).collect();
            for (place, tag) in tags.iter().enumerate() {
                assert_eq!(slots.find(*tag, |other| other == place), None);
                slots.insert(*tag, place as u32);
            }
            for (place, tag) in tags.iter().enumerate() {
                assert_eq!(slots.find(*tag, |other| other == place), Some(place));
            }
            assert_eq!(slots.tags(), tags);
            assert!(slots.capacity() * 3 >= tags.len() * 4);
            slots.clear();
            assert!(tags.iter().all(|tag| slots.find(*tag, |_| true).is_none()));
        }
    }

    #[test]
    fn a_guess_is_right_in_a_bucket_that_is_not_over_full() {
        let mut slots = Slots::default();
        for place in 0..40u32 {
            slots.insert(tag_of(u64::from(place * 8 + place / 8)), place);
        }
        assert!(
            (0..40u32).all(|place| slots.guess::<false>(tag_of(u64::from(place * 8 + place / 8))) == place)
        );
    }
}
