use super::memo::Memo;
use super::{Flow, Rdd};
use crate::Result;
use crate::job::{Executor, Job, Stage, Task};

/// The RDD that a stream hands to its consumers for one batch.
///
/// With one consumer it is the stream's own RDD and is fused with what follows. A stream with several consumers is computed
/// once: its records are *kept* in memory for the batch and every consumer reads them. A stream without data at that time is
/// *empty*: no partitions.
pub struct Shared<R: Rdd> {
    executor: Executor,
    rdd: Option<R>,
    kept: Option<Kept<R::Item>>,
}

/// The records of every partition, once the first consumer has had them computed.
type Kept<T> = Memo<Vec<Vec<T>>>;

impl<R: Rdd> Shared<R> {
    /// `rdd` itself, computed anew by each consumer; `keep`: computed once and kept in memory.
    pub fn new(rdd: R, keep: bool) -> Self {
        Shared { executor: rdd.executor().clone(), rdd: Some(rdd), kept: keep.then(Kept::default) }
    }

    /// No partitions.
    pub fn empty(executor: Executor) -> Self {
        Shared { executor, rdd: None, kept: None }
    }

    fn keep(&self, rdd: &R, job: &Job) -> Result<Vec<Vec<R::Item>>> {
        rdd.prepare(job)?;
        let stage = Stage { name: "kept stream", partitions: rdd.num_partitions(), weight: rdd.weight() };
        self.executor.run(job, stage, |task| records_of(rdd, task))
    }

    #[cold]
    fn replay(
        kept: &Kept<R::Item>,
        partition: usize,
        task: &Task,
        sink: &mut dyn FnMut(R::Item) -> Flow,
    ) -> Flow {
        match kept.get() {
            Some(records) => records[partition].iter().cloned().try_for_each(sink),
            None => task.fail("a kept stream was read before it was prepared"),
        }
    }
}

/// All records of the task's partition.
fn records_of<R: Rdd>(rdd: &R, task: &Task) -> Vec<R::Item> {
    let mut records = Vec::new();
    let _ = rdd.compute(task.partition(), task, |item| {
        records.push(item);
        Flow::Continue(())
    });
    records
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
            (Some(rdd), Some(kept)) => kept.fill(|| self.keep(rdd, job)),
            (Some(rdd), None) => rdd.prepare(job),
            (None, _) => Ok(()),
        }
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        match (&self.rdd, &self.kept) {
            (Some(_), Some(kept)) => Self::replay(kept, partition, task, &mut sink),
            (Some(rdd), None) => rdd.compute(partition, task, sink),
            (None, _) => Flow::Continue(()),
        }
    }
}
