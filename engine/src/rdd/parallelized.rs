use std::sync::Arc;

use super::{Data, Flow, Rdd};
use crate::Result;
use crate::job::{Executor, Job, Task};

/// A collection of the program as an RDD: the records stand in `slices` partitions of nearly equal length, in order.
pub struct Parallelized<T> {
    executor: Executor,
    records: Arc<Vec<T>>,
    slices: usize,
}

impl<T: Data> Parallelized<T> {
    /// Cuts `records` into `slices` partitions (at least one).
    pub fn new(executor: Executor, records: Vec<T>, slices: usize) -> Self {
        Parallelized { executor, records: Arc::new(records), slices: slices.max(1) }
    }

    /// An RDD without partitions and records.
    pub fn empty(executor: Executor) -> Self {
        Parallelized { executor, records: Arc::default(), slices: 0 }
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True when there are no records.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The records of one partition: those between `len * p / slices` and `len * (p + 1) / slices`, as Spark cuts.
    fn slice(&self, partition: usize) -> &[T] {
        let bound = |p: usize| self.records.len() * p / self.slices.max(1);
        &self.records[bound(partition)..bound(partition + 1)]
    }
}

impl<T> Clone for Parallelized<T> {
    fn clone(&self) -> Self {
        Parallelized {
            executor: self.executor.clone(),
            records: Arc::clone(&self.records),
            slices: self.slices,
        }
    }
}

impl<T: Data> Rdd for Parallelized<T> {
    type Item = T;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.slices
    }

    fn weight(&self) -> usize {
        self.records.len() * size_of::<T>().max(16)
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, partition: usize, _task: &Task, sink: impl FnMut(T) -> Flow) -> Flow {
        self.slice(partition).iter().cloned().try_for_each(sink)
    }
}
