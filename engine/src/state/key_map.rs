use super::pages::Pages;
use crate::rdd::Key;
use crate::shuffle::prefetch;

/// A hash table that can lose keys: entries stand dense, in any order; the slots hold their places.
///
/// The plain algorithm is `HashMap<K, V>`. What is different, and why:
///
/// 1. The caller brings the hash (32 bits of it), so that it can have the memory of many keys fetched before it looks at the
///    first ([`prefetch_slot`](Self::prefetch_slot), [`prefetch_entry`](Self::prefetch_entry)).
/// 2. All entries are visited by running through a list without holes, which is in pages ([`Pages`]), so that growing moves none.
/// 3. Removal shifts the slots behind it back (Knuth, TAOCP 3, algorithm 6.4R), so there are no tombstones, and a table whose
///    keys come and go for ever stays as fast as a new one. The last entry moves into the gap.
#[derive(Clone)]
pub(crate) struct KeyMap<K, V> {
    /// The hash above, the entry's place plus one below; 0 is empty. A power of two, at most three quarters full.
    slots: Vec<u64>,
    entries: Pages<(K, V)>,
}

/// The slots of a table that has any.
const SLOTS_MIN: usize = 8;

/// The most keys of one table: what fits into half a slot.
const KEYS_MAX: usize = u32::MAX as usize - 1;

impl<K: Key, V> KeyMap<K, V> {
    pub(crate) fn new() -> Self {
        KeyMap { slots: Vec::new(), entries: Pages::new() }
    }

    /// An empty table with slots for `keys` keys.
    pub(crate) fn with_slots(keys: usize) -> Self {
        let slots = (keys * 4).div_ceil(3).next_power_of_two().max(SLOTS_MIN);
        KeyMap { slots: vec![0; slots], entries: Pages::new() }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of the table itself; what keys and values own elsewhere is not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u64>() + self.entries.bytes()
    }

    pub(crate) fn entries(&self) -> &Pages<(K, V)> {
        &self.entries
    }

    pub(crate) fn into_entries(self) -> Pages<(K, V)> {
        self.entries
    }

    #[inline]
    fn mask(&self) -> usize {
        self.slots.len().wrapping_sub(1)
    }

    #[inline]
    pub(crate) fn prefetch_slot(&self, hash: u32) {
        prefetch(self.slots.as_ptr().wrapping_add(hash as usize & self.mask()));
    }

    /// To be called when the slot has come.
    #[inline]
    pub(crate) fn prefetch_entry(&self, hash: u32) {
        prefetch(self.entries.address(self.likely_place(hash)));
    }

    /// Where a key with this hash stands, if it is anywhere and its slot is not taken by another. To be called when the slot has
    /// come; good for nothing but prefetching.
    #[inline]
    pub(crate) fn likely_place(&self, hash: u32) -> usize {
        let slot = self.slots.get(hash as usize & self.mask()).copied().unwrap_or(0);
        (slot as u32).wrapping_sub(1) as usize
    }

    /// The place of `key`, good until the next removal.
    #[inline]
    pub(crate) fn find(&self, hash: u32, key: &K) -> Option<usize> {
        self.places_of(hash).find(|place| self.entries[*place].0 == *key)
    }

    /// The places of all keys with this hash.
    #[inline]
    pub(crate) fn places_of(&self, hash: u32) -> impl Iterator<Item = usize> {
        let mask = self.mask();
        let mut at = hash as usize & mask;
        std::iter::from_fn(move || {
            loop {
                let slot = *self.slots.get(at)?;
                at = (at + 1) & mask;
                if slot == 0 {
                    return None;
                }
                if (slot >> 32) as u32 == hash {
                    return Some(slot as u32 as usize - 1);
                }
            }
        })
    }

    #[inline]
    pub(crate) fn value(&self, place: usize) -> &V {
        &self.entries[place].1
    }

    #[inline]
    pub(crate) fn value_mut(&mut self, place: usize) -> &mut V {
        &mut self.entries[place].1
    }

