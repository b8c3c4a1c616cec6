//! Counts by key, hashed once; the keys lie one after the other in one buffer.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Keys with a number each.
pub(crate) struct Table {
    slots: HashTable<Slot>,
    keys: Vec<u8>,
    hasher: ahash::RandomState,
}

struct Slot {
    hash: u64,
    count: u64,
    start: usize,
    len: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        Table { slots: HashTable::new(), keys: Vec::new(), hasher: ahash::RandomState::with_seed(1) }
    }

    #[inline(always)]
    pub(crate) fn add(&mut self, key: &[u8]) {
        let (hash, keys) = (self.hasher.hash_one(key), &mut self.keys);
        let same = |slot: &Slot| slot.hash == hash && &keys[slot.start..slot.start + slot.len] == key;
        match self.slots.entry(hash, same, |slot| slot.hash) {
            Entry::Occupied(mut slot) => slot.get_mut().count += 1,
            Entry::Vacant(slot) => {
                slot.insert(Slot { hash, count: 1, start: keys.len(), len: key.len() });
                keys.extend_from_slice(key);
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.slots.iter().map(|slot| (&self.keys[slot.start..slot.start + slot.len], slot.count))
    }
}
