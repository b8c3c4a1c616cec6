//! What the properties of keyed state have in common.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::config::OnBatchFailure;
use millstream_engine::rdd::Data;
use millstream_engine::testkit::{Collected, TestContext};
use millstream_engine::{Config, Time};
use proptest::prelude::*;
use proptest::test_runner::Config as Cases;
use serde::{Deserialize, Serialize};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// A key with one of five hashes: most keys of a test share a bucket, and some of them all of their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Key(pub(crate) u16);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.0 % 5).hash(state);
    }
}

/// How a program is cut and run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Partitions of the state; there are fewer buckets than the largest number.
    pub(crate) partitions: usize,
    pub(crate) is_parallel: bool,
    pub(crate) policy: OnBatchFailure,
    pub(crate) max_failures: usize,
    /// The calls of the function that panic.
    pub(crate) mines: Vec<usize>,
}

pub(crate) fn run() -> impl Strategy<Value = Run> {
    let policy = prop_oneof![Just(OnBatchFailure::Skip), Just(OnBatchFailure::Retry)];
    let partitions = prop_oneof![9 => 1..=8usize, 1 => Just(1_500usize)];
    let mines = prop_oneof![1 => Just(Vec::new()), 3 => proptest::collection::vec(0..300usize, 0..12)];
    (partitions, any::<bool>(), policy, 1..=3usize, mines).prop_map(
        |(partitions, is_parallel, policy, max_failures, mines)| Run {
            partitions,
            is_parallel,
            policy,
            max_failures,
            mines,
        },
    )
}

/// Cases per property.
pub(crate) fn cases(n: u32) -> Cases {
    Cases { cases: n, failure_persistence: None, ..Cases::default() }
}

impl Run {
    pub(crate) fn context(&self) -> TestContext {
        let config = Config::new().batch_interval(SECOND).on_batch_failure(self.policy);
        let config = config.max_failures(self.max_failures).hash_seed(self.mines.len() as u64);
        let config = if self.is_parallel { config.inline_below_bytes(0) } else { config };
        TestContext::with_config(config, Time::default()).expect("a context")
    }

    pub(crate) fn mines(&self) -> Mines {
        Mines { calls: Arc::default(), at: Arc::new(self.mines.clone()) }
    }

    /// A batch that failed was left out; with `retry` none is.
    pub(crate) fn check_number<T: Data>(&self, seen: &BTreeMap<Time, Vec<T>>, batches: usize) {
        if self.mines.is_empty() || self.policy == OnBatchFailure::Retry {
            assert_eq!(seen.len(), batches, "every batch came at last");
        }
    }
}

/// Counts the calls of a function, and makes some of them panic.
#[derive(Clone)]
pub(crate) struct Mines {
    calls: Arc<AtomicUsize>,
    at: Arc<Vec<usize>>,
}

impl Mines {
    pub(crate) fn step_on(&self) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(!self.at.contains(&call), "a mine");
    }
}

/// What came in each batch, in order.
pub(crate) fn by_time<T: Data + Ord>(seen: &Collected<T>) -> BTreeMap<Time, Vec<T>> {
    let mut batches: BTreeMap<Time, Vec<T>> = seen.timed().into_iter().collect();
    batches.values_mut().for_each(|batch| batch.sort());
    batches
}

/// The time of the batch with this index.
pub(crate) fn time_of(index: usize) -> Time {
    Time::from_millis((index as i64 + 1) * 1_000)
}
