//! The keys of one reduce partition, each with what its records were combined to.
//!
//! Keys and values stand in a dense list in the order in which the keys first came; a table of [`Slots`] says where. Frequent keys
//! come early, so they share few cache lines; growing moves no entries; the list is the result.
#![expect(unsafe_code, reason = "moves a value out of its entry and back")]

use std::{mem, ptr, slice};

use super::bypass::{RUNS, Record, Run, run_of};
use super::queue::QUEUE;
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
    /// The first of the entries, or one of another part where there are none: see [`prepare`](Part::prepare).
    guesses: *mut (K, C),
}

// SAFETY: `guesses` is an address within what the parts of a table own, with which it moves; it is looked at by the table only.
unsafe impl<K: Send, C: Send> Send for Part<K, C> {}

/// What a worker has of one partition: what it has combined, and the runs of what it has put aside, if it has.
pub(super) type Share<K, V, C> = (Part<K, C>, Vec<Run<K, V>>);

impl<K, C> Default for Part<K, C> {
    fn default() -> Self {
        Part { slots: Slots::default(), entries: Vec::new(), guesses: ptr::null_mut() }
    }
}

impl<K: Key, C> Part<K, C> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Has the processor fetch what [`guess`](Self::guess) looks at.
    #[inline(always)]
    pub(super) fn prefetch(&self, tag: u32) {
        self.slots.prefetch(tag);
    }

    /// Makes guesses good, until entries have been inserted: there is room for a queue of them, so that none moves meanwhile. Where a part
    /// has no entries, guesses are those of another part, which have other keys. Without any entries at all there are none, and it is `false`.
    pub(super) fn prepare(parts: &mut [Self]) -> bool {
        let mut any = ptr::null_mut();
        for part in parts.iter_mut().filter(|part| !part.entries.is_empty()) {
            part.entries.reserve(QUEUE);
            any = part.entries.as_mut_ptr();
        }
        for part in parts {
            part.guesses = if part.entries.is_empty() { any } else { part.entries.as_mut_ptr() };
        }
        !any.is_null()
    }

    /// What is most likely the entry of the key with this tag, and is being fetched. It is an entry when guesses are good.
    #[inline(always)]
    pub(super) fn guess<const WIDE: bool>(&self, tag: u32) -> *mut (K, C) {
        let entry = self.guesses.wrapping_add(self.slots.guess::<WIDE>(tag) as usize);
        prefetch(entry);
        entry
    }

    /// Combines `value` into what `key` has; gives it back if there is no such key.
    #[inline]
    pub(super) fn combine<V>(
        &mut self,
        tag: u32,
        key: &K,
        value: V,
        update: impl Fn(C, V) -> C,
    ) -> Result<(), V> {
        let Some(place) = self.find(tag, key) else { return Err(value) };
        self.update_at(place, |old| update(old, value));
        Ok(())
    }

    /// The place of `key` in `entries`.
    #[inline]
    fn find(&self, tag: u32, key: &K) -> Option<usize> {
        self.slots.find(tag, |place| self.entries[place].0 == *key)
    }

    /// Adds a key that is not there. A key that stays must not keep the block alive that it was cut from.
    #[cold]
    #[inline(never)]
    pub(super) fn insert(&mut self, tag: u32, key: &K, value: C) {
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

    /// Replaces the value of an entry of one of `parts` by what `f` makes of it. If `f` panics, all entries of that part are dropped, so
    /// that nobody ever sees the one without a value.
    ///
    /// # Safety
    /// The parts are the caller's alone, and `value` is that of one of their entries.
    #[inline(always)]
    pub(super) unsafe fn update(parts: *mut [Self], value: *mut C, f: impl FnOnce(C) -> C) {
        let hole = ClearOnUnwind { parts, value };
        // SAFETY: the value is there, because every earlier update put it back or cleared the part; `hole` sees to it that nobody
        // reads it again if `f` unwinds.
        let new = f(unsafe { ptr::read(value) });
        // SAFETY: `f` cannot reach the parts, so that the pointer still holds; what is there was moved out.
        unsafe { ptr::write(value, new) };
        mem::forget(hole);
    }

    fn update_at(&mut self, place: usize, f: impl FnOnce(C) -> C) {
        let value: *mut C = &raw mut self.entries[place].1;
        // SAFETY: the value of one of our entries.
        unsafe { Part::update(slice::from_mut(self), value, f) };
    }

    /// Adds all entries of `other`; keys that both have are combined by `merge`.
    pub(super) fn absorb(&mut self, other: Part<K, C>, merge: impl Fn(C, C) -> C) {
        let tags = other.slots.tags();
        for (i, (key, theirs)) in other.entries.into_iter().enumerate() {
            if let Some(tag) = tags.get(i + AHEAD) {
                self.slots.prefetch(*tag);
            }
            if let Some(tag) = tags.get(i + AHEAD / 2) {
                prefetch(self.entries.as_ptr().wrapping_add(self.slots.guess::<false>(*tag) as usize));
            }
            self.merge(tags[i], key, theirs, &merge);
        }
    }

    fn merge(&mut self, tag: u32, key: K, theirs: C, merge: impl Fn(C, C) -> C) {
        match self.find(tag, &key) {
            Some(place) => self.update_at(place, |mine| merge(mine, theirs)),
            None => self.push(tag, key, theirs),
        }
    }

    /// Combines records that were put aside.
    pub(super) fn take_in<V>(&mut self, run: Run<K, V>, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        for piece in run {
            let tags: Vec<u32> = piece.iter().map(|record| record.tag).collect();
            for (i, Record { tag, key, value }) in piece.into_iter().enumerate() {
                if let Some(tag) = tags.get(i + AHEAD) {
                    self.slots.prefetch(*tag);
                }
                if let Err(value) = self.combine(tag, &key, value, &update) {
                    self.push(tag, key, create(value));
                }
            }
        }
    }

    /// Brings together what the workers have of one partition, run by run. All are used up.
    pub(super) fn of_runs<V>(
        shares: Vec<Share<K, V, C>>,
        create: impl Fn(V) -> C,
        update: impl Fn(C, V) -> C,
        merge: impl Fn(C, C) -> C,
    ) -> Self {
        let (parts, mut aside): (Vec<_>, Vec<_>) = shares.into_iter().unzip();
        let combined = divide(parts);
        let mut all = Part::default();
        for (run, entries) in combined.into_iter().enumerate() {
            all.slots.clear(); // no key of this run has come yet
            for (tag, key, value) in entries {
                all.merge(tag, key, value, &merge);
            }
            for runs in aside.iter_mut().filter(|runs| !runs.is_empty()) {
                all.take_in(mem::take(&mut runs[run]), &create, &update);
            }
            if run == 0 {
                all.entries.reserve(all.len() * (RUNS + RUNS / 16));
            }
        }
        all
    }

    pub(super) fn into_pairs(self) -> Vec<(K, C)> {
        self.entries
    }

    #[cfg(test)]
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        self.entries.iter().map(|(key, _)| key)
    }
}

