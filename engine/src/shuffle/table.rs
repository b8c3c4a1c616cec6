//! The hash table of the map side, divided by reduce partition.
//!
//! The plain algorithm is `HashMap<K, C>` with `entry(key).and_modify(update).or_insert(create)`. The departures from it, and what
//! each is for:
//!
//! 1. Keys and values stand in a dense list, apart from the hash table proper; see `part.rs` and `slots.rs`.
//! 2. Once a part has outgrown the first-level cache, records wait in a queue of 64. When one joins, its slots are fetched ahead.
//!    Before they are combined, all of them guess where their entries are, by their tags alone, and have those fetched. So the
//!    misses of 64 records overlap, and what is left for each is one comparison of keys, which is almost always right.
//!
//! Unsafe: the queue, whose records are moved out one by one while user code may unwind.
#![expect(unsafe_code, reason = "a queue that user code may unwind from")]

use std::{mem, ptr};

use super::bypass::{Bypass, Record};
use super::part::{Part, Share};
use super::slots::tag_of;
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

/// Records between two reviews.
const REVIEW: usize = 1 << 15;

/// What one worker has combined: a hash table per reduce partition, and the records that are on their way into them.
pub struct Table<K, V, C> {
    parts: Vec<Part<K, C>>,
    /// Has room for [`QUEUE`] records and holds fewer between two calls.
    waiting: Vec<Waiting<K, V>>,
    hasher: KeyHashing,
    bypass: Option<Bypass<K, V>>,
    /// With fewer keys than this, all records are combined.
    bypass_from: usize,
    /// Records since the last review, and the keys there were then.
    records: usize,
    keys: usize,
}

/// A record whose slot is being fetched.
struct Waiting<K, V> {
    tag: u32,
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
const QUEUE: usize = 64;

impl<K: Key, V, C> Table<K, V, C> {
    pub(super) fn new(partitions: usize, hasher: KeyHashing, bypass_from: usize) -> Self {
        let parts = (0..partitions.max(1)).map(|_| Part::default()).collect();
        let waiting = Vec::with_capacity(QUEUE);
        Table { parts, waiting, hasher, bypass: None, bypass_from, records: 0, keys: 0 }
    }

    /// Combines `value` into what `key` has, or begins with it; at the latest with the next [`flush`](Self::flush).
    #[inline(always)]
    pub(super) fn upsert(&mut self, key: K, value: V, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let hash = self.hasher.hash_one(&key);
        let (tag, part) = (tag_of(hash), partition_of(hash, self.parts.len()));
        // SAFETY: `partition_of` stays below the number of parts.
        let home = unsafe { self.parts.get_unchecked_mut(part) };
        if home.is_small() {
            if let Err(value) = home.combine(tag, home.guess(tag), &key, value, update) {
                home.insert(tag, &key, create(value));
            }
            return;
        }
        home.prefetch(tag);
        let waiting = self.waiting.len();
        debug_assert!(waiting < QUEUE && self.waiting.capacity() >= QUEUE);
        // SAFETY: there is room for QUEUE records, and fewer wait; so the place is allocated and free.
        unsafe {
            self.waiting.as_mut_ptr().add(waiting).write(Waiting { tag, part: part as u32, key, value });
            self.waiting.set_len(waiting + 1);
        }
        if waiting + 1 == QUEUE {
            self.flush(create, update);
        }
    }

    /// Combines the records that wait, or puts them aside.
    #[inline(never)]
    pub(super) fn flush(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        self.records += self.waiting.len();
        match &mut self.bypass {
            Some(bypass) if bypass.takes_all() => {
                text::detached(|| {
                    for Waiting { tag, part, key, value } in self.waiting.drain(..) {
                        bypass.add(part, Record { tag, key: key.clone(), value });
                    }
                });
            }
            _ => self.combine(&create, &update),
        }
        if self.records >= REVIEW {
            self.review(create, update);
        }
    }

    #[inline(always)]
    fn combine(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let parts = &mut self.parts[..];
        let mut guesses = [0; QUEUE];
        for (guess, record) in guesses.iter_mut().zip(&self.waiting) {
            // SAFETY: `upsert` made `part` with `partition_of`, which stays below the number of parts.
            *guess = unsafe { parts.get_unchecked(record.part as usize) }.guess(record.tag);
        }
        let mut rest = Rest::of(&mut self.waiting);
        let mut guess = guesses.as_ptr();
        while rest.next != rest.end {
            // SAFETY: a record that was written by `upsert` and that only `rest` knows of; there are as many guesses.
            let (record, place) = unsafe { (&mut *rest.next, *guess) };
            // SAFETY: as above.
            let part = unsafe { parts.get_unchecked_mut(record.part as usize) };
            // SAFETY: the value is moved out this one time; `rest` drops the key alone.
            let value = unsafe { ptr::read(&record.value) };
            if let Err(value) = part.combine(record.tag, place, &record.key, value, &update) {
                match &mut self.bypass {
                    Some(bypass) => {
                        let key = text::detached(|| record.key.clone());
                        bypass.add(record.part, Record { tag: record.tag, key, value });
                    }
                    None => part.insert(record.tag, &record.key, create(value)),
                }
            }
            // SAFETY: the record is not looked at again.
            unsafe { ptr::drop_in_place(&mut record.key) };
            (rest.next, guess) = (rest.next.wrapping_add(1), guess.wrapping_add(1));
        }
        mem::forget(rest);
    }

