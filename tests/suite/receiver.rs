//! The life of a receiver and what it stores, after Spark's ReceiverSuite, and the books on what inputs brought.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use millstream::batch::InputInfoTracker;
use millstream::observe::StreamInputInfo;
use millstream::prelude::*;
use millstream::receive::{Lines, RateLimiter, Receiver, ReceiverContext, Records};
use millstream::testkit::{Collected, TestContext};

use crate::support::{BOUND, Diary, HandEnd, at, config, eventually, hand, ms, test_context, vector};

const INPUT_INFO: &str = include_str!("../vectors/InputInfoTrackerSuite.json");
const RECEIVER: &str = include_str!("../vectors/ReceiverSuite.json");

fn collecting(config: Config) -> (TestContext, HandEnd<u64>, Collected<u64>) {
    let test = test_context(config);
    let (receiver, end) = hand::<u64>();
    let seen = test.collect(&test.receiver_stream(receiver).unwrap());
    test.start().unwrap();
    (test, end, seen)
}

fn run_until(test: &TestContext, what: &str, done: impl Fn() -> bool) {
    eventually(what, || {
        test.run(1).unwrap();
        done()
    });
}

#[test]
fn one_record_and_many_come_out_in_order() {
    let (test, end, seen) = collecting(config());
    let cx = end.started();
    assert_eq!(cx.stream_id(), 0);
    cx.store(&1).unwrap();
    cx.store_block([2, 3]).unwrap();
    cx.store_block(vec![4].into_iter().chain([5])).unwrap();
    cx.store(&6).unwrap();
    run_until(&test, "all come out", || seen.all().len() == 6);
    assert_eq!(seen.all(), [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_block_is_in_the_next_batch_when_store_block_has_returned() {
    let (test, end, seen) = collecting(config());
    let cx = end.started();
    for batch in 0..5 {
        cx.store_block([batch]).unwrap();
        test.run(1).unwrap();
        assert_eq!(seen.batches()[batch as usize], [batch]);
    }
}

#[test]
fn a_record_is_in_the_next_batch_however_late_it_was_stored() {
    let (test, end, seen) = collecting(config());
    let cx = end.started();
    for batch in 0..5 {
        cx.store(&batch).unwrap();
        test.run(1).unwrap();
        assert_eq!(seen.batches()[batch as usize], [batch]);
    }
}

#[test]
fn an_iterator_that_stores_by_itself_is_no_deadlock() {
    let (test, end, seen) = collecting(config());
    let cx = end.started();
    let inner = cx.clone();
    cx.store_block((1..4u64).inspect(move |n| inner.store(&(n * 10)).unwrap())).unwrap();
    run_until(&test, "all come out", || seen.all().len() == 6);
    assert_eq!(seen.sorted().concat(), [1, 2, 3, 10, 20, 30]);
}

/// A receiver of lines that hands out its context.
struct LineHand(mpsc::Sender<ReceiverContext<Lines>>);

impl Receiver for LineHand {
    type Format = Lines;

    fn name(&self) -> String {
        "Line receiver".to_owned()
    }

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        Ok(self.0.send(cx.clone())?)
    }
}

#[test]
fn bytes_are_stored_as_lines() {
    let test = test_context(config());
    let (sender, contexts) = mpsc::channel();
    let stream = test.receiver_stream(LineHand(sender)).unwrap();
    let seen = test.collect(&stream);
    test.start().unwrap();
    let cx = contexts.recv_timeout(BOUND).unwrap();
    cx.store_bytes(b"one\ntwo\r\nthr\xffee").unwrap();
    cx.store(&Text::from("four")).unwrap();
    run_until(&test, "all come out", || seen.all().len() == 4);
    assert_eq!(seen.all(), ["one", "two", "thr\u{fffd}ee", "four"]);
}

/// A receiver that tells which cores its thread may use.
struct Pinned(mpsc::Sender<String>);

impl Receiver for Pinned {
    type Format = Lines;

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        self.0.send(cores_of_this_thread())?;
        Ok(cx.store_bytes(b"a line\n")?)
    }
}

fn cores_of_this_thread() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let cores = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    cores.unwrap().trim().to_owned()
}

