//! The hash table of the map side, divided by reduce partition. Unsafe: values are moved out of their slot and back
//! (see [`Part::update`]), so that a reduce function may take and return them by value.
#![allow(unsafe_code)]

use std::mem::{self, ManuallyDrop};

use ahash::RandomState;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Found;

use crate::rdd::Key;
use crate::text;

/// The reduce partition of a key with this hash. It uses bits that the hash table itself does not look at first.
#[inline]
pub fn partition_of(hash: u64, partitions: usize) -> usize {
    let middle = (hash >> 24) & 0xffff_ffff;
    ((middle * partitions as u64) >> 32) as usize
}

/// What one worker has combined: a hash table per reduce partition.
pub struct Table<K, C> {
    parts: Vec<Part<K, C>>,
    hasher: RandomState,
}

/// The keys of one reduce partition.
pub(super) struct Part<K, C> {
    table: HashTable<Entry<K, C>>,
}

/// A key with its hash and its value. The value is always there, except while [`Part::update`] runs.
struct Entry<K, C> {
    hash: u64,
    key: K,
    value: ManuallyDrop<C>,
}

impl<K: Key, C> Table<K, C> {
    pub(super) fn new(partitions: usize, hasher: RandomState) -> Self {
        Table { parts: (0..partitions.max(1)).map(|_| Part::default()).collect(), hasher }
    }

    /// Combines `value` into what `key` has, or begins with it.
    #[inline]
    #[expect(clippy::needless_pass_by_value, reason = "a short key by value stays in registers")]
    pub(super) fn upsert<V>(
        &mut self,
        key: K,
        value: V,
        create: impl FnOnce(V) -> C,
        update: impl FnOnce(C, V) -> C,
    ) {
        let hash = self.hasher.hash_one(&key);
        let partition = partition_of(hash, self.parts.len());
        let part = &mut self.parts[partition];
        match part.table.find_mut(hash, |entry| entry.key == key) {
            Some(entry) => {
                let entry: *mut Entry<K, C> = entry;
                // SAFETY: `entry` was just found in `part.table`, which has not been touched since.
                unsafe { part.update(entry, |old| update(old, value)) }
            }
            None => part.insert(hash, &key, create(value)),
        }
    }

    pub(super) fn into_parts(self) -> Vec<Part<K, C>> {
        self.parts
    }
}

impl<K: Key, C> Part<K, C> {
    pub(super) fn len(&self) -> usize {
        self.table.len()
    }

    /// A key that stays in the table must not keep the block alive that it was cut from.
    #[cold]
    #[inline(never)]
    fn insert(&mut self, hash: u64, key: &K, value: C) {
        let key = text::detached(|| key.clone());
        let entry = Entry { hash, key, value: ManuallyDrop::new(value) };
        self.table.insert_unique(hash, entry, |entry| entry.hash);
    }

    /// Replaces an entry's value by what `f` makes of it. If `f` panics, all entries are dropped, so that nobody ever sees the
    /// one without a value.
    ///
    /// # Safety
    /// `entry` must point into `self.table`.
    #[inline]
    unsafe fn update(&mut self, entry: *mut Entry<K, C>, f: impl FnOnce(C) -> C) {
        let hole = ClearOnUnwind { part: self, hole: entry };
        // SAFETY: the entry is in the table, to which `hole` has the only reference and which it does not use before its own
        // drop; the value is there, because every earlier update put it back or cleared the table.
        let old = unsafe { ManuallyDrop::take(&mut (*entry).value) };
        let new = f(old);
        // SAFETY: as above; `f` cannot reach the table.
        unsafe { (*entry).value = ManuallyDrop::new(new) };
        mem::forget(hole);
    }

