use millstream_engine::Result;
use millstream_engine::job::{Job, Stage};
use millstream_engine::rdd::{Flow, Rdd};

/// What makes an RDD run.
///
/// Inside an output operation an action is part of its job; elsewhere it is a job of its own.
pub trait Actions: Rdd {
    /// All records, in the order of their partitions.
    ///
    /// # Errors
    /// When a task failed as often as `task.max_failures` allows, or the context is being stopped.
    fn collect(&self) -> Result<Vec<Self::Item>> {
        let parts = run(self, "collect", |records: &mut Vec<_>, item| records.push(item))?;
        Ok(parts.into_iter().flatten().collect())
    }

    /// The number of records.
    ///
    /// # Errors
    /// As [`collect`](Self::collect).
    fn count(&self) -> Result<u64> {
        Ok(run(self, "count", |n: &mut u64, _| *n += 1)?.into_iter().sum())
    }
}

impl<R: Rdd> Actions for R {}

/// Computes all partitions, each into an accumulator of its own.
fn run<R: Rdd, A: Default + Send>(
    rdd: &R,
    name: &str,
    add: impl Fn(&mut A, R::Item) + Sync,
) -> Result<Vec<A>> {
    let job = Job::current();
    rdd.prepare(&job)?;
    let stage = Stage { name, partitions: rdd.num_partitions(), weight: rdd.weight() };
    rdd.executor().run(&job, stage, |task| {
        let mut all = A::default();
        let _ = rdd.compute(task.partition(), task, |item| {
            add(&mut all, item);
            Flow::Continue(())
        });
        all
    })
}