    /// Adds a key that is not there; its place is the last.
    pub(crate) fn insert(&mut self, hash: u32, key: K, value: V) -> usize {
        let place = self.entries.len();
        assert!(place < KEYS_MAX, "one table holds at most {KEYS_MAX} keys: use more partitions");
        if (place + 1) * 4 > self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(SLOTS_MIN));
        }
        self.entries.push((key, value));
        self.occupy(u64::from(hash) << 32 | (place as u64 + 1));
        place
    }

    /// Takes the entry at `place` out; the last entry moves there. `hash_of` gives the hash of any key, as it was given to
    /// [`insert`](Self::insert).
    pub(crate) fn remove(&mut self, place: usize, hash_of: impl Fn(&K) -> u32) -> (K, V) {
        let last = self.entries.len() - 1;
        // The user's code first: should it panic, the table is as it was.
        let (hash, hash_of_last) = (hash_of(&self.entries[place].0), hash_of(&self.entries[last].0));
        let gone = self.slot_of(hash, place);
        self.vacate(gone);
        if place != last {
            let moved = self.slot_of(hash_of_last, last);
            self.slots[moved] = self.slots[moved] >> 32 << 32 | (place as u64 + 1);
        }
        let entry = self.entries.swap_remove(place);
        if self.slots.len() > SLOTS_MIN && self.entries.len() * 8 < self.slots.len() {
            self.resize(self.slots.len() / 4);
            self.entries.shrink();
        }
        entry
    }

    /// Undoes a [`remove`](Self::remove): puts the entry back to `place`, and the one that had moved there to the end.
    pub(crate) fn put_back(&mut self, place: usize, key: K, value: V, hash_of: impl Fn(&K) -> u32) {
        let last = self.entries.len();
        let hash = hash_of(&key);
        let hash_of_other = self.entries.get(place).map(|(other, _)| hash_of(other));
        self.insert(hash, key, value);
        if let Some(hash_of_other) = hash_of_other {
            let mine = self.slot_of(hash, last);
            let other = self.slot_of(hash_of_other, place);
            self.slots[mine] = self.slots[mine] >> 32 << 32 | (place as u64 + 1);
            self.slots[other] = self.slots[other] >> 32 << 32 | (last as u64 + 1);
            self.entries.swap(place, last);
        }
    }

    /// The slot that holds `place`, which is there.
    fn slot_of(&self, hash: u32, place: usize) -> usize {
        let wanted = u64::from(hash) << 32 | (place as u64 + 1);
        let mask = self.mask();
        let mut at = hash as usize & mask;
        while self.slots[at] != wanted {
            assert!(self.slots[at] != 0, "a key's hash must not change while it is in a table");
            at = (at + 1) & mask;
        }
        at
    }

    /// Puts `slot` into the first empty place from its home on.
    fn occupy(&mut self, slot: u64) {
        let mask = self.mask();
        let mut at = (slot >> 32) as usize & mask;
        while self.slots[at] != 0 {
            at = (at + 1) & mask;
        }
        self.slots[at] = slot;
    }

    /// Empties a slot and moves those behind it, which would not be found any more, back.
    fn vacate(&mut self, mut hole: usize) {
        let mask = self.mask();
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let slot = self.slots[at];
            if slot == 0 {
                break;
            }
            let home = (slot >> 32) as usize & mask;
            if at.wrapping_sub(home) & mask >= at.wrapping_sub(hole) & mask {
                self.slots[hole] = slot;
                hole = at;
            }
        }
        self.slots[hole] = 0;
    }

    fn resize(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.slots, vec![0; slots]);
        old.into_iter().filter(|slot| *slot != 0).for_each(|slot| self.occupy(slot));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Few hashes, so that keys collide and runs of slots wrap around.
    fn hash_of(key: &u16) -> u32 {
        u32::from(*key % 37).wrapping_mul(0x4000_0001)
    }

    fn check(map: &KeyMap<u16, u64>, model: &HashMap<u16, u64>) {
        assert_eq!(map.len(), model.len());
        for key in 0..300 {
            let found = map.find(hash_of(&key), &key).map(|place| *map.value(place));
            assert_eq!(found, model.get(&key).copied(), "key {key}");
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(operations in prop::collection::vec((0u16..300, any::<bool>()), 0..600)) {
            let (mut map, mut model) = (KeyMap::new(), HashMap::new());
            for (i, (key, insert)) in operations.into_iter().enumerate() {
                let value = i as u64;
                match (map.find(hash_of(&key), &key), insert) {
                    (Some(place), true) => *map.value_mut(place) = value,
                    (None, true) => { map.insert(hash_of(&key), key, value); }
                    (Some(place), false) => { map.remove(place, hash_of); }
                    (None, false) => {}
                }
                if insert { model.insert(key, value); } else { model.remove(&key); }
            }
            check(&map, &model);
        }

        #[test]
        fn what_is_put_back_is_where_it_was(
            keys in prop::collection::hash_set(0u16..300, 1..200),
            removals in prop::collection::vec(any::<prop::sample::Index>(), 1..50),
        ) {
            let mut map = KeyMap::new();
            for key in &keys {
                map.insert(hash_of(key), *key, u64::from(*key));
            }
            let before = map.entries().clone();
            let mut removed = Vec::new();
            for index in removals {
                if map.len() > 0 {
                    let place = index.index(map.len());
                    removed.push((place, map.remove(place, hash_of)));
                }
            }
            for (place, (key, value)) in removed.into_iter().rev() {
                map.put_back(place, key, value, hash_of);
            }
            prop_assert_eq!(map.entries(), &before);
            check(&map, &keys.iter().map(|key| (*key, u64::from(*key))).collect());
        }
    }

    #[test]
    fn a_table_that_was_emptied_is_small_again() {
        let mut map = KeyMap::new();
        for key in 0..10_000u32 {
            map.insert(key.wrapping_mul(0x9e37_79b9), key, [0u8; 32]);
        }
        let full = map.bytes();
        while map.len() > 0 {
            map.remove(map.len() / 2, |key| key.wrapping_mul(0x9e37_79b9));
        }
        assert!(map.bytes() * 100 < full, "{} of {full}", map.bytes());
    }
}