/// The cores of the receiver's thread.
fn cores(config: Config) -> String {
    let test = test_context(config);
    let (sender, cores) = mpsc::channel();
    test.collect(&test.receiver_stream(Pinned(sender)).unwrap());
    test.start().unwrap();
    cores.recv_timeout(BOUND).unwrap()
}

#[test]
fn a_receiver_has_the_last_core_for_itself() {
    let all = cores_of_this_thread();
    assert_eq!(cores(config()), all);
    match all.split([',', '-']).next_back() {
        Some(last) if last != all => assert_eq!(cores(config().pin_receivers(true)), last),
        _ => eprintln!("left out: this process may use one core, and none can be a receiver's"),
    }
}

#[test]
fn the_life_of_a_receiver() {
    let vector = vector(RECEIVER, "receiver life cycle");
    let test = test_context(config());
    let diary = Diary::of(&test);
    let (receiver, end) = hand::<u64>();
    let seen = test.collect(&test.receiver_stream(receiver).unwrap());
    test.start().unwrap();
    let cx = end.started();
    assert_eq!(end.calls(), ["on_start"]);

    cx.report_error("Error", "an exception");
    eventually("the error is told", || diary.receiver_errors().len() == 1);
    assert_eq!(diary.receiver_errors()[0].last_error_message, "Error");
    assert_eq!(end.calls(), ["on_start"], "nothing else follows from it");

    let asked = Instant::now();
    cx.restart_after("restarting", ms(100));
    assert!(asked.elapsed() < ms(100), "it is asynchronous");
    let again = end.started();
    let expected = vector["expected"][3]["receiver"].as_array().unwrap();
    for (call, expected) in end.calls()[1..].iter().zip(expected) {
        assert_eq!(call.replace("_s", "S"), expected.as_str().unwrap());
    }
    let calls = end.calls.lock().unwrap().clone();
    assert!(calls[2].1 - calls[1].1 >= ms(100), "the pause");

    again.store(&7).unwrap();
    again.stop("test");
    eventually("it stops", || end.calls().len() == 4);
    assert_eq!(end.calls()[3], "on_stop");
    assert!(again.store(&8).is_err() && cx.store(&9).is_err(), "nothing is accepted any more");
    run_until(&test, "what was stored comes out", || !seen.all().is_empty());
    assert_eq!(seen.all(), [7]);
}

#[test]
fn a_stop_ends_the_pause_before_a_restart() {
    let (test, end, _seen) = collecting(config());
    end.started().restart_after("restarting", Duration::from_secs(3_600));
    eventually("it is stopped", || end.calls().len() == 2);
    test.stop(true).unwrap();
    assert_eq!(end.calls(), ["on_start", "on_stop"], "it is not started for the sake of the stop");
}

#[test]
fn a_second_restart_does_not_cut_the_pause_short() {
    let (test, end, _seen) = collecting(config());
    let diary = Diary::of(&test);
    let cx = end.started();
    cx.restart_after("first", ms(200));
    eventually("it is stopped", || end.calls().len() == 2);
    cx.restart_after("second", ms(0));
    end.started();
    let calls = end.calls.lock().unwrap().clone();
    assert!(calls[2].1 - calls[1].1 >= ms(200), "the pause");
    cx.report_error("later", "the supervisor has looked at its commands again");
    eventually("it is told", || {
        diary.receiver_errors().iter().any(|info| info.last_error_message == "later")
    });
    assert_eq!(end.calls().len(), 3, "the second meant the life that was over");
}

/// A receiver that panics in its first lives.
struct Fragile {
    lives: Arc<AtomicUsize>,
    stored: mpsc::Sender<()>,
}

