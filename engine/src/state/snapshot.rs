use std::sync::Arc;

use super::bucket::Bucket;
use crate::rdd::{Data, Flow, Key};

/// All keys and their states as they were after a batch, in partitions. It holds the buckets themselves: while it is there, a
/// batch that changes one copies it first.
pub(crate) struct Snapshot<K, S>(Vec<Vec<Arc<Bucket<K, S>>>>);

impl<K: Key, S: Data> Snapshot<K, S> {
    pub(super) fn new(partitions: Vec<Vec<Arc<Bucket<K, S>>>>) -> Self {
        Snapshot(partitions)
    }

    /// All buckets, in their order.
    pub(super) fn into_buckets(self) -> Vec<Arc<Bucket<K, S>>> {
        self.0.into_iter().flatten().collect()
    }

    /// About how many bytes will be read.
    pub(super) fn weight(&self) -> usize {
        self.0.iter().flatten().map(|bucket| bucket.bytes()).sum()
    }

    pub(super) fn read(&self, partition: usize, mut sink: impl FnMut((K, S)) -> Flow) -> Flow {
        let buckets = self.0.get(partition).into_iter().flatten();
        buckets.flat_map(|bucket| bucket.entries()).cloned().try_for_each(&mut sink)
    }
}
