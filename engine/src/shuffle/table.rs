//! The hash table of the map side, divided by reduce partition.
//!
//! The plain algorithm is `HashMap<K, C>` with `entry(key).and_modify(update).or_insert(create)`. The departures from it, and what
//! each is for (word count of English text, one core, in the same run: `HashMap` 140 MB/s, hashbrown with 16-byte keys 360):
//!
//! 1. Keys and values stand in a dense list in the order in which the keys first came; the hash table proper holds 8 bytes a slot,
//!    half of the hash and the place in the list. Frequent keys come early, so they share few cache lines; growing moves no
//!    entries; the list is the result.
//! 2. Once a table has outgrown the first-level cache, records wait in a queue of 32. When one joins, its slot is prefetched;
//!    before they are combined, the entries of large tables are. The misses of 32 records overlap (520 MB/s; for tables
//!    beyond the cache, more).
//! 3. Linear probing: a collision looks at the next slot, which is in the same cache line.
//!
//! Unsafe: values are moved out of their entry and back (see [`Part::update`]), so that a reduce function may take and return them
//! by value; and the prefetch.
#![allow(unsafe_code)]

use std::mem::{self, ManuallyDrop};
use std::ptr;

use crate::job::KeyHashing;
use crate::rdd::Key;
use crate::text;

/// The number of buckets that keys fall into, whatever the number of partitions. It bounds the partitions that have any keys.
pub const BUCKETS: usize = 1 << BUCKET_BITS;

const BUCKET_BITS: u32 = 10;

/// The bucket of a key with this hash. Uses the half of the hash that the tables do not.
#[inline]
pub fn bucket_of(hash: u64) -> usize {
    (hash >> (u64::BITS - BUCKET_BITS)) as usize
}

/// The reduce partition of a key with this hash: a run of whole buckets.
#[inline]
pub fn partition_of(hash: u64, partitions: usize) -> usize {
    (bucket_of(hash) * partitions) >> BUCKET_BITS
}

/// What one worker has combined: a hash table per reduce partition, and the records that are on their way into them.
pub struct Table<K, V, C> {
    parts: Vec<Part<K, C>>,
    /// Has room for [`QUEUE`] records and holds fewer between two calls.
    waiting: Vec<Waiting<K, V>>,
    hasher: KeyHashing,
}

/// A record whose slot is being fetched.
struct Waiting<K, V> {
    /// The half of the hash that its part uses.
    hash: u32,
    part: u32,
    key: K,
    value: V,
}

/// The records that a flush has not come to, with the one it is at; they are dropped if user code unwinds.
struct Rest<K, V> {
    next: *mut Waiting<K, V>,
    end: *mut Waiting<K, V>,
}

impl<K, V> Rest<K, V> {
    /// Takes the records out of `waiting`, which must not be used while they are looked at.
    fn of(waiting: &mut Vec<Waiting<K, V>>) -> Self {
        let records = waiting.as_mut_ptr_range();
        // SAFETY: no records are fewer than any; they belong to `Rest` now.
        unsafe { waiting.set_len(0) };
        Rest { next: records.start, end: records.end }
    }
}

impl<K, V> Drop for Rest<K, V> {
    #[cold]
    fn drop(&mut self) {
        // SAFETY: the record at `next` has lost its value to the code that unwinds and has its key; those behind it are whole,
        // and nobody else knows of them.
        unsafe {
            ptr::drop_in_place(&raw mut (*self.next).key);
            let behind = self.next.add(1);
            ptr::drop_in_place(ptr::slice_from_raw_parts_mut(behind, self.end.offset_from_unsigned(behind)));
        }
    }
}

/// How many records wait at a time.
const QUEUE: usize = 32;

/// The keys of one reduce partition. Aligned so that a part is found by a shift.
#[repr(align(64))]
pub(super) struct Part<K, C> {
    /// Half of the hash above, the entry's place plus one below; 0 is empty. A power of two, at most three quarters full.
    slots: Vec<u64>,
    /// `slots.len() - 1`.
    mask: usize,
    /// The value is always there, except while [`Part::update`] runs.
    entries: Vec<(K, ManuallyDrop<C>)>,
}

/// The slots that a part begins with.
const SLOTS_MIN: usize = 64;

/// Up to 8 KiB of slots a part is small.
const SMALL_SLOTS: usize = 1 << 10;

/// From 512 KiB of slots on a part is large.
const LARGE_SLOTS: usize = (1 << 16) - 1;

