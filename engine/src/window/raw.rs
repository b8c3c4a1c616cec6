use std::mem::needs_drop;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::job::{Executor, Job, Task};
use crate::rdd::{Flow, Keep, Kept, Rdd, Shared, Take};
use crate::text::detached;

/// The records of one batch, kept for the windows that it is in. They do not keep the batch's blocks alive.
pub(crate) struct RawPane<R: Rdd> {
    executor: Executor,
    partitions: usize,
    /// The batch, until its records are kept.
    batch: Arc<Mutex<Option<Detached<R>>>>,
    records: Kept<R::Item>,
}

impl<R: Rdd> RawPane<R> {
    pub(crate) fn new(batch: Shared<R>, keep: Keep<R::Item>) -> Self {
        RawPane {
            executor: batch.executor().clone(),
            partitions: batch.num_partitions(),
            batch: Arc::new(Mutex::new(Some(Detached(batch)))),
            records: Kept::new(keep.once()),
        }
    }

    fn batch(&self) -> Option<Detached<R>> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<R: Rdd> Clone for RawPane<R> {
    fn clone(&self) -> Self {
        RawPane {
            executor: self.executor.clone(),
            partitions: self.partitions,
            batch: Arc::clone(&self.batch),
            records: self.records.clone(),
        }
    }
}

impl<R: Rdd> Rdd for RawPane<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.partitions
    }

    fn weight(&self) -> usize {
        self.records.weight().unwrap_or_else(|| self.batch().map_or(0, |batch| batch.weight()))
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        if let Some(batch) = self.batch() {
            self.records.fill(&batch, job)?;
            *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        Ok(())
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        let again = |_: &mut Take<'_, R::Item>| task.fail("the batch of a pane is gone");
        self.records.replay(partition, task, &mut sink, &again)
    }
}

/// A batch whose records do not keep the blocks alive that they were cut from.
struct Detached<R: Rdd>(Shared<R>);

impl<R: Rdd> Clone for Detached<R> {
    fn clone(&self) -> Self {
        Detached(self.0.clone())
    }
}

impl<R: Rdd> Rdd for Detached<R> {
    type Item = R::Item;

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

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        self.0.compute(partition, task, |item| {
            sink(if needs_drop::<R::Item>() { detached(|| item.clone()) } else { item })
        })
    }
}
