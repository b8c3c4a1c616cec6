//! Windows whose functions panic: a batch is in them whole or not at all.

use std::collections::{BTreeMap, BTreeSet};
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
/// The batches of a window as bits.
const MASK: u32 = (1 << WINDOW) - 1;

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

/// Every batch that was put out is made of whole batches: of those that were put out, and of those others that `left_out` says:
/// none (0), or some of them, but then the same in all windows (0 or 1).
fn check(
    policy: OnBatchFailure,
    attempts: usize,
    every: usize,
    build: impl Fn(&DStream<BoxRdd<(u8, i64)>>, Mine) -> DStream<BoxRdd<(u8, i64)>>,
    f: fn(i64, i64) -> i64,
    left_out: &[u32],
) {
    let config = Config::new().batch_interval(Duration::from_secs(1)).on_batch_failure(policy);
    let config = config.max_failures(attempts).inline_below_bytes(0);
    let test = TestContext::with_config(config, Time::default()).unwrap();
    let input = test.input((1..=BATCHES).map(batch), 2).unwrap();
    let mine = Mine { calls: Arc::default(), every };
    let seen = test.collect(&build(&input.boxed(), mine));
    test.run(BATCHES).unwrap();
    let in_order = |mut batch: Vec<(u8, i64)>| {
        batch.sort_unstable();
        batch
    };
    let timed = seen.timed().into_iter();
    let seen: BTreeMap<usize, _> =
        timed.map(|(time, batch)| (time.as_millis() as usize / 1_000, in_order(batch))).collect();
    if policy == OnBatchFailure::Retry || attempts > 2 {
        assert_eq!(seen.len(), BATCHES, "every batch came at last");
    } else {
        assert!((BATCHES / 4..BATCHES).contains(&seen.len()), "{} batches came", seen.len());
    }
    // Which of the last batches are in the window, as bits, the last one lowest; all that can be so after what was seen.
    let mut taken = BTreeSet::from([0]);
    for t in 1..=BATCHES {
        let now: &[u32] = if seen.contains_key(&t) { &[1] } else { left_out };
        taken = taken.iter().flat_map(|before| now.iter().map(move |now| before << 1 & MASK | now)).collect();
        if let Some(batch) = seen.get(&t) {
            taken.retain(|taken| contents(t, *taken, f) == *batch);
        }
        assert!(!taken.is_empty(), "batch {t}, {policy}, {attempts} attempts: {:?}", seen.get(&t));
    }
}

/// What the batches that are in the window come to.
fn contents(t: usize, taken: u32, f: fn(i64, i64) -> i64) -> Vec<(u8, i64)> {
    let mut all: BTreeMap<u8, i64> = BTreeMap::new();
    let inside = (t.saturating_sub(WINDOW - 1).max(1)..=t).filter(|inside| taken >> (t - inside) & 1 == 1);
    for (key, value) in inside.flat_map(batch) {
        all.entry(key).and_modify(|old| *old = f(*old, value)).or_insert(value);
    }
    all.into_iter().collect()
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
    // More calls than an attempt makes, which after a failure makes the window anew: up to 8 records of each of 5 batches, and the
    // step. With fewer, every attempt could meet a mine.
    check(OnBatchFailure::Stop, 20, 61, sums, |a, b| a + b, &[0]);
    check(OnBatchFailure::Stop, 20, 61, maxima, i64::max, &[0]);
}

#[test]
fn a_batch_that_is_left_out_is_in_no_window() {
    check(OnBatchFailure::Skip, 1, 23, sums, |a, b| a + b, &[0]);
    // The function is also called when a window is read. Then its batch has been taken in already, and stays.
    check(OnBatchFailure::Skip, 1, 53, maxima, i64::max, &[0, 1]);
}

#[test]
fn a_batch_that_is_tried_again_counts_once() {
    check(OnBatchFailure::Retry, 1, 101, sums, |a, b| a + b, &[0]);
    check(OnBatchFailure::Retry, 1, 101, maxima, i64::max, &[0]);
}