/// The most keys of a part: what fits into half a slot.
const KEYS_MAX: usize = u32::MAX as usize - 1;

impl<K: Key, V, C> Table<K, V, C> {
    pub(super) fn new(partitions: usize, hasher: KeyHashing) -> Self {
        let parts = (0..partitions.max(1)).map(|_| Part::default()).collect();
        Table { parts, waiting: Vec::with_capacity(QUEUE), hasher }
    }

    /// Combines `value` into what `key` has, or begins with it; at the latest with the next [`flush`](Self::flush).
    #[inline(always)]
    pub(super) fn upsert(&mut self, key: K, value: V, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let hash = self.hasher.hash_one(&key);
        let part = partition_of(hash, self.parts.len());
        // SAFETY: `partition_of` stays below the number of parts.
        let home = unsafe { self.parts.get_unchecked_mut(part) };
        if home.is_small() {
            return home.combine(hash as u32, &key, value, create, update);
        }
        home.prefetch_slot(hash as u32);
        let waiting = self.waiting.len();
        debug_assert!(waiting < QUEUE && self.waiting.capacity() >= QUEUE);
        // SAFETY: there is room for QUEUE records, and fewer wait; so the place is allocated and free.
        unsafe {
            self.waiting.as_mut_ptr().add(waiting).write(Waiting {
                hash: hash as u32,
                part: part as u32,
                key,
                value,
            });
            self.waiting.set_len(waiting + 1);
        }
        if waiting + 1 == QUEUE {
            self.flush(create, update);
        }
    }

    /// Combines the records that wait.
    #[inline(never)]
    pub(super) fn flush(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let parts = &mut self.parts[..];
        if parts.iter().any(Part::is_large) {
            for record in &self.waiting {
                parts[record.part as usize].prefetch_entry(record.hash);
            }
        }
        let mut rest = Rest::of(&mut self.waiting);
        while rest.next != rest.end {
            // SAFETY: a record that was written by `upsert` and that only `rest` knows of.
            let record = unsafe { &mut *rest.next };
            // SAFETY: `upsert` made `part` with `partition_of`, which stays below the number of parts.
            let part = unsafe { parts.get_unchecked_mut(record.part as usize) };
            // SAFETY: the value is moved out this one time; `rest` drops the key alone.
            let value = unsafe { ptr::read(&record.value) };
            part.combine(record.hash, &record.key, value, &create, &update);
            // SAFETY: the record is not looked at again.
            unsafe { ptr::drop_in_place(&mut record.key) };
            rest.next = rest.next.wrapping_add(1);
        }
        mem::forget(rest);
    }

    pub(super) fn into_parts(self) -> Vec<Part<K, C>> {
        debug_assert!(self.waiting.is_empty(), "every task flushes its table");
        self.parts
    }
}

impl<K: Key, C> Part<K, C> {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Fits into the first-level cache: waiting would cost more than it saves.
    #[inline]
    fn is_small(&self) -> bool {
        self.mask < SMALL_SLOTS
    }

    /// Does not fit into the second-level cache, so that the entries are worth fetching ahead, too.
    #[inline]
    fn is_large(&self) -> bool {
        self.mask >= LARGE_SLOTS
    }

    /// Combines `value` into what `key` has, or begins with it.
    #[inline(always)]
    fn combine<V>(
        &mut self,
        hash: u32,
        key: &K,
        value: V,
        create: impl Fn(V) -> C,
        update: impl Fn(C, V) -> C,
    ) {
        match self.find(hash, key) {
            // SAFETY: `find` gives places in `entries`.
            Some(place) => unsafe { self.update(place, |old| update(old, value)) },
            None => self.insert(hash, key, create(value)),
        }
    }

    #[inline]
    fn home(&self, hash: u32) -> usize {
        hash as usize & self.mask
    }

    #[inline]
    fn slot(&self, at: usize) -> u64 {
        debug_assert!(at < self.slots.len());
        // SAFETY: `at` was masked, and the mask is below the number of slots.
        unsafe { *self.slots.get_unchecked(at & self.mask) }
    }

    #[inline]
    fn prefetch_slot(&self, hash: u32) {
        prefetch(self.slots.as_ptr().wrapping_add(self.home(hash)));
    }

    #[inline]
    fn prefetch_entry(&self, hash: u32) {
        let place = self.slot(self.home(hash)) as u32;
        prefetch(self.entries.as_ptr().wrapping_add(place.wrapping_sub(1) as usize));
    }

