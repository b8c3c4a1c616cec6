//! What the property tests have in common.

use std::sync::LazyLock;
use std::time::Duration;

use millstream_engine::config::Master;
use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Parallelized, Rdd};
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, DStream};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;

/// One executor runs small stages on the calling thread, the other everything on its two threads.
static EXECUTORS: LazyLock<[Executor; 2]> = LazyLock::new(|| {
    let config = || Config::new().master(Master::Local(2)).pin_receivers(false);
    [Executor::new(&config()), Executor::new(&config().inline_below_bytes(0))]
});

/// How an RDD is cut and run: partitions in, partitions out, in parallel.
pub(crate) type Cut = (usize, usize, bool);

/// Any cut.
pub(crate) fn cut() -> impl Strategy<Value = Cut> {
    (1..=8usize, 1..=8usize, any::<bool>())
}

/// A few small numbers, many of them equal.
pub(crate) fn numbers() -> impl Strategy<Value = Vec<i64>> {
    proptest::collection::vec(-10..10i64, 0..60)
}

/// A few pairs, with few keys.
pub(crate) fn pairs() -> impl Strategy<Value = Vec<(u8, i64)>> {
    proptest::collection::vec((0..8u8, -10..10i64), 0..60)
}

/// Cases per property.
pub(crate) fn cases(n: u32) -> Cases {
    Cases { cases: n, failure_persistence: None, ..Cases::default() }
}

/// `records` cut as `cut` says.
pub(crate) fn rdd<T: Data>(records: &[T], (partitions, _, parallel): Cut) -> Parallelized<T> {
    Parallelized::new(EXECUTORS[usize::from(parallel)].clone(), records.to_vec(), partitions)
}

/// The records of each partition of `rdd(records, cut)`.
pub(crate) fn slices<T: Clone>(records: &[T], partitions: usize) -> Vec<Vec<T>> {
    let bound = |p: usize| records.len() * p / partitions;
    (0..partitions).map(|p| records[bound(p)..bound(p + 1)].to_vec()).collect()
}

/// In order.
pub(crate) fn sorted<T: Ord>(mut records: Vec<T>) -> Vec<T> {
    records.sort();
    records
}

/// What the stream that `build` makes of `batches` gives, batch by batch.
pub(crate) fn lifted<T: Data, R: Rdd>(
    batches: &[Vec<T>],
    partitions: usize,
    build: impl FnOnce(&DStream<Parallelized<T>>) -> DStream<R>,
) -> Vec<Vec<R::Item>> {
    let test = TestContext::new(Duration::from_secs(1)).expect("a context");
    let input = test.input(batches.to_vec(), partitions).expect("an input");
    let seen = test.collect(&build(&input));
    test.run(batches.len()).expect("batches");
    seen.batches()
}
