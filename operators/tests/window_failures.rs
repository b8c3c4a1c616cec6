//! Windows whose functions panic: a batch is in them whole or not at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::config::OnBatchFailure;
use millstream_engine::rdd::BoxRdd;
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, DStream, Time};
use millstream_operators::prelude::*;

const BATCHES: usize = 60;
const WINDOW: usize = 5;

/// Panics on every so manieth call.
#[derive(Clone)]
struct Mine {
    calls: Arc<AtomicUsize>,
    every: usize,
}

impl Mine {
    fn step_on(&self) {
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        assert!(call % self.every != self.every - 1, "a mine");
    }
}

fn batch(t: usize) -> Vec<(u8, i64)> {
    (0..t % 4 + 1).flat_map(|i| [((t + i) as u8 % 6, (t * 7 + i) as i64), (i as u8, 1)]).collect()
}

/// The batches that were put out, and the same from all input but that of the batches that were not.
fn check(
    policy: OnBatchFailure,
    attempts: usize,
    every: usize,
    build: impl Fn(&DStream<BoxRdd<(u8, i64)>>, Mine) -> DStream<BoxRdd<(u8, i64)>>,
    f: fn(i64, i64) -> i64,
) {
    let config = Config::new().batch_interval(Duration::from_secs(1)).on_batch_failure(policy);
    let config = config.max_failures(attempts).inline_below_bytes(0);
    let test = TestContext::with_config(config, Time::default()).unwrap();
    let input = test.input((1..=BATCHES).map(batch), 2).unwrap();
    let mine = Mine { calls: Arc::default(), every };
    let seen = test.collect(&build(&input.boxed(), mine));
    test.run(BATCHES).unwrap();
    let seen: BTreeMap<usize, Vec<(u8, i64)>> =
        seen.timed().into_iter().map(|(time, batch)| (time.as_millis() as usize / 1_000, batch)).collect();
    if policy == OnBatchFailure::Retry || attempts > 2 {
        assert_eq!(seen.len(), BATCHES, "every batch came at last");
    } else {
        assert!((BATCHES / 4..BATCHES).contains(&seen.len()), "{} batches came", seen.len());
    }
    for (t, batches) in &seen {
        let mut expected: BTreeMap<u8, i64> = BTreeMap::new();
        for inside in (t.saturating_sub(WINDOW - 1).max(1)..=*t).filter(|inside| seen.contains_key(inside)) {
            for (key, value) in batch(inside) {
                expected.entry(key).and_modify(|old| *old = f(*old, value)).or_insert(value);
            }
        }
        let mut batches = batches.clone();
        batches.sort_unstable();
        assert_eq!(
            batches,
            expected.into_iter().collect::<Vec<_>>(),
            "batch {t}, {policy}, {attempts} attempts"
        );
    }
}

fn sums(pairs: &DStream<BoxRdd<(u8, i64)>>, mine: Mine) -> DStream<BoxRdd<(u8, i64)>> {
    let (second, seconds) = (mine.clone(), Duration::from_secs);
    let add = move |a, b| {
        mine.step_on();
        a + b
    };
    let subtract = move |a, b| {
        second.step_on();
        a - b
    };
    pairs.reduce_by_key_and_window_inv(add, subtract, seconds(WINDOW as u64), seconds(1))
}

fn maxima(pairs: &DStream<BoxRdd<(u8, i64)>>, mine: Mine) -> DStream<BoxRdd<(u8, i64)>> {
    let seconds = Duration::from_secs;
    let max = move |a: i64, b| {
        mine.step_on();
        a.max(b)
    };
    pairs.reduce_by_key_and_window(max, seconds(WINDOW as u64), seconds(1))
}

#[test]
fn a_task_that_is_tried_again_counts_once() {
    check(OnBatchFailure::Stop, 20, 23, sums, |a, b| a + b);
    check(OnBatchFailure::Stop, 20, 23, maxima, i64::max);
}

#[test]
fn a_batch_that_is_left_out_is_in_no_window() {
    check(OnBatchFailure::Skip, 1, 23, sums, |a, b| a + b);
}

#[test]
fn a_batch_that_is_tried_again_counts_once() {
    check(OnBatchFailure::Retry, 1, 101, sums, |a, b| a + b);
    check(OnBatchFailure::Retry, 1, 101, maxima, i64::max);
}
