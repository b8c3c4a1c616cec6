use std::sync::Arc;

use super::KeyUpdates;
use super::update_function::{EveryKey, UpdateBucket, UpdateKind, UpdatePartition};
use crate::Time;
use crate::rdd::{BoxRdd, Data, Key, Rdd};

/// What `update_state_by_key` does: the function, the state that it begins with and the partitions.
///
/// ```
/// use millstream_engine::state::UpdateSpec;
///
/// // How often each word has come so far; words that did not come in this batch are forgotten.
/// let spec = UpdateSpec::keyed(|_time, _word: &String, ones: &[u64], count: Option<u64>| {
///     (!ones.is_empty()).then(|| count.unwrap_or(0) + ones.iter().sum::<u64>())
/// });
/// # let _: UpdateSpec<String, u64, u64> = spec.partitions(4);
/// ```
pub struct UpdateSpec<K: Data, V, S: Data> {
    pub(super) kind: UpdateKind<K, V, S>,
    pub(super) initial: Option<BoxRdd<(K, S)>>,
    pub(crate) partitions: usize,
}

impl<K: Key, V: Data, S: Data> UpdateSpec<K, V, S> {
    /// `f` is called in every batch for every key that has a state or values, with all its values of the batch (there may be
    /// none) and its state. It returns the new state, or `None` to forget the key.
    pub fn values(f: impl Fn(&[V], Option<S>) -> Option<S> + Send + Sync + 'static) -> Self {
        UpdateSpec::keyed(move |_, _, values, state| f(values, state))
    }

    /// The same for a function that is told the time of the batch and the key.
    pub fn keyed(f: impl Fn(Time, &K, &[V], Option<S>) -> Option<S> + Send + Sync + 'static) -> Self {
        UpdateSpec::of(UpdateKind::Keys(Arc::new(EveryKey(f)) as Arc<dyn UpdateBucket<K, V, S>>))
    }

    /// `f` is called in every batch for every partition, with all its keys that have a state or values. What it gives is the new
    /// state of these keys, and nothing else stays: a key that it leaves out is forgotten. It may give other keys; of one that
    /// is given twice, in one partition or in two, any one is taken.
    pub fn partition_fn<I>(f: impl Fn(Time, KeyUpdates<K, V, S>) -> I + Send + Sync + 'static) -> Self
    where
        I: IntoIterator<Item = (K, S)> + 'static,
    {
        let erased = move |time: Time, keys: KeyUpdates<K, V, S>, sink: &mut dyn FnMut(K, S)| {
            f(time, keys).into_iter().for_each(|(key, state)| sink(key, state));
        };
        UpdateSpec::of(UpdateKind::Partition(Arc::new(erased) as Arc<UpdatePartition<K, V, S>>))
    }

    fn of(kind: UpdateKind<K, V, S>) -> Self {
        UpdateSpec { kind, initial: None, partitions: 0 }
    }

    /// The state before the first batch. Of a key that is there twice, any one is taken.
    pub fn initial(mut self, rdd: impl Rdd<Item = (K, S)>) -> Self {
        self.initial = Some(rdd.boxed());
        self
    }

    /// The number of partitions of the state; 0 stands for the default parallelism.
    pub fn partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions;
        self
    }

    /// Whether there is a state before the first batch.
    pub(crate) fn has_initial(&self) -> bool {
        self.initial.is_some()
    }
}

impl<K: Data, V, S: Data> Clone for UpdateSpec<K, V, S> {
    fn clone(&self) -> Self {
        UpdateSpec { kind: self.kind.clone(), initial: self.initial.clone(), partitions: self.partitions }
    }
}

impl<K: Data, V, S: Data> std::fmt::Debug for UpdateSpec<K, V, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UpdateSpec")
            .field("partitions", &self.partitions)
            .field("has_initial_state", &self.initial.is_some())
            .finish_non_exhaustive()
    }
}
