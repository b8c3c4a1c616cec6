use std::sync::Arc;

use super::{Data, Flow, Rdd};
use crate::Result;
use crate::job::{Executor, Job, Task};

/// Records that cross the border of an erased RDD with one dynamic call: few at first, for a consumer that wants no more.
const RECORDS_PER_CALL: (usize, usize) = (8, 1_024);

/// An RDD whose type is erased: what a struct field holds, or one of several kinds of input.
pub struct BoxRdd<T: Data>(Arc<dyn DynRdd<T>>);

trait DynRdd<T>: Send + Sync {
    fn executor(&self) -> &Executor;
    fn num_partitions(&self) -> usize;
    fn weight(&self) -> usize;
    fn prepare(&self, job: &Job) -> Result<()>;
    fn compute_in_runs(
        &self,
        partition: usize,
        task: &Task,
        run: &mut dyn FnMut(&mut Vec<T>) -> Flow,
    ) -> Flow;
}

impl<R: Rdd> DynRdd<R::Item> for R {
    fn executor(&self) -> &Executor {
        Rdd::executor(self)
    }

    fn num_partitions(&self) -> usize {
        Rdd::num_partitions(self)
    }

    fn weight(&self) -> usize {
        Rdd::weight(self)
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        Rdd::prepare(self, job)
    }

    fn compute_in_runs(
        &self,
        partition: usize,
        task: &Task,
        run: &mut dyn FnMut(&mut Vec<R::Item>) -> Flow,
    ) -> Flow {
        let (mut limit, limit_max) = RECORDS_PER_CALL;
        let mut records = Vec::with_capacity(limit);
        self.compute(partition, task, |item| {
            records.push(item);
            if records.len() < limit {
                return Flow::Continue(());
            }
            limit = limit_max.min(limit * 4);
            run(&mut records)
        })?;
        run(&mut records)
    }
}

impl<T: Data> BoxRdd<T> {
    pub(super) fn new(rdd: impl Rdd<Item = T>) -> Self {
        BoxRdd(Arc::new(rdd))
    }
}

impl<T: Data> Clone for BoxRdd<T> {
    fn clone(&self) -> Self {
        BoxRdd(Arc::clone(&self.0))
    }
}

impl<T: Data> Rdd for BoxRdd<T> {
    type Item = T;

    fn executor(&self) -> &Executor {
        self.0.executor()
    }

    fn num_partitions(&self) -> usize {
        self.0.num_partitions()
    }

    fn weight(&self) -> usize {
        self.0.weight()
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.0.prepare(job)
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(T) -> Flow) -> Flow {
        self.0.compute_in_runs(partition, task, &mut |records| records.drain(..).try_for_each(&mut sink))
    }

    fn boxed(self) -> BoxRdd<T> {
        self
    }
}
