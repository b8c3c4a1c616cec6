//! The hash table of the map side, divided by reduce partition.
//!
//! The plain algorithm is `HashMap<K, C>` with `entry(key).and_modify(update).or_insert(create)`. The departures from it, and what
//! each is for:
//!
//! 1. Keys and values stand in a dense list, apart from the hash table proper; see `part.rs` and `slots.rs`.
//! 2. Records wait in a queue of 64. When it is full, all of them are hashed and have their slots fetched; then all of them guess
//!    where their entries are, by their tags alone, and have those fetched; then all are combined, for each of which one comparison
//!    of keys is left, which is almost always right. So the misses of 64 records overlap, each of the three loops is short and has
//!    no branch that depends on the records, and the loop over the input has no more to do than to put a record down.
//!
//! Unsafe: parts that are found by a number below theirs, a form for processors that have AVX2, and the keys of the queue.
#![expect(unsafe_code, reason = "parts by their numbers, and functions compiled for AVX2")]

use std::{mem, ptr};

use super::bypass::{Bypass, Record};
use super::part::{Part, Share};
use super::queue::{Given, Home, Queue};
use super::slots::tag_of;
use crate::job::KeyHashing;
use crate::rdd::Key;
use crate::text::{self, is_wide};

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
    waiting: Queue<K, V, (K, C)>,
    /// No entry has been inserted since the parts were [prepared](Part::prepare).
    has_good_guesses: bool,
    hasher: KeyHashing,
    bypass: Option<Bypass<K, V>>,
    /// With fewer keys than this, all records are combined.
    bypass_from: usize,
    /// Records since the last review, and the keys there were then.
    records: usize,
    keys: usize,
}

impl<K: Key, V, C> Table<K, V, C> {
    pub(super) fn new(partitions: usize, hasher: KeyHashing, bypass_from: usize) -> Self {
        let parts = (0..partitions.max(1)).map(|_| Part::default()).collect();
        Table {
            parts,
            waiting: Queue::new(),
            has_good_guesses: false,
            hasher,
            bypass: None,
            bypass_from,
            records: 0,
            keys: 0,
        }
    }

    /// Combines `value` into what `key` has, or begins with it; at the latest with the next [`flush`](Self::flush).
    #[inline(always)]
    pub(super) fn upsert(&mut self, key: K, value: V, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        if self.waiting.push(key, value) {
            self.flush(create, update);
        }
    }

    /// Combines the records that wait, or puts them aside.
    #[inline(never)]
    pub(super) fn flush(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        self.records += self.waiting.len();
        if is_wide() {
            // SAFETY: the processor has what it is compiled for.
            unsafe { self.combine_wide(&create, &update) };
        } else {
            self.combine::<false>(&create, &update);
        }
        if self.records >= REVIEW {
            self.review(create, update);
        }
    }

    #[cfg_attr(target_arch = "x86_64", target_feature(enable = "avx2,bmi1,bmi2,lzcnt"))]
    unsafe fn combine_wide(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        self.combine::<true>(create, update);
    }

    #[inline(always)]
    fn combine<const WIDE: bool>(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let parts = &mut self.parts[..];
        let mut records = self.waiting.take().settle(|key| {
            let hash = self.hasher.hash_one(key);
            let (tag, part) = (tag_of(hash), partition_of(hash, parts.len()));
            // SAFETY: `partition_of` stays below the number of parts.
            unsafe { parts.get_unchecked(part) }.prefetch(tag);
            Home { tag, part: part as u32, guess: ptr::null_mut() }
        });
        if let Some(bypass) = self.bypass.as_mut().filter(|bypass| bypass.takes_all()) {
            return put_aside(bypass, records.give());
        }
        let mut has_inserted = false;
        let mut missed = |parts: &mut [Part<K, C>], home: Home<_>, key: &K, value| {
            let part = &mut parts[home.part as usize];
            has_inserted |= combine_or_insert(part, &mut self.bypass, home, key, value, &create, &update);
        };
        // Should user code unwind, they are not good.
        if !mem::take(&mut self.has_good_guesses) && !Part::prepare(parts) {
            return records.give().each(|home, key, value| missed(parts, home, key, value));
        }
        records.visit(|home| {
            // SAFETY: as above.
            home.guess = unsafe { parts.get_unchecked(home.part as usize) }.guess::<WIDE>(home.tag);
        });
        let mut records = records.give();
        // SAFETY: each key is dropped before the next record is asked for, and not used any more.
        while let Some((home, key, value)) = unsafe { records.next() } {
            // SAFETY: guesses are good, so it is an entry, and none has moved since.
            let (known, old) = unsafe { (&(*home.guess).0, &raw mut (*home.guess).1) };
            if known == key {
                // SAFETY: as above.
                unsafe { Part::update(parts, old, |old| update(old, value)) };
            } else {
                missed(parts, home, key, value);
            }
            // SAFETY: as above.
            unsafe { records.drop_key() };
        }
        drop(records);
        self.has_good_guesses = !has_inserted;
    }

