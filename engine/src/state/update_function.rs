use std::sync::Arc;

use super::KeyMap;
use super::groups::{Arrived, Groups};
use super::key_updates::KeyUpdates;
use super::part::Update;
use crate::Time;
use crate::rdd::{Data, Key};

/// The function of an [`UpdateSpec`](super::UpdateSpec).
pub(super) enum UpdateKind<K, V, S> {
    /// Called for every key.
    Keys(Arc<dyn UpdateBucket<K, V, S>>),
    /// Called for every partition.
    Partition(Arc<UpdatePartition<K, V, S>>),
}

/// Gives the new state of a partition to the sink.
pub(super) type UpdatePartition<K, V, S> =
    dyn Fn(Time, KeyUpdates<K, V, S>, &mut dyn FnMut(K, S)) + Send + Sync;

impl<K, V, S> Clone for UpdateKind<K, V, S> {
    fn clone(&self) -> Self {
        match self {
            UpdateKind::Keys(f) => UpdateKind::Keys(Arc::clone(f)),
            UpdateKind::Partition(f) => UpdateKind::Partition(Arc::clone(f)),
        }
    }
}

/// A function of keys, called for a bucket at a time, so that only its type is not known, not what it is.
pub(super) trait UpdateBucket<K, V, S>: Send + Sync {
    /// What the function makes of the keys of a bucket; the bucket itself stays as it is.
    fn update(&self, time: Time, bucket: &KeyMap<K, S>, records: Vec<Arrived<K, V>>) -> Update<K, S>;
}

/// The user's function as an [`UpdateBucket`].
pub(super) struct EveryKey<F>(pub(super) F);

impl<K, V, S, F> UpdateBucket<K, V, S> for EveryKey<F>
where
    K: Key,
    V: Data,
    S: Data,
    F: Fn(Time, &K, &[V], Option<S>) -> Option<S> + Send + Sync,
{
    fn update(&self, time: Time, bucket: &KeyMap<K, S>, records: Vec<Arrived<K, V>>) -> Update<K, S> {
        let groups = Groups::new(bucket, records);
        let mut cursor = groups.cursor();
        let mut update =
            Update { states: Vec::with_capacity(bucket.len()), gone: Vec::new(), new: Vec::new() };
        bucket.entries().iter().enumerate().for_each(|(place, (key, state))| {
            match (self.0)(time, key, groups.of(&mut cursor, place), Some(state.clone())) {
                Some(state) => update.states.push(state),
                None => update.gone.push(place as u32),
            }
        });
        let mut states = Vec::with_capacity(groups.new_keys().len());
        for (number, (key, _)) in groups.new_keys().iter().enumerate() {
            let values = groups.of(&mut cursor, groups.place_of_new(number));
            states.push((self.0)(time, key, values, None));
        }
        let new = groups.into_new_keys().into_iter().zip(states);
        update.new.extend(new.filter_map(|((key, hash), state)| Some((hash, key, state?))));
        update
    }
}
