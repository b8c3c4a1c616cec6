use crate::job::KeyHashing;

use super::{KeyMap, Pages};
use crate::rdd::{Data, Key};
use crate::shuffle::prefetch;
use crate::storage::Owned;

/// The keys of one of the [`BUCKETS`](crate::shuffle::BUCKETS), each with its state. It is what a snapshot, or a checkpoint, is
/// made of: shared as it is, and copied by the next batch that changes it while it is.
#[derive(Clone)]
pub(crate) struct Bucket<K, S> {
    map: KeyMap<K, S>,
    /// One for every entry of the map, in their order; none where nothing times out.
    stamps: Vec<Stamp>,
    /// The number of the batch that changed it last.
    pub(super) changed: u32,
}

/// What is known of a key that can time out, in numbers of batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The batch that touched it last.
    pub(super) last: u32,
    /// The batch whose timer it has.
    pub(super) due: u32,
}

/// An entry that was taken out, and where it was.
pub(super) struct Gone<K, S> {
    place: usize,
    key: K,
    pub(super) state: S,
    stamp: Option<Stamp>,
}

impl<K: Key, S: Data> Bucket<K, S> {
    pub(super) fn new() -> Self {
        Bucket { map: KeyMap::new(), stamps: Vec::new(), changed: 0 }
    }

    pub(super) fn with_slots(keys: usize) -> Self {
        Bucket { map: KeyMap::with_slots(keys), stamps: Vec::new(), changed: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }

    /// The bytes of the tables; what keys and states own elsewhere is not counted.
    pub(super) fn bytes(&self) -> usize {
        self.map.bytes() + self.stamps.capacity() * size_of::<Stamp>()
    }

    /// The bytes of the tables, with what keys and states own.
    pub(super) fn bytes_with(&self, owned: Owned<(K, S)>) -> usize {
        self.bytes() + owned.of_all(self.entries())
    }

    /// The keys and their states, in any order.
    pub(crate) fn entries(&self) -> &Pages<(K, S)> {
        self.map.entries()
    }

    #[inline]
    pub(super) fn map(&self) -> &KeyMap<K, S> {
        &self.map
    }

    /// Has the memory of a key and its stamp fetched, when its slot has come.
    #[inline]
    pub(super) fn prefetch_entry(&self, hash: u32) {
        self.map.prefetch_entry(hash);
        self.prefetch_stamp(hash);
    }

    #[inline]
    pub(super) fn prefetch_stamp(&self, hash: u32) {
        if !self.stamps.is_empty() {
            prefetch(self.stamps.as_ptr().wrapping_add(self.map.likely_place(hash)));
        }
    }

    #[inline]
    pub(super) fn state_mut(&mut self, place: usize) -> &mut S {
        self.map.value_mut(place)
    }

    /// The stamp of the key at `place`; `None` where nothing times out.
    #[inline]
    pub(super) fn stamp_mut(&mut self, place: usize) -> Option<&mut Stamp> {
        self.stamps.get_mut(place)
    }

    #[inline]
    pub(super) fn stamp(&self, place: usize) -> Option<Stamp> {
        self.stamps.get(place).copied()
    }

    /// Adds a key that is not there, at the end. Either all keys have stamps or none.
    pub(super) fn insert(&mut self, hash: u32, key: K, state: S, stamp: Option<Stamp>) {
        self.map.insert(hash, key, state);
        if let Some(stamp) = stamp {
            if self.stamps.len() == self.stamps.capacity() {
                self.stamps.reserve_exact(self.stamps.len() / 4 + 4);
            }
            self.stamps.push(stamp);
        }
    }

    /// Adds a key, or replaces its state.
    pub(super) fn put(&mut self, hash: u32, key: K, state: S, stamp: Option<Stamp>) {
        match self.map.find(hash, &key) {
            Some(place) => *self.map.value_mut(place) = state,
            None => self.insert(hash, key, state, stamp),
        }
    }

    /// Takes the key at `place` out; the last one moves there.
    pub(super) fn remove(&mut self, place: usize, hasher: &KeyHashing) -> Gone<K, S> {
        let (key, state) = self.map.remove(place, |key| hasher.hash_one(key) as u32);
        let stamp = (!self.stamps.is_empty()).then(|| self.stamps.swap_remove(place));
        Gone { place, key, state, stamp }
    }

    /// Undoes the last [`remove`](Self::remove) that is not undone.
    pub(super) fn put_back(&mut self, gone: Gone<K, S>, hasher: &KeyHashing) {
        let Gone { place, key, state, stamp } = gone;
        self.map.put_back(place, key, state, |key| hasher.hash_one(key) as u32);
        if let Some(stamp) = stamp {
            let last = self.stamps.len();
            self.stamps.push(stamp);
            self.stamps.swap(place, last);
        }
    }
}
