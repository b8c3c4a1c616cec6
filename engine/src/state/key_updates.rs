use std::sync::Arc;
use std::vec::IntoIter;

use super::bucket::Bucket;
use super::groups::{Arrived, Cursor, Groups};
use crate::rdd::{Data, Key};

/// The keys of a partition that have a state or values in a batch: each with its values of the batch, and with its state. See
/// [`UpdateSpec::partition_fn`](super::UpdateSpec::partition_fn).
pub struct KeyUpdates<K, V, S> {
    buckets: IntoIter<Visited<K, V, S>>,
    current: Option<Current<K, V, S>>,
}

/// A bucket with the records that have come to it.
type Visited<K, V, S> = (Arc<Bucket<K, S>>, Vec<Arrived<K, V>>);

/// The bucket whose turn it is.
struct Current<K, V, S> {
    bucket: Arc<Bucket<K, S>>,
    groups: Groups<K, V>,
    values: IntoIter<V>,
    cursor: Cursor,
    place: usize,
}

impl<K: Key, V: Data, S: Data> KeyUpdates<K, V, S> {
    /// `records` has a list for every bucket.
    pub(super) fn new(buckets: &[Arc<Bucket<K, S>>], records: Vec<Vec<Arrived<K, V>>>) -> Self {
        let buckets: Vec<_> = buckets.iter().map(Arc::clone).zip(records).collect();
        KeyUpdates { buckets: buckets.into_iter(), current: None }
    }
}

impl<K: Key, V: Data, S: Data> Current<K, V, S> {
    fn new((bucket, records): Visited<K, V, S>) -> Self {
        let mut groups = Groups::new(bucket.map(), records);
        let (values, cursor) = (groups.take_values(), groups.cursor());
        Current { bucket, groups, values, cursor, place: 0 }
    }

    fn next(&mut self) -> Option<(K, Vec<V>, Option<S>)> {
        let place = self.place;
        let (key, state) = match self.bucket.entries().get(place) {
            Some((key, state)) => (key.clone(), Some(state.clone())),
            None => (self.groups.new_keys().get(place - self.bucket.len())?.0.clone(), None),
        };
        self.place += 1;
        let values = self.groups.range(&mut self.cursor, place).len();
        Some((key, self.values.by_ref().take(values).collect(), state))
    }
}

impl<K: Key, V: Data, S: Data> Iterator for KeyUpdates<K, V, S> {
    type Item = (K, Vec<V>, Option<S>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(next) = self.current.as_mut().and_then(Current::next) {
                return Some(next);
            }
            self.current = Some(Current::new(self.buckets.next()?));
        }
    }
}

impl<K, V, S> std::fmt::Debug for KeyUpdates<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyUpdates").finish_non_exhaustive()
    }
}