    /// The place of `key` in `entries`.
    #[inline]
    fn find(&self, hash: u32, key: &K) -> Option<usize> {
        let mut at = self.home(hash);
        loop {
            let slot = self.slot(at);
            if (slot >> 32) as u32 == hash && slot != 0 {
                let place = slot as u32 as usize - 1;
                debug_assert!(place < self.entries.len());
                // SAFETY: a slot holds the place of an entry, and entries are only removed all together, with all slots.
                if unsafe { self.entries.get_unchecked(place) }.0 == *key {
                    return Some(place);
                }
            }
            if slot == 0 {
                return None;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// Adds a key that is not there. A key that stays must not keep the block alive that it was cut from.
    #[cold]
    #[inline(never)]
    fn insert(&mut self, hash: u32, key: &K, value: C) {
        let key = text::detached(|| key.clone());
        self.push(hash, key, ManuallyDrop::new(value));
    }

    fn push(&mut self, hash: u32, key: K, value: ManuallyDrop<C>) {
        assert!(
            self.entries.len() < KEYS_MAX,
            "a reduce partition holds at most {KEYS_MAX} keys: use more partitions"
        );
        if (self.entries.len() + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.entries.push((key, value));
        self.occupy(u64::from(hash) << 32 | self.entries.len() as u64);
    }

    /// Puts `slot` into the first empty place from its home on.
    fn occupy(&mut self, slot: u64) {
        let mut at = self.home((slot >> 32) as u32);
        while self.slots[at] != 0 {
            at = (at + 1) & self.mask;
        }
        self.slots[at] = slot;
    }

    fn grow(&mut self) {
        let larger = vec![0; self.slots.len() * 2];
        self.mask = larger.len() - 1;
        for slot in mem::replace(&mut self.slots, larger) {
            if slot != 0 {
                self.occupy(slot);
            }
        }
    }

    /// Replaces an entry's value by what `f` makes of it. If `f` panics, all entries are dropped, so that nobody ever sees the
    /// one without a value.
    ///
    /// # Safety
    /// `place` must be a place in `entries`.
    #[inline]
    unsafe fn update(&mut self, place: usize, f: impl FnOnce(C) -> C) {
        // SAFETY: the caller's promise.
        let value: *mut ManuallyDrop<C> = unsafe { &raw mut self.entries.get_unchecked_mut(place).1 };
        let hole = ClearOnUnwind { part: self, place };
        // SAFETY: the value is there, because every earlier update put it back or cleared the part; `hole` looks at the part
        // only when `f` unwinds.
        let new = f(unsafe { ManuallyDrop::take(&mut *value) });
        // SAFETY: `f` cannot reach the part, so that the pointer still holds.
        unsafe { *value = ManuallyDrop::new(new) };
        mem::forget(hole);
    }

    /// Adds all entries of `other`; keys that both have are combined by `merge`.
    pub(super) fn absorb(&mut self, mut other: Part<K, C>, merge: impl Fn(C, C) -> C) {
        let hashes = other.hashes();
        for (hash, (key, mut value)) in hashes.into_iter().zip(mem::take(&mut other.entries)) {
            match self.find(hash, &key) {
                Some(place) => {
                    // SAFETY: the entry was moved out of its list, and its value is taken this one time.
                    let theirs = unsafe { ManuallyDrop::take(&mut value) };
                    // SAFETY: `find` gives places in `entries`.
                    unsafe { self.update(place, |mine| merge(mine, theirs)) }
                }
                None => self.push(hash, key, value),
            }
        }
    }

    /// Half of the hash of every entry, in their order.
    fn hashes(&self) -> Vec<u32> {
        let mut hashes = vec![0; self.entries.len()];
        for slot in self.slots.iter().filter(|slot| **slot != 0) {
            hashes[*slot as u32 as usize - 1] = (slot >> 32) as u32;
        }
        hashes
    }

    pub(super) fn into_pairs(mut self) -> Vec<(K, C)> {
        let entries = mem::take(&mut self.entries);
        entries.into_iter().map(|(key, value)| (key, ManuallyDrop::into_inner(value))).collect()
    }
}

impl<K, C> Default for Part<K, C> {
    fn default() -> Self {
        Part { slots: vec![0; SLOTS_MIN], mask: SLOTS_MIN - 1, entries: Vec::new() }
    }
}

impl<K, C> Drop for Part<K, C> {
    fn drop(&mut self) {
        if mem::needs_drop::<C>() {
            for (_, value) in &mut self.entries {
                // SAFETY: every entry has its value, and the entries are not used after this.
                unsafe { ManuallyDrop::drop(value) }
            }
        }
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
        self.part.slots.fill(0);
        for (place, (key, mut value)) in mem::take(&mut self.part.entries).into_iter().enumerate() {
            drop(key);
            if place != self.place {
                // SAFETY: every entry but the hole has its value, which nobody else drops.
                unsafe { ManuallyDrop::drop(&mut value) }
            }
        }
    }
}

/// Has the processor fetch what `at` points to; any pointer will do.
#[inline]
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
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    fn table<V, C>(partitions: usize) -> Table<String, V, C> {
        Table::new(partitions, KeyHashing::with_seed(7))
    }

    fn pairs<V, C: Ord>(table: Table<String, V, C>) -> Vec<(String, C)> {
        let mut all: Vec<_> = table.into_parts().into_iter().flat_map(Part::into_pairs).collect();
        all.sort();
        all
    }

    #[test]
    fn values_of_a_key_are_combined() {
        let (create, update) = (|v| v, |c, v| c + v);
        let mut counts = table(3);
        for i in 0..10_000u64 {
            counts.upsert((i % 777).to_string(), 1u64, create, update);
        }
        counts.flush(create, update);
        let pairs = pairs(counts);
        assert_eq!(pairs.len(), 777);
        assert!(
            pairs
                .iter()
                .all(|(key, n)| *n == 10_000 / 777 + u64::from(key.parse::<u64>().unwrap() < 10_000 % 777))
        );
    }

    #[test]
    fn entries_stand_in_the_order_of_their_first_record() {
        let (create, update) = (|v| v, |c: u32, v: u32| c + v);
        let mut table = table(1);
        for word in "the cat and the dog and the cat".split(' ') {
            table.upsert(word.to_owned(), 1, create, update);
        }
        table.flush(create, update);
        let part = table.into_parts().remove(0);
        let expected = [("the", 3), ("cat", 2), ("and", 2), ("dog", 1)].map(|(word, n)| (word.to_owned(), n));
        assert_eq!(part.into_pairs(), expected);
    }

    #[test]
    fn absorbing_combines_and_drops_nothing_twice() {
        let token = Arc::new(());
        let part = |keys: &[&str]| {
            let mut part = Part::default();
            for key in keys {
                let hash = KeyHashing::with_seed(7).hash_one(key) as u32;
                part.insert(hash, &(*key).to_owned(), vec![Arc::clone(&token)]);
            }
            part
        };
        let (mut left, right) = (part(&["x", "y"]), part(&["y", "z", "x"]));
        left.absorb(right, |mut a, b| {
            a.extend(b);
            a
        });
        assert_eq!(left.len(), 3);
        assert_eq!(Arc::strong_count(&token), 6);
        drop(left);
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn a_panicking_update_leaves_an_empty_sound_table() {
        for keys in [3, 5 * SMALL_SLOTS] {
            let token = Arc::new(());
            let mut groups = table(1);
            for key in 0..keys {
                groups.upsert(key.to_string(), Arc::clone(&token), |v| v, |c, _| c);
            }
            groups.flush(|v| v, |c, _| c);
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                groups.upsert("1".to_owned(), Arc::clone(&token), |v| v, |_, _| panic!("no"));
                groups.upsert("2".to_owned(), Arc::clone(&token), |v| v, |_, _| panic!("no"));
                groups.flush(|v| v, |_, _| panic!("no"));
            }));
            assert!(outcome.is_err());
            assert_eq!(Arc::strong_count(&token), 1, "every value was dropped exactly once");
            groups.upsert("1".to_owned(), Arc::clone(&token), |v| v, |c, _| c);
            groups.flush(|v| v, |c, _| c);
            assert_eq!(groups.into_parts()[0].len(), 1);
        }
    }

    #[test]
    fn partitions_are_in_range_and_all_used() {
        let hasher = KeyHashing::with_seed(1);
        let mut seen = [0; 7];
        for i in 0..7_000u64 {
            seen[partition_of(hasher.hash_one(i), 7)] += 1;
        }
        assert!(seen.iter().all(|n| (800..1_200).contains(n)), "{seen:?}");
    }
}
