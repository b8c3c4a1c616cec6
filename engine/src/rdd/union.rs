use std::sync::Arc;

use super::{Flow, Rdd};
use crate::Result;
use crate::job::{Executor, Job, Task};

/// The partitions of several RDDs of one type, one after the other.
pub struct UnionAll<R> {
    executor: Executor,
    parents: Arc<Vec<R>>,
}

impl<R: Rdd> UnionAll<R> {
    /// The union of `parents`, in order; of none: an RDD without partitions.
    pub fn new(executor: Executor, parents: Vec<R>) -> Self {
        UnionAll { executor, parents: Arc::new(parents) }
    }
}

impl<R> Clone for UnionAll<R> {
    fn clone(&self) -> Self {
        UnionAll { executor: self.executor.clone(), parents: Arc::clone(&self.parents) }
    }
}

impl<R: Rdd> Rdd for UnionAll<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.parents.iter().map(Rdd::num_partitions).sum()
    }

    fn weight(&self) -> usize {
        self.parents.iter().fold(0, |sum, parent| sum.saturating_add(parent.weight()))
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.parents.iter().try_for_each(|parent| parent.prepare(job))
    }

    fn compute(&self, mut partition: usize, task: &Task, sink: impl FnMut(R::Item) -> Flow) -> Flow {
        for parent in self.parents.iter() {
            let own = parent.num_partitions();
            if partition < own {
                return parent.compute(partition, task, sink);
            }
            partition -= own;
        }
        Flow::Continue(())
    }
}
