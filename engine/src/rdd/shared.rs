use super::{Flow, Keep, Kept, Rdd};
use crate::Result;
use crate::job::{Executor, Job, Task};

/// The RDD that a stream hands to its consumers for one batch.
///
/// With one consumer it is the stream's own RDD and is fused with what follows. A stream with several consumers is computed
/// once: its records are *kept* for the batch ([`Keep`]) and every consumer reads them. A stream without data at that time is
/// *empty*: no partitions.
pub struct Shared<R: Rdd> {
    executor: Executor,
    rdd: Option<R>,
    kept: Option<Kept<R::Item>>,
}

impl<R: Rdd> Shared<R> {
    /// `rdd` itself, computed anew by each consumer; with `keep`: computed once and kept.
    pub fn new(rdd: R, keep: Option<Keep<R::Item>>) -> Self {
        Shared { executor: rdd.executor().clone(), rdd: Some(rdd), kept: keep.map(Kept::new) }
    }

    /// No partitions.
    pub fn empty(executor: Executor) -> Self {
        Shared { executor, rdd: None, kept: None }
    }
}

impl<R: Rdd> Clone for Shared<R> {
    fn clone(&self) -> Self {
        Shared { executor: self.executor.clone(), rdd: self.rdd.clone(), kept: self.kept.clone() }
    }
}

impl<R: Rdd> Rdd for Shared<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.rdd.as_ref().map_or(0, Rdd::num_partitions)
    }

    fn weight(&self) -> usize {
        self.rdd.as_ref().map_or(0, Rdd::weight)
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        match (&self.rdd, &self.kept) {
            (Some(rdd), Some(kept)) => kept.fill(rdd, job),
            (Some(rdd), None) => rdd.prepare(job),
            (None, _) => Ok(()),
        }
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        match (&self.rdd, &self.kept) {
            (Some(rdd), Some(kept)) => {
                kept.replay(partition, task, &mut sink, &|sink| rdd.compute(partition, task, sink))
            }
            (Some(rdd), None) => rdd.compute(partition, task, sink),
            (None, _) => Flow::Continue(()),
        }
    }
}
