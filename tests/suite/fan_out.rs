//! A stream with several consumers is computed once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::observe::LongAccumulator;
use millstream::prelude::*;
use millstream::receive::{Blocks, Records};
use millstream::testkit::TestContext;

use crate::support::{HandEnd, config, eventually, hand, test_context};

/// A closure that counts its calls.
fn counting(calls: &LongAccumulator) -> impl Fn(u64) -> (u64, u64) + Send + Sync + 'static {
    let calls = calls.clone();
    move |n| {
        calls.add(1);
        (n % 3, 1)
    }
}

#[test]
fn two_consumers_share_one_computation() {
    let test = test_context(config());
    let calls = LongAccumulator::default();
    let shared = test.input([(0..50).collect(), (0..7).collect()], 3).unwrap().map(counting(&calls));
    let all = test.collect(&shared);
    let counts = test.collect(&shared.reduce_by_key(|a, b| a + b));
    test.run(2).unwrap();
    assert_eq!(calls.sum(), 57, "once per record");
    assert_eq!(all.all().len(), 57);
    assert_eq!(counts.all().iter().map(|(_, n)| n).sum::<u64>(), 57);
}

#[test]
fn two_outputs_on_one_shuffle_share_it() {
    let test = test_context(config());
    let calls = LongAccumulator::default();
    let input = test.input([(0..50).collect()], 3).unwrap();
    let counts = input.map(counting(&calls)).reduce_by_key(|a, b| a + b);
    let (one, two) = (test.collect(&counts), test.collect(&counts));
    test.run(1).unwrap();
    assert_eq!(calls.sum(), 50);
    assert_eq!(one.sorted(), two.sorted());
}

#[test]
fn a_consumer_that_leads_to_no_output_does_not_count() {
    let test = test_context(config());
    let (used, unused) = (LongAccumulator::default(), LongAccumulator::default());
    let shared = test.input([(0..50).collect()], 2).unwrap().map(counting(&used));
    let in_unused = unused.clone();
    let _nowhere = shared.map(move |pair| {
        in_unused.add(1);
        pair
    });
    let seen = test.collect(&shared);
    test.run(1).unwrap();
    assert_eq!((used.sum(), unused.sum(), seen.all().len()), (50, 0, 50));
}

fn receiving(test: &TestContext) -> (DStream<Blocks<Records<u64>>>, HandEnd<u64>) {
    let (receiver, end) = hand::<u64>();
    (test.receiver_stream(receiver).unwrap(), end)
}

/// Stores 0..`records`, runs batches until `done`, and some more.
fn feed(test: &TestContext, end: &HandEnd<u64>, records: u64, done: impl Fn() -> bool) {
    test.start().unwrap();
    let cx = end.started();
    (0..records).for_each(|n| cx.store(&n).unwrap());
    eventually("all records come out", || {
        test.run(1).unwrap();
        done()
    });
    test.stop(true).unwrap();
}

const RECORDS: u64 = 50_000;

#[test]
fn an_eager_closure_runs_once_per_record() {
    let test = test_context(config().segment_bytes(32 << 10));
    let (stream, end) = receiving(&test);
    let calls = LongAccumulator::default();
    let counts = test.collect(&stream.map(counting(&calls)).reduce_by_key(|a, b| a + b));
    let sum = || counts.all().iter().map(|(_, n)| n).sum::<u64>();
    feed(&test, &end, RECORDS, || sum() >= RECORDS);
    assert_eq!((sum(), calls.sum()), (RECORDS, RECORDS as i64));
}

#[test]
fn a_received_stream_with_two_consumers_is_computed_once() {
    let test = test_context(config().segment_bytes(32 << 10));
    let (stream, end) = receiving(&test);
    let calls = LongAccumulator::default();
    let shared = stream.map(counting(&calls));
    let counts = test.collect(&shared.reduce_by_key(|a, b| a + b));
    let seen = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&seen);
    shared.output("count", move |_, rdd, _| {
        total.fetch_add(rdd.count()? as usize, Ordering::SeqCst);
        Ok(())
    });
    let sum = || counts.all().iter().map(|(_, n)| n).sum::<u64>();
    feed(&test, &end, RECORDS, || sum() >= RECORDS);
    assert_eq!((sum(), calls.sum()), (RECORDS, RECORDS as i64));
    assert_eq!(seen.load(Ordering::SeqCst) as u64, RECORDS);
}

#[test]
fn two_shuffles_on_one_receiver_each_see_every_record_once() {
    let test = test_context(config().segment_bytes(32 << 10));
    let (stream, end) = receiving(&test);
    let (left, right) = (LongAccumulator::default(), LongAccumulator::default());
    let one = test.collect(&stream.map(counting(&left)).reduce_by_key(|a, b| a + b));
    let two = test.collect(&stream.map(counting(&right)).reduce_by_key(|a, b| a + b));
    let sum = || one.all().iter().map(|(_, n)| n).sum::<u64>();
    feed(&test, &end, RECORDS, || sum() >= RECORDS);
    assert_eq!((left.sum(), right.sum()), (RECORDS as i64, RECORDS as i64));
    assert_eq!(one.sorted(), two.sorted());
}

#[test]
fn an_eager_shuffle_that_leads_to_no_output_does_not_run() {
    let test = test_context(config());
    let (stream, end) = receiving(&test);
    let unused = LongAccumulator::default();
    let _nowhere = stream.map(counting(&unused)).reduce_by_key(|a, b| a + b);
    let seen = test.collect(&stream);
    feed(&test, &end, 1_000, || seen.all().len() >= 1_000);
    assert_eq!((seen.all().len(), unused.sum()), (1_000, 0));
}
