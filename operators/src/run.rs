//! How actions run.

use millstream_engine::Result;
use millstream_engine::job::{Job, Stage};
use millstream_engine::rdd::{Data, Flow, Rdd};

/// One task per partition.
pub(crate) fn stage<'a>(rdd: &impl Rdd, name: &'a str) -> Stage<'a> {
    Stage { name, partitions: rdd.num_partitions(), weight: rdd.weight() }
}

/// Computes all partitions, each into an accumulator of its own.
pub(crate) fn run<R: Rdd, A: Default + Send>(
    rdd: &R,
    name: &str,
    add: impl Fn(&mut A, R::Item) + Sync,
) -> Result<Vec<A>> {
    let job = Job::current();
    rdd.prepare(&job)?;
    rdd.executor().run(&job, stage(rdd, name), |task| {
        let mut all = A::default();
        let _ = rdd.compute(task.partition(), task, |item| {
            add(&mut all, item);
            Flow::Continue(())
        });
        all
    })
}

/// Brings the partitions' results together in a task, so that a panic of `f` is a failure like any other.
pub(crate) fn merge<A: Data>(
    rdd: &impl Rdd,
    name: &str,
    parts: Vec<Option<A>>,
    f: impl Fn(A, A) -> A,
) -> Result<Option<A>> {
    let parts: Vec<A> = parts.into_iter().flatten().collect();
    rdd.executor().run_partition(&Job::current(), name, 0, |_| parts.iter().cloned().reduce(&f))
}

/// The first `n` records of one partition.
pub(crate) fn take_from<R: Rdd>(rdd: &R, job: &Job, partition: usize, n: usize) -> Result<Vec<R::Item>> {
    rdd.executor().run_partition(job, "take", partition, |task| {
        let mut records = Vec::new();
        let _ = rdd.compute(partition, task, |item| {
            records.push(item);
            if records.len() == n { Flow::Break(()) } else { Flow::Continue(()) }
        });
        records
    })
}