    /// Adds all entries of `other`; keys that both have are combined by `merge`.
    pub(super) fn absorb(&mut self, mut other: Part<K, C>, merge: impl Fn(C, C) -> C) {
        for mut entry in mem::take(&mut other.table) {
            match self.table.entry(entry.hash, |mine| mine.key == entry.key, |mine| mine.hash) {
                Found::Vacant(place) => {
                    place.insert(entry);
                }
                Found::Occupied(mut place) => {
                    let mine: *mut Entry<K, C> = place.get_mut();
                    // SAFETY: the entry was moved out of its table and its value is taken this one time.
                    let theirs = unsafe { ManuallyDrop::take(&mut entry.value) };
                    // SAFETY: `mine` was just found in `self.table`, which has not been touched since.
                    unsafe { self.update(mine, |value| merge(value, theirs)) }
                }
            }
        }
    }

    pub(super) fn into_pairs(mut self) -> Vec<(K, C)> {
        mem::take(&mut self.table)
            .into_iter()
            .map(|entry| (entry.key, ManuallyDrop::into_inner(entry.value)))
            .collect()
    }
}

impl<K, C> Default for Part<K, C> {
    fn default() -> Self {
        Part { table: HashTable::new() }
    }
}

impl<K, C> Drop for Part<K, C> {
    fn drop(&mut self) {
        if mem::needs_drop::<C>() {
            for entry in &mut self.table {
                // SAFETY: every entry of the table has its value, and the table is not used after this.
                unsafe { ManuallyDrop::drop(&mut entry.value) }
            }
        }
    }
}

/// Empties a part whose entry `hole` has lost its value to a panic.
struct ClearOnUnwind<'a, K, C> {
    part: &'a mut Part<K, C>,
    hole: *mut Entry<K, C>,
}

impl<K, C> Drop for ClearOnUnwind<'_, K, C> {
    #[cold]
    fn drop(&mut self) {
        for entry in &mut self.part.table {
            if !std::ptr::eq(entry, self.hole) {
                // SAFETY: every entry but the hole has its value; the table is emptied right after, keys only.
                unsafe { ManuallyDrop::drop(&mut entry.value) }
            }
        }
        self.part.table.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    fn table<C>(partitions: usize) -> Table<String, C> {
        Table::new(partitions, RandomState::with_seed(7))
    }

    fn pairs<C: Ord>(table: Table<String, C>) -> Vec<(String, C)> {
        let mut all: Vec<_> = table.into_parts().into_iter().flat_map(Part::into_pairs).collect();
        all.sort();
        all
    }

    #[test]
    fn values_of_a_key_are_combined() {
        let mut counts = table(3);
        for word in "a b a c a b".split(' ') {
            counts.upsert(word.to_owned(), 1, |v| v, |c, v| c + v);
        }
        assert_eq!(pairs(counts), [("a".into(), 3), ("b".into(), 2), ("c".into(), 1)]);
    }

    #[test]
    fn absorbing_combines_and_drops_nothing_twice() {
        let token = Arc::new(());
        let mut parts = [table(1), table(1)].map(|mut t| {
            for key in ["x", "y"] {
                t.upsert(key.to_owned(), Arc::clone(&token), |v| vec![v], |c, _| c);
            }
            t.into_parts().remove(0)
        });
        parts[1].insert(99, &"z".to_owned(), vec![Arc::clone(&token)]);
        let [mut left, right] = parts;
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
        let token = Arc::new(());
        let mut groups = table(1);
        for key in ["x", "y", "z"] {
            groups.upsert(key.to_owned(), Arc::clone(&token), |v| v, |c, _| c);
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            groups.upsert("y".to_owned(), (), |()| unreachable!(), |_, ()| panic!("no"));
        }));
        assert!(outcome.is_err());
        assert_eq!(Arc::strong_count(&token), 1, "every value was dropped exactly once");
        groups.upsert("y".to_owned(), Arc::clone(&token), |v| v, |c, _| c);
        assert_eq!(groups.into_parts()[0].len(), 1);
    }

    #[test]
    fn partitions_are_in_range_and_all_used() {
        let hasher = RandomState::with_seed(1);
        let mut seen = [0; 7];
        for i in 0..7_000u64 {
            seen[partition_of(hasher.hash_one(i), 7)] += 1;
        }
        assert!(seen.iter().all(|n| (800..1_200).contains(n)), "{seen:?}");
    }
}