impl Receiver for Fragile {
    type Format = Records<u64>;

    fn on_start(&mut self, _: &ReceiverContext<Records<u64>>) -> Result<(), BoxError> {
        assert!(self.lives.fetch_add(1, Ordering::SeqCst) != 0, "a panic at the start");
        Ok(())
    }

    fn poll(&mut self, cx: &ReceiverContext<Records<u64>>, _: Duration) -> Result<(), BoxError> {
        let life = self.lives.load(Ordering::SeqCst);
        cx.store(&(life as u64))?;
        assert!(life != 2, "a panic while it polls");
        if life == 3 {
            return Err("an error while it polls".into());
        }
        self.stored.send(())?;
        cx.stop("done");
        Ok(())
    }

    fn on_stop(&mut self) {
        assert!(self.lives.load(Ordering::SeqCst) != 2, "a panic at the stop");
    }
}

#[test]
fn a_receiver_that_panics_is_started_again_and_loses_nothing() {
    let test = test_context(config().restart_delay(ms(1)));
    let diary = Diary::of(&test);
    let (stored, all_stored) = mpsc::channel();
    let seen = test.collect(&test.receiver_stream(Fragile { lives: Arc::default(), stored }).unwrap());
    test.start().unwrap();
    all_stored.recv_timeout(BOUND).unwrap();
    run_until(&test, "all come out", || seen.all().len() == 3);
    assert_eq!(seen.all(), [2, 3, 4]);
    eventually("all errors are told", || diary.receiver_errors().len() == 4);
    let errors: Vec<_> = diary.receiver_errors().into_iter().map(|info| info.last_error).collect();
    let expected =
        ["a panic at the start", "a panic while it polls", "a panic at the stop", "an error while it polls"];
    for (error, expected) in errors.iter().zip(expected) {
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_ordinary_stop_is_no_error() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let (receiver, end) = hand::<u64>();
    test.receiver_stream(receiver).unwrap().output("nothing", |_, _, _| Ok(()));
    test.start().unwrap();
    end.started();
    test.stop(true).unwrap();
    assert!(diary.receiver_errors().is_empty());
    assert_eq!(end.calls(), ["on_start", "on_stop"]);
}

#[test]
fn a_stream_ends_when_its_receiver_stops_for_good() {
    let (test, end, seen) = collecting(config());
    let cx = end.started();
    cx.store(&1).unwrap();
    cx.stop("the source has no more");
    let context = test.clone();
    let ended = Arc::<Mutex<Option<Result<()>>>>::default();
    let outcome = Arc::clone(&ended);
    let waiting = thread::spawn(move || *outcome.lock().unwrap() = Some(context.await_end().map(drop)));
    eventually("the end is noticed", || {
        test.clock().advance(ms(100));
        waiting.is_finished()
    });
    assert!(matches!(*ended.lock().unwrap(), Some(Ok(()))));
    assert_eq!(seen.all(), [1]);
}

/// Spark's suite for throttling sleeps two seconds and counts; the same figures on a clock that is an argument.
#[test]
fn throttling_lets_the_rate_through() {
    let vector = vector(RECEIVER, "block generator throttling (ignored in the suite)");
    let rate = vector["params"]["maxRate"].as_u64().unwrap();
    let begin = Instant::now();
    let limiter = RateLimiter::new(std::num::NonZeroU64::new(rate), None, begin);
    let mut now = begin;
    let mut records = 0;
    while now < begin + Duration::from_secs(2) {
        now += limiter.acquire(1, now);
        records += 1;
    }
    assert!((2 * rate..=2 * rate + 2).contains(&records), "{records} records in 2 s");
}

#[test]
fn a_receiver_is_throttled() {
    // Before the limiter is made: what it saves up until the first record counts, too.
    let begin = Instant::now();
    let (test, end, _seen) = collecting(config().max_rate(1_000.0));
    let cx = end.started();
    (0..100).for_each(|n| cx.store(&n).unwrap());
    assert!(begin.elapsed() >= ms(95), "100 records at 1,000 per second took {:?}", begin.elapsed());
    assert_eq!(cx.builder().limiter().current_limit(), Some(1_000));
    drop(test);
}

#[test]
fn a_rate_below_one_is_a_limit() {
    let (_test, end, _seen) = collecting(config().max_rate(0.5));
    assert_eq!(end.started().builder().limiter().current_limit(), Some(1));
}

#[test]
fn a_rate_update_reaches_the_receiver() {
    let (_test, end, _seen) = collecting(config());
    let cx = end.started();
    assert_eq!(cx.builder().limiter().current_limit(), None);
    cx.builder().limiter().update_rate(100, Instant::now());
    assert_eq!(cx.builder().limiter().current_limit(), Some(100));
}

fn info(stream: usize, records: u64) -> StreamInputInfo {
    StreamInputInfo { input_stream_id: stream, num_records: records, ..StreamInputInfo::default() }
}

/// Reports the vector's rows, which are a batch time, a stream and its records.
fn reported(rows: &[[u64; 3]]) -> InputInfoTracker {
    let tracker = InputInfoTracker::default();
    for [time, stream, records] in rows {
        tracker.report(at(*time as i64), info(*stream as usize, *records)).unwrap();
    }
    tracker
}

fn records(tracker: &InputInfoTracker, time: i64) -> BTreeMap<usize, u64> {
    tracker.info(at(time)).into_iter().map(|(stream, info)| (stream, info.num_records)).collect()
}

#[test]
fn what_inputs_report_is_kept_by_batch() {
    let vector = vector(INPUT_INFO, "report and get");
    let tracker = reported(&serde_json::from_value::<Vec<[u64; 3]>>(vector["input"].clone()).unwrap());
    assert_eq!(serde_json::json!({"0": records(&tracker, 0)}), vector["expected"]);
    let error = tracker.report(at(0), info(1, 5)).unwrap_err();
    assert!(error.to_string().contains("has been added into InputInfoTracker"), "{error}");
    assert_eq!(records(&tracker, 0)[&1], 300, "the first report stands");
}

#[test]
fn what_inputs_reported_is_forgotten_before_a_threshold() {
    let tracker = reported(&[[0, 0, 100], [1, 0, 300]]);
    tracker.cleanup(at(0));
    assert_eq!((records(&tracker, 0), records(&tracker, 1)), ([(0, 100)].into(), [(0, 300)].into()));
    tracker.cleanup(at(1));
    assert_eq!((records(&tracker, 0), records(&tracker, 1)), (BTreeMap::new(), [(0, 300)].into()));
}

#[test]
fn the_end_of_all_inputs_is_told_when_every_batch_before_it_is_done() {
    let test = test_context(config().concurrent_jobs(2));
    let (receiver, end) = hand::<u64>();
    let (release, released) = mpsc::channel::<()>();
    let (seen, released) = (Arc::new(AtomicUsize::new(0)), Mutex::new(released));
    let done = Arc::clone(&seen);
    test.receiver_stream(receiver).unwrap().output("wait", move |_, rdd, _| {
        if rdd.count()? > 0 {
            let _ = released.lock().unwrap().recv();
            done.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    });
    let diary = Diary::of(&test);
    test.start().unwrap();
    let cx = end.started();
    cx.store_block([1]).unwrap();
    test.clock().advance(ms(100));
    eventually("its batch is made", || diary.submitted().len() == 1);
    cx.stop("the source has no more");
    let context = test.clone();
    let waiting = thread::spawn(move || context.await_end());
    eventually("batches behind it are complete", || {
        test.clock().advance(ms(100));
        diary.completed().len() >= 5
    });
    assert!(!waiting.is_finished() && test.lifecycle() == millstream::ContextState::Active);
    drop(release);
    assert!(waiting.join().unwrap().unwrap(), "the end was reached");
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}
