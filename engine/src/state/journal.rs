use std::sync::Arc;

use crate::job::KeyHashing;

use super::bucket::{Bucket, Gone, Stamp};
use crate::rdd::{Data, Key};
use crate::storage::Owned;

/// What a step has done to the buckets of a partition, so that it can be undone: from the last change to the first.
pub(super) struct Journal<K, S>(Vec<Undo<K, S>>);

/// What undoes one change.
pub(super) enum Undo<K, S> {
    /// The first change of a bucket in this step.
    Touched { bucket: u16, before: u32 },
    /// The key's state was another.
    Replaced { bucket: u16, place: u32, before: S },
    /// The key's stamp was another.
    Stamped { bucket: u16, place: u32, before: Stamp },
    /// The last key was not there.
    Inserted { bucket: u16 },
    /// A key was there.
    Removed { bucket: u16, gone: Box<Gone<K, S>> },
    /// All states were others.
    ReplacedAll { bucket: u16, before: Box<AllButSome<S>> },
}

/// The states of a bucket's keys in their order, but for those at some places.
pub(super) struct AllButSome<S> {
    pub(super) states: Vec<S>,
    /// Ascending.
    pub(super) left_out: Vec<u32>,
}

impl<K, S> Default for Journal<K, S> {
    fn default() -> Self {
        Journal(Vec::new())
    }
}

impl<K: Key, S: Data> Journal<K, S> {
    #[inline]
    pub(super) fn push(&mut self, undo: Undo<K, S>) {
        self.0.push(undo);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Its bytes, with what the states in it own.
    pub(super) fn bytes_with(&self, owned: Owned<S>) -> usize {
        let owned_by = |undo: &Undo<K, S>| match undo {
            Undo::Replaced { before, .. } => owned.of(before),
            Undo::Removed { gone, .. } => size_of::<Gone<K, S>>() + owned.of(&gone.state),
            Undo::ReplacedAll { before, .. } => size_of_val(&*before.states) + owned.of_all(&before.states),
            Undo::Touched { .. } | Undo::Stamped { .. } | Undo::Inserted { .. } => 0,
        };
        self.0.capacity() * size_of::<Undo<K, S>>() + self.0.iter().map(owned_by).sum::<usize>()
    }

    /// Makes the buckets what they were before the first change.
    pub(super) fn undo(&mut self, buckets: &mut [Arc<Bucket<K, S>>], hasher: &KeyHashing) {
        while let Some(undo) = self.0.pop() {
            undo.apply(buckets, hasher);
        }
    }
}

impl<K: Key, S: Data> Undo<K, S> {
    fn bucket(&self) -> usize {
        match self {
            Undo::Touched { bucket, .. }
            | Undo::Replaced { bucket, .. }
            | Undo::Stamped { bucket, .. }
            | Undo::Inserted { bucket }
            | Undo::Removed { bucket, .. }
            | Undo::ReplacedAll { bucket, .. } => usize::from(*bucket),
        }
    }

    /// A bucket that a step has touched is not shared, so nothing is copied here.
    fn apply(self, buckets: &mut [Arc<Bucket<K, S>>], hasher: &KeyHashing) {
        let touched = Arc::make_mut(&mut buckets[self.bucket()]);
        match self {
            Undo::Touched { before, .. } => touched.changed = before,
            Undo::Replaced { place, before, .. } => *touched.state_mut(place as usize) = before,
            Undo::Stamped { place, before, .. } => {
                if let Some(stamp) = touched.stamp_mut(place as usize) {
                    *stamp = before;
                }
            }
            Undo::Inserted { .. } => drop(touched.remove(touched.len() - 1, hasher)),
            Undo::Removed { gone, .. } => touched.put_back(*gone, hasher),
            Undo::ReplacedAll { mut before, .. } => before.swap(touched),
        }
    }
}

impl<S: Data> AllButSome<S> {
    /// Exchanges the states with those of `bucket`.
    pub(super) fn swap<K: Key>(&mut self, bucket: &mut Bucket<K, S>) {
        let mut left_out = self.left_out.iter().peekable();
        let mut states = self.states.iter_mut();
        for place in 0..bucket.len() {
            if left_out.next_if(|out| **out as usize == place).is_none()
                && let Some(state) = states.next()
            {
                std::mem::swap(bucket.state_mut(place), state);
            }
        }
    }
}
