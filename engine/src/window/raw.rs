use std::mem::needs_drop;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;
use crate::job::{Executor, Job, Stage, Task};
use crate::rdd::{Flow, Memo, Rdd, Shared};
use crate::text::detached;

/// The records of one batch, kept for the windows that it is in. They do not keep the batch's blocks alive.
pub(crate) struct RawPane<R: Rdd> {
    executor: Executor,
    partitions: usize,
    /// The batch, until its records are kept.
    batch: Arc<Mutex<Option<Shared<R>>>>,
    records: Memo<Vec<Vec<R::Item>>>,
}

impl<R: Rdd> RawPane<R> {
    pub(crate) fn new(batch: Shared<R>) -> Self {
        RawPane {
            executor: batch.executor().clone(),
            partitions: batch.num_partitions(),
            batch: Arc::new(Mutex::new(Some(batch))),
            records: Memo::default(),
        }
    }

    fn keep(&self, job: &Job) -> Result<Vec<Vec<R::Item>>> {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(batch) = batch else { return Ok(Vec::new()) };
        batch.prepare(job)?;
        let stage = Stage { name: "window", partitions: self.partitions, weight: batch.weight() };
        let records = self.executor.run(job, stage, |task| records_of(&batch, task))?;
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = None;
        Ok(records)
    }
}

/// All records of the task's partition, detached.
fn records_of<R: Rdd>(rdd: &R, task: &Task) -> Vec<R::Item> {
    let mut records = Vec::new();
    let _ = rdd.compute(task.partition(), task, |item| {
        records.push(if needs_drop::<R::Item>() { detached(|| item.clone()) } else { item });
        Flow::Continue(())
    });
    records
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
        match self.records.get() {
            Some(records) => records.iter().map(|part| part.len() * size_of::<R::Item>()).sum(),
            None => self.batch.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, Rdd::weight),
        }
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.records.fill(|| self.keep(job))
    }

    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(R::Item) -> Flow) -> Flow {
        match self.records.get() {
            Some(records) => records[partition].iter().cloned().try_for_each(sink),
            None => task.fail("a pane was read before it was prepared"),
        }
    }
}