    /// Decides whether what follows is combined or put aside; see `bypass.rs`.
    #[cold]
    fn review(&mut self, create: impl Fn(V) -> C, update: impl Fn(C, V) -> C) {
        let keys: usize = self.parts.iter().map(Part::len).sum();
        let (records, before) = (mem::take(&mut self.records), mem::replace(&mut self.keys, keys));
        let new = keys.saturating_sub(before);
        if let Some(bypass) = &mut self.bypass {
            if bypass.is_wrong() {
                (self.bypass_from, self.has_good_guesses) = (usize::MAX, false);
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
        debug_assert!(self.waiting.len() == 0, "every task flushes its table");
        let mut aside = self.bypass.into_iter().flat_map(Bypass::into_partitions);
        self.parts.into_iter().map(|part| (part, aside.next().unwrap_or_default())).collect()
    }
}

/// Puts all records aside.
#[inline(never)]
fn put_aside<K: Key, V, E>(bypass: &mut Bypass<K, V>, records: Given<'_, K, V, E>) {
    text::detached(|| {
        records.each(|Home { tag, part, .. }, key, value| {
            bypass.add(part, Record { tag, key: key.clone(), value });
        });
    });
}

/// Combines a record whose entry is not where it was guessed, or that has none; true when it has one now.
#[inline(never)]
fn combine_or_insert<K: Key, V, C>(
    part: &mut Part<K, C>,
    bypass: &mut Option<Bypass<K, V>>,
    home: Home<(K, C)>,
    key: &K,
    value: V,
    create: impl Fn(V) -> C,
    update: impl Fn(C, V) -> C,
) -> bool {
    let Err(value) = part.combine(home.tag, key, value, update) else { return false };
    match bypass {
        Some(bypass) => bypass.add(home.part, Record::detached(home.tag, key, value)),
        None => part.insert(home.tag, key, create(value)),
    }
    bypass.is_none()
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

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

    /// Keys that are all equal and are hashed by their numbers, against the rule.
    #[derive(Clone, Debug)]
    struct Contradicting(u64);

    impl PartialEq for Contradicting {
        fn eq(&self, _: &Self) -> bool {
            true
        }
    }

    impl Eq for Contradicting {}

    impl std::hash::Hash for Contradicting {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            self.0.hash(state);
        }
    }

    #[test]
    fn keys_that_contradict_themselves_lose_no_value_and_drop_none_twice() {
        let token = Arc::new(());
        for fails in [10, 100, 1_000, usize::MAX] {
            let mut table = Table::new(8, KeyHashing::with_seed(7), 1 << 16);
            let update = |mut old: Vec<Arc<()>>, value| {
                assert!(old.len() < fails);
                old.push(value);
                old
            };
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                for key in 0..5_000 {
                    table.upsert(Contradicting(key), Arc::clone(&token), |value| vec![value], update);
                }
                table.flush(|value| vec![value], update);
            }));
            assert_eq!(outcome.is_ok(), Arc::strong_count(&token) == 5_001, "{fails}");
            drop(table);
            assert_eq!(Arc::strong_count(&token), 1, "{fails}");
        }
    }

    #[test]
    fn values_without_a_size_are_dropped_once_when_their_update_panics() {
        static DROPPED: AtomicUsize = AtomicUsize::new(0);
        struct Unit;
        impl Drop for Unit {
            fn drop(&mut self) {
                DROPPED.fetch_add(1, Ordering::Relaxed);
            }
        }
        let mut units = table(3);
        for key in 0..100 {
            units.upsert(key.to_string(), (), |()| Unit, |unit, ()| unit);
        }
        units.flush(|()| Unit, |unit, ()| unit);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            units.upsert("99".to_owned(), (), |()| Unit, |_, ()| panic!("no"));
            units.flush(|()| Unit, |_, ()| panic!("no"));
        }));
        assert!(outcome.is_err());
        drop(units);
        assert_eq!(DROPPED.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn few_keys_in_many_partitions_are_combined_where_they_belong() {
        let add = |a: u64, b: u64| a + b;
        let mut counts = table(64);
        for i in 0..100_000u64 {
            counts.upsert((i % 5).to_string(), 1u64, |v| v, add);
        }
        counts.flush(|v| v, add);
        let shares = counts.into_shares();
        for (place, (part, _)) in shares.iter().enumerate() {
            let hashing = KeyHashing::with_seed(7);
            assert!(part.keys().all(|key| partition_of(hashing.hash_one(key), 64) == place));
        }
        let mut all: Vec<_> = shares.into_iter().flat_map(|(part, _)| part.into_pairs()).collect();
        all.sort();
        assert_eq!(all, (0..5).map(|key| (key.to_string(), 20_000)).collect::<Vec<_>>());
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