/// The entries of all parts, with their tags, by the run to which they belong.
fn divide<K, C>(parts: Vec<Part<K, C>>) -> Vec<Vec<(u32, K, C)>> {
    let mut runs: Vec<Vec<_>> = (0..RUNS).map(|_| Vec::new()).collect();
    for part in parts {
        for (tag, (key, value)) in part.slots.tags().into_iter().zip(part.entries) {
            runs[run_of(tag)].push((tag, key, value));
        }
    }
    runs
}

/// Empties the part of whose entries one has lost its value to a panic. Which part that is is asked only then: a type whose hash contradicts
/// its equality may have found its key in another part than its own.
struct ClearOnUnwind<K, C> {
    parts: *mut [Part<K, C>],
    value: *mut C,
}

impl<K, C> Drop for ClearOnUnwind<K, C> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the parts of whoever has called `update`, who unwinds.
        let parts = unsafe { &mut *self.parts };
        for part in parts {
            let entries = part.entries.as_ptr_range();
            // Values without a size may stand behind the last entry, or all in one place.
            if size_of::<C>() == 0 || entries.contains(&self.value.cast_const().cast()) {
                part.clear_but(self.value);
            }
        }
    }
}

impl<K, C> Part<K, C> {
    /// Drops all keys and values but `value`, which was moved out.
    fn clear_but(&mut self, value: *mut C) {
        self.slots.clear();
        let mut entries = mem::take(&mut self.entries);
        let (first, len) = (entries.as_mut_ptr(), entries.len());
        // SAFETY: no entries are fewer than any; those there are belong to the loop below. `entries` keeps their memory.
        unsafe { entries.set_len(0) };
        for place in 0..len {
            // SAFETY: each entry is dropped once, but for the value that was moved out.
            unsafe {
                let entry = first.add(place);
                ptr::drop_in_place(&raw mut (*entry).0);
                if &raw mut (*entry).1 != value {
                    ptr::drop_in_place(&raw mut (*entry).1);
                }
            }
        }
    }
}
