use std::collections::BTreeMap;

use millstream_engine::Result;
use millstream_engine::graph::{BatchInput, InputStream};
use millstream_engine::rdd::{Rdd, UnionAll};

use super::RddQueue;

/// One RDD of the queue per batch, or all of them.
pub(crate) struct QueueInput<R> {
    pub(crate) queue: RddQueue<R>,
    pub(crate) one_at_a_time: bool,
    /// What a batch is while the queue is empty.
    pub(crate) default: Option<R>,
}

impl<R: Rdd> InputStream for QueueInput<R> {
    type Rdd = UnionAll<R>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<UnionAll<R>>> {
        let mut rdds = self.queue.take(self.one_at_a_time);
        let taken = rdds.len().to_string();
        if rdds.is_empty() {
            rdds.extend(self.default.clone());
        }
        batch.report(0, 0, BTreeMap::from([("rdds".to_owned(), taken)]))?;
        Ok(Some(UnionAll::new(batch.executor().clone(), rdds)))
    }

    fn is_finished(&self) -> bool {
        self.queue.is_finished()
    }
}

/// The same RDD in every batch.
pub(crate) struct ConstantInput<R>(pub(crate) R);

impl<R: Rdd> InputStream for ConstantInput<R> {
    type Rdd = R;

    fn compute(&self, _batch: &BatchInput<'_>) -> Result<Option<R>> {
        Ok(Some(self.0.clone()))
    }
}
