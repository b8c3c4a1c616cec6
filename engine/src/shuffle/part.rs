//! The keys of one reduce partition, each with what its records were combined to.
//!
//! Keys and values stand in a dense list in the order in which the keys first came; a table of [`Slots`] says where. Frequent keys
//! come early, so they share few cache lines; growing moves no entries; the list is the result.
#![expect(unsafe_code, reason = "moves a value out of its entry and back")]

use std::{mem, ptr};

use super::slots::{Slots, prefetch};
use crate::rdd::Key;
use crate::text;

/// The most keys of a part: what half a slot can count.
const KEYS_MAX: usize = u32::MAX as usize;

/// How many keys ahead of the one that is merged slots are fetched; entries, half as many.
const AHEAD: usize = 16;

/// The keys of one reduce partition. Aligned so that a part is found by a shift.
#[repr(align(64))]
pub(super) struct Part<K, C> {
    slots: Slots,
    entries: Vec<(K, C)>,
}

impl<K, C> Default for Part<K, C> {
    fn default() -> Self {
        Part { slots: Slots::default(), entries: Vec::new() }
    }
}

impl<K: Key, C> Part<K, C> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Its records need not wait: their slots are in the first-level cache.
    #[inline(always)]
    pub(super) fn is_small(&self) -> bool {
        self.slots.is_small()
    }

    /// Has the processor fetch what [`guess`](Self::guess) looks at.
    #[inline(always)]
    pub(super) fn prefetch(&self, tag: u32) {
        self.slots.prefetch(tag);
    }

    /// Where the key with this tag most likely is; its entry is being fetched.
    #[inline(always)]
    pub(super) fn guess(&self, tag: u32) -> u32 {
        let place = self.slots.guess(tag);
        prefetch(self.entries.as_ptr().wrapping_add(place as usize));
        place
    }

    /// Combines `value` into what `key` has, or begins with it. It is the faster the better the guess at its place.
    #[inline(always)]
    pub(super) fn combine<V>(
        &mut self,
        tag: u32,
        guess: u32,
        key: &K,
        value: V,
        create: impl Fn(V) -> C,
        update: impl Fn(C, V) -> C,
    ) {
        let guess = guess as usize;
        if self.entries.get(guess).is_some_and(|entry| entry.0 == *key) {
            // SAFETY: there is such an entry.
            return unsafe { self.update(guess, |old| update(old, value)) };
        }
        match self.find(tag, key) {
            // SAFETY: `find` gives places in `entries`.
            Some(place) => unsafe { self.update(place, |old| update(old, value)) },
            None => self.insert(tag, key, create(value)),
        }
    }

    /// The place of `key` in `entries`.
    #[inline]
    fn find(&self, tag: u32, key: &K) -> Option<usize> {
        self.slots.find(tag, |place| self.entries[place].0 == *key)
    }

    /// Adds a key that is not there. A key that stays must not keep the block alive that it was cut from.
    #[cold]
    #[inline(never)]
    fn insert(&mut self, tag: u32, key: &K, value: C) {
        let key = text::detached(|| key.clone());
        self.push(tag, key, value);
    }

    fn push(&mut self, tag: u32, key: K, value: C) {
        assert!(
            self.entries.len() < KEYS_MAX,
            "a reduce partition holds at most {KEYS_MAX} keys: use more partitions"
        );
        self.slots.insert(tag, self.entries.len() as u32);
        self.entries.push((key, value));
    }

    /// Replaces an entry's value by what `f` makes of it. If `f` panics, all entries are dropped, so that nobody ever sees the
    /// one without a value.
    ///
    /// # Safety
    /// `place` must be a place in `entries`.
    #[inline(always)]
    unsafe fn update(&mut self, place: usize, f: impl FnOnce(C) -> C) {
        // SAFETY: the caller's promise.
        let value: *mut C = unsafe { &raw mut self.entries.get_unchecked_mut(place).1 };
        let hole = ClearOnUnwind { part: self, place };
        // SAFETY: the value is there, because every earlier update put it back or cleared the part; `hole` sees to it that nobody
        // reads it again if `f` unwinds.
        let new = f(unsafe { ptr::read(value) });
        // SAFETY: `f` cannot reach the part, so that the pointer still holds; what is there was moved out.
        unsafe { ptr::write(value, new) };
        mem::forget(hole);
    }

    /// Adds all entries of `other`; keys that both have are combined by `merge`.
    pub(super) fn absorb(&mut self, other: Part<K, C>, merge: impl Fn(C, C) -> C) {
        let tags = other.slots.tags();
        self.entries.reserve(other.len() / 2);
        for (i, (key, theirs)) in other.entries.into_iter().enumerate() {
            if let Some(tag) = tags.get(i + AHEAD) {
                self.slots.prefetch(*tag);
            }
            if let Some(tag) = tags.get(i + AHEAD / 2) {
                self.guess(*tag);
            }
            match self.find(tags[i], &key) {
                // SAFETY: `find` gives places in `entries`.
                Some(place) => unsafe { self.update(place, |mine| merge(mine, theirs)) },
                None => self.push(tags[i], key, theirs),
            }
        }
    }

    pub(super) fn into_pairs(self) -> Vec<(K, C)> {
        self.entries
    }
}

/// Empties a part whose entry at `place` has lost its value to a panic.
struct ClearOnUnwind<'a, K, C> {
    part: &'a mut Part<K, C>,
    place: usize,
}

impl<K, C> Drop for ClearOnUnwind<'_, K, C> {
    #[cold]
    fn drop(&mut self) {
        self.part.slots.clear();
        let mut entries = mem::take(&mut self.part.entries);
        let (first, len) = (entries.as_mut_ptr(), entries.len());
        // SAFETY: no entries are fewer than any; those there are belong to the loop below. `entries` keeps their memory.
        unsafe { entries.set_len(0) };
        for place in 0..len {
            // SAFETY: each entry is dropped once, but for the value at the hole, which was moved out.
            unsafe {
                ptr::drop_in_place(&raw mut (*first.add(place)).0);
                if place != self.place {
                    ptr::drop_in_place(&raw mut (*first.add(place)).1);
                }
            }
        }
    }
}