    /// Decides whether what follows is combined or put aside; see `bypass.rs`.
    #[cold]
    fn review(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let keys: usize = self.parts.iter().map(Part::len).sum();
        let (records, before) = (mem::take(&mut self.records), mem::replace(&mut self.keys, keys));
        let new = keys.saturating_sub(before);
        if let Some(bypass) = &mut self.bypass {
            if bypass.is_wrong() {
                self.bypass_from = usize::MAX;
                let runs = self.bypass.take().into_iter().flat_map(Bypass::into_partitions);
                for (part, runs) in self.parts.iter_mut().zip(runs) {
                    runs.into_iter().for_each(|run| part.take_in(run, &create, &update));
                }
            }
        } else if keys >= self.bypass_from && new * 4 >= records {
            self.bypass = Some(Bypass::new(self.parts.len(), new * 8 >= records * 7));
        }
    }

    /// What there is of each partition.
    pub(super) fn into_shares(self) -> Vec<Share<K, V, C>> {
        debug_assert!(self.waiting.is_empty(), "every task flushes its table");
        let mut aside = self.bypass.into_iter().flat_map(Bypass::into_partitions);
        self.parts.into_iter().map(|part| (part, aside.next().unwrap_or_default())).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    fn table<V, C>(partitions: usize) -> Table<String, V, C> {
        Table::new(partitions, KeyHashing::with_seed(7), 1 << 16)
    }

    fn pairs<V, C: Ord>(table: Table<String, V, C>) -> Vec<(String, C)> {
        let mut all: Vec<_> =
            table.into_shares().into_iter().flat_map(|(part, _)| part.into_pairs()).collect();
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
        let part = table.into_shares().remove(0).0;
        let expected = [("the", 3), ("cat", 2), ("and", 2), ("dog", 1)].map(|(word, n)| (word.to_owned(), n));
        assert_eq!(part.into_pairs(), expected);
    }

    #[test]
    fn absorbing_combines_and_drops_nothing_twice() {
        let token = Arc::new(());
        let part = |keys: &[&str]| {
            let mut part = Part::default();
            for key in keys {
                let tag = tag_of(KeyHashing::with_seed(7).hash_one(key));
                let value = vec![Arc::clone(&token)];
                part.insert(tag, &(*key).to_owned(), value);
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
        for keys in [3, 5_000] {
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
            assert_eq!(groups.into_shares()[0].0.len(), 1);
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

    /// Adds `keys`, each with its place in the row, and gives all places of each key.
    fn places(keys: impl Iterator<Item = u64>) -> (HashMap<u64, Vec<u64>>, bool) {
        let add = |mut places: Vec<u64>, place| {
            places.push(place);
            places
        };
        let mut table: Table<u64, u64, Vec<u64>> = Table::new(3, KeyHashing::with_seed(7), 1 << 16);
        for (place, key) in (0..).zip(keys) {
            table.upsert(key, place, |place| vec![place], add);
        }
        table.flush(|place| vec![place], add);
        let is_bypassed = table.bypass.is_some();
        let shares = table.into_shares().into_iter();
        let parts = shares.map(|share| {
            Part::of_runs(vec![share], |place| vec![place], add, |_, _| panic!("there is one worker"))
        });
        (parts.flat_map(Part::into_pairs).collect(), is_bypassed)
    }

    fn expected(keys: impl Iterator<Item = u64>) -> HashMap<u64, Vec<u64>> {
        let mut expected: HashMap<u64, Vec<u64>> = HashMap::new();
        (0..).zip(keys).for_each(|(place, key)| expected.entry(key).or_default().push(place));
        expected
    }

    #[test]
    fn records_that_are_put_aside_are_all_there_and_in_order() {
        let near_unique = || (0..300_000u64).map(|i| if i % 3 == 0 { i / 2 } else { i });
        let half_of_one_key = || (0..300_000u64).map(|i| if i % 2 == 0 { 7 } else { i });
        let (got, is_bypassed) = places(near_unique());
        assert!(is_bypassed);
        assert_eq!(got, expected(near_unique()));
        let (got, is_bypassed) = places(half_of_one_key());
        assert!(is_bypassed);
        assert_eq!(got, expected(half_of_one_key()));
    }

    #[test]
    fn keys_that_come_often_are_combined_also_if_at_first_they_did_not() {
        let often = || (0..300_000u64).map(|i| i % 60_000);
        let (got, is_bypassed) = places(often());
        assert!(!is_bypassed);
        assert_eq!(got, expected(often()));
        let later = || (0..1_250_000u64).map(|i| if i < 140_000 { i } else { i % 100_000 + 200_000 });
        let (got, is_bypassed) = places(later());
        assert!(!is_bypassed);
        assert_eq!(got, expected(later()));
    }
}
