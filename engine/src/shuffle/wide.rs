use std::sync::Arc;

use super::{Locals, Shuffle};
use crate::job::{Executor, Job, Stage, Task, catch};
use crate::rdd::{Data, Flow, Memo, Rdd};
use crate::{Error, Result};

/// An RDD behind a shuffle: the parents are run once, when the first job that needs them prepares it.
pub struct Wide<T> {
    executor: Executor,
    partitions: usize,
    weight: usize,
    stage: Arc<dyn WideStage<T>>,
    result: Memo<Vec<Vec<T>>>,
}

trait WideStage<T>: Send + Sync {
    fn run(&self, job: &Job) -> Result<Vec<Vec<T>>>;
}

/// A map side that was collected while the batch was received, as far as it went.
pub(crate) trait Collected<L>: Send + Sync {
    /// Waits until all of the batch is collected and hands it over; `None` when it failed, and must be collected from the
    /// parent RDD.
    fn finish(&self, job: &Job) -> Option<Vec<L>>;
}

struct ShuffleStage<R, S: Shuffle<R::Item>>
where
    R: Rdd,
{
    parent: R,
    shuffle: Arc<S>,
    collected: Option<Arc<dyn Collected<S::Local>>>,
}

impl<T: Data> Wide<T> {
    /// The result of running `shuffle` over `parent`.
    pub fn new<R: Rdd, S: Shuffle<R::Item, Out = T>>(parent: R, shuffle: S) -> Self {
        Wide::after(parent, Arc::new(shuffle), None)
    }

    pub(crate) fn after<R: Rdd, S: Shuffle<R::Item, Out = T>>(
        parent: R,
        shuffle: Arc<S>,
        collected: Option<Arc<dyn Collected<S::Local>>>,
    ) -> Self {
        Wide {
            executor: parent.executor().clone(),
            partitions: shuffle.partitions(),
            weight: parent.weight(),
            stage: Arc::new(ShuffleStage { parent, shuffle, collected }),
            result: Memo::default(),
        }
    }
}

impl<R: Rdd, S: Shuffle<R::Item>> ShuffleStage<R, S> {
    fn stage(&self) -> Stage<'_> {
        let partitions = self.parent.num_partitions();
        Stage { name: self.shuffle.name(), partitions, weight: self.parent.weight() }
    }

    fn collect(&self, job: &Job) -> Result<Vec<S::Local>> {
        if let Some(locals) = self.collected.as_ref().and_then(|collected| collected.finish(job)) {
            return Ok(locals);
        }
        self.parent.prepare(job)?;
        let locals = Locals::new(self.parent.executor().threads());
        self.collect_by_worker(job, &locals)?;
        match locals.torn() {
            None => Ok(locals.take()),
            Some(_) if self.parent.executor().config().max_failures > 1 => self.collect_by_task(job),
            Some(torn) => Err(Error::Task {
                operator: format!("{} of {}", self.shuffle.name(), job.name()),
                time: job.time(),
                partition: torn.partition,
                attempts: 1,
                reason: torn.reason,
            }),
        }
    }

    /// The usual way: tasks of one worker share a collection.
    fn collect_by_worker(&self, job: &Job, locals: &Locals<S::Local>) -> Result<()> {
        let executor = self.parent.executor();
        executor.run(job, self.stage(), |task| {
            if locals.torn().is_some() {
                return;
            }
            collect_partition(&self.parent, &*self.shuffle, task.partition(), task, locals);
        })?;
        Ok(())
    }

    /// After a failure: a collection per task, so that a task can be tried again without losing what others have done.
    fn collect_by_task(&self, job: &Job) -> Result<Vec<S::Local>> {
        self.parent.executor().run_attempts(job, self.stage(), 1, |task| {
            let mut local = self.shuffle.local();
            let _ = self.parent.compute(task.partition(), task, |item| {
                self.shuffle.add(&mut local, item);
                Flow::Continue(())
            });
            self.shuffle.finish(&mut local);
            local
        })
    }
}

/// Computes a partition of `rdd` into this worker's collection; a failure tears the collections.
pub(crate) fn collect_partition<R: Rdd, S: Shuffle<R::Item>>(
    rdd: &R,
    shuffle: &S,
    partition: usize,
    task: &Task,
    locals: &Locals<S::Local>,
) {
    let outcome = catch(|| {
        locals.with(
            || shuffle.local(),
            |local| {
                let _ = rdd.compute(partition, task, |item| {
                    shuffle.add(local, item);
                    Flow::Continue(())
                });
                shuffle.finish(local);
            },
        );
    });
    if let Some(reason) = outcome.err().or_else(|| task.take_failure()) {
        locals.tear(task.partition(), reason);
    }
}

impl<R: Rdd, S: Shuffle<R::Item>> WideStage<S::Out> for ShuffleStage<R, S> {
    /// A merge uses up what was collected; when it fails, it is tried again with what is collected anew.
    fn run(&self, job: &Job) -> Result<Vec<Vec<S::Out>>> {
        let executor = self.parent.executor();
        let mut outcome = self.shuffle.merge(self.collect(job)?, executor, job);
        for _ in 1..executor.config().max_failures {
            let Err(Error::Task { .. }) = &outcome else { break };
            self.parent.prepare(job)?;
            outcome = self.shuffle.merge(self.collect_by_task(job)?, executor, job);
        }
        outcome
    }
}

impl<T> Clone for Wide<T> {
    fn clone(&self) -> Self {
        Wide {
            executor: self.executor.clone(),
            partitions: self.partitions,
            weight: self.weight,
            stage: Arc::clone(&self.stage),
            result: self.result.clone(),
        }
    }
}

impl<T: Data> Rdd for Wide<T> {
    type Item = T;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.partitions
    }

    fn weight(&self) -> usize {
        match self.result.get() {
            Some(result) => result.iter().map(|part| part.len() * size_of::<T>()).sum(),
            None => self.weight,
        }
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.result.fill(|| self.stage.run(job))
    }

    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(T) -> Flow) -> Flow {
        match self.result.get() {
            Some(result) => result[partition].iter().cloned().try_for_each(sink),
            None => task.fail("a shuffle was read before it was prepared"),
        }
    }
}
