//! Which record is in which batch, and that batches neither get lost nor pile up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use millstream::observe::BatchInfo;
use millstream::prelude::*;
use millstream::receive::{Blocks, Records};
use millstream::testkit::{Collected, TestContext};

use crate::support::{BOUND, Diary, HandEnd, at, config, count_into, eventually, hand, ms, test_context};

fn times<T: millstream::rdd::Data>(seen: &Collected<T>) -> Vec<i64> {
    seen.timed().iter().map(|(time, _)| time.as_millis()).collect()
}

#[test]
fn the_first_batch_is_the_next_multiple_of_the_interval() {
    for (start, first) in [(0, 100), (1, 100), (99, 100), (100, 200), (1_234, 1_300)] {
        let test = TestContext::with_config(config(), at(start)).unwrap();
        let seen = test.collect(&test.input([vec![1], vec![2]], 1).unwrap());
        test.run(2).unwrap();
        assert_eq!(times(&seen), [first, first + 100], "from {start}");
        assert_eq!(seen.batches(), [[1], [2]], "the first batch is the input's first, from {start}");
    }
}

#[test]
fn no_tick_is_left_out_after_a_stall() {
    let test = test_context(config());
    let seen = test.collect(&test.input((0..5).map(|n| vec![n]), 1).unwrap());
    test.start().unwrap();
    test.clock().advance(ms(500));
    eventually("five batches", || seen.batches().len() == 5);
    assert_eq!(times(&seen), [100, 200, 300, 400, 500]);
    assert_eq!(seen.all(), [0, 1, 2, 3, 4]);
}

fn receiving(test: &TestContext) -> (DStream<Blocks<Records<u64>>>, HandEnd<u64>) {
    let (receiver, end) = hand::<u64>();
    (test.receiver_stream(receiver).unwrap(), end)
}

#[test]
fn after_a_stall_the_first_batch_takes_all_that_was_received() {
    let test = test_context(config().max_pending_batches(100));
    let (stream, end) = receiving(&test);
    let seen = test.collect(&stream);
    test.start().unwrap();
    let cx = end.started();
    cx.store_block([1, 2, 3]).unwrap();
    test.clock().advance(ms(500));
    eventually("five batches", || seen.batches().len() == 5);
    assert_eq!(seen.batches(), [vec![1, 2, 3], vec![], vec![], vec![], vec![]]);
}

#[test]
fn blocks_are_partitions() {
    let test = test_context(config());
    let (stream, end) = receiving(&test);
    let seen = test.collect(&stream);
    test.start().unwrap();
    let cx = end.started();
    cx.store_block([1, 2]).unwrap();
    cx.store_block([3]).unwrap();
    test.run(2).unwrap();
    let partitions: Vec<_> = seen.partitions().into_iter().map(|(_, parts)| parts).collect();
    assert_eq!(partitions, [vec![vec![1, 2], vec![3]], vec![]], "a batch without data has none");
}

/// Batches run while a receiver is hammered; gives what was sent and how often each record came out.
fn hammer(
    test: &TestContext,
    stream: &DStream<Blocks<Records<u64>>>,
    end: &HandEnd<u64>,
) -> (u64, BTreeMap<u64, u64>) {
    let seen = Arc::<Mutex<BTreeMap<u64, u64>>>::default();
    let noted = Arc::clone(&seen);
    stream.output("note", move |_, rdd, _| {
        let numbers = rdd.collect()?;
        let mut seen = noted.lock().unwrap();
        numbers.into_iter().for_each(|n| *seen.entry(n).or_insert(0) += 1);
        Ok(())
    });
    test.start().unwrap();
    let counting = count_into(end.started());
    let ticking = AtomicBool::new(true);
    thread::scope(|scope| {
        scope.spawn(|| {
            while ticking.load(Ordering::SeqCst) {
                test.clock().advance(ms(10));
                thread::yield_now();
            }
        });
        eventually("many records come out", || seen.lock().unwrap().len() > 100_000);
        test.stop(true).unwrap();
        ticking.store(false, Ordering::SeqCst);
    });
    let sent = counting.join().unwrap();
    let seen = seen.lock().unwrap().clone();
    (sent, seen)
}

fn assert_each_once(sent: u64, seen: &BTreeMap<u64, u64>) {
    assert_eq!(seen.len() as u64, sent, "none is lost");
    assert_eq!(seen.last_key_value().map(|(last, _)| *last), Some(sent));
    assert!(seen.values().all(|times| *times == 1), "none is in two batches");
}

fn patient() -> Config {
    config().graceful_stop_timeout(BOUND).segment_bytes(16 << 10)
}

#[test]
fn every_record_is_in_exactly_one_batch() {
    let test = test_context(patient());
    let (stream, end) = receiving(&test);
    let (sent, seen) = hammer(&test, &stream, &end);
    assert_each_once(sent, &seen);
    assert_eq!(test.held_bytes(), 0);
}

#[test]
fn every_record_is_in_exactly_one_batch_when_the_map_side_is_eager() {
    let test = test_context(patient());
    let (stream, end) = receiving(&test);
    let counts = test.collect(&stream.map(|n| (n % 7, 1u64)).reduce_by_key(|a, b| a + b));
    let (sent, seen) = hammer(&test, &stream, &end);
    assert_each_once(sent, &seen);
    assert_eq!(counts.all().iter().map(|(_, n)| n).sum::<u64>(), sent);
}

#[test]
fn every_record_is_in_exactly_one_batch_when_jobs_run_side_by_side() {
    let test = test_context(patient().concurrent_jobs(2));
    let (stream, end) = receiving(&test);
    let counts = test.collect(&stream.map(|n| (n % 7, 1u64)).reduce_by_key(|a, b| a + b));
    let (sent, seen) = hammer(&test, &stream, &end);
    assert_each_once(sent, &seen);
    assert_eq!(counts.all().iter().map(|(_, n)| n).sum::<u64>(), sent);
    assert_eq!(test.held_bytes(), 0, "clean-up reaches every batch");
}

#[test]
fn memory_is_flat() {
    let test = test_context(config().segment_bytes(16 << 10));
    let (stream, end) = receiving(&test);
    let counts = test.collect(&stream.map(|n| (n % 7, 1u64)).reduce_by_key(|a, b| a + b));
    test.start().unwrap();
    let cx = end.started();
    let sum = || counts.all().iter().map(|(_, n)| n).sum::<u64>();
    for round in 1..=20u64 {
        (0..5_000).for_each(|n| cx.store(&n).unwrap());
        eventually("the round is counted", || {
            test.run(1).unwrap();
            sum() == round * 5_000
        });
        assert_eq!(test.held_bytes(), 0, "round {round}");
        eventually("the chunks are given back", || test.executor().chunks().bytes_in_use() <= 16 << 10);
    }
}

#[test]
fn pending_batches_are_bounded() {
    let test = test_context(config().max_pending_batches(3));
    let diary = Diary::of(&test);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    test.input((0..10).map(|n| vec![n]), 1).unwrap().output("wait", move |_, _, _| {
        let _ = released.lock().unwrap().recv();
        Ok(())
    });
    test.start().unwrap();
    test.clock().advance(ms(1_000));
    eventually("three are made", || diary.submitted().len() == 3);
    for done in 1..=7 {
        release.send(()).unwrap();
        eventually("one is done, one is made", || diary.submitted().len() == 3 + done);
        assert!(diary.submitted().len() - diary.completed().len() <= 4, "three and the one just completed");
    }
    drop(release);
    eventually("all are done", || diary.completed().len() == 10);
}

#[test]
fn a_receiver_is_held_back_behind_a_stalled_output_and_loses_nothing() {
    const HELD: usize = 64 << 10;
    const SEGMENT: usize = 4 << 10;
    let config = patient().segment_bytes(SEGMENT).max_held_bytes(HELD).max_line_bytes(1 << 10);
    let test = test_context(config.max_pending_batches(2));
    let (stream, end) = receiving(&test);
    let seen = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&seen);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    stream.output("wait", move |_, rdd, _| {
        let _ = released.lock().unwrap().recv();
        total.fetch_add(rdd.count()? as usize, Ordering::SeqCst);
        Ok(())
    });
    test.start().unwrap();
    let counting = count_into(end.started());
    test.clock().advance(ms(1_000));
    eventually("all that may be held is held", || test.held_bytes() >= HELD);
    thread::park_timeout(ms(50));
    // A segment may be under way when the bound is reached, and the block interval may cut one more.
    assert!(test.held_bytes() <= HELD + 2 * SEGMENT, "{} bytes are held", test.held_bytes());
    drop(release);
    eventually("records flow again", || {
        test.clock().advance(ms(100));
        seen.load(Ordering::SeqCst) > 10 * HELD
    });
    test.stop(true).unwrap();
    assert_eq!(counting.join().unwrap(), seen.load(Ordering::SeqCst) as u64);
    assert_eq!(test.held_bytes(), 0);
}

/// The PID controller, from a batch that took too long to a receiver that is held to the least rate; and everybody can see it.
#[test]
fn a_receiver_is_held_to_the_rate_of_processing() {
    let test = test_context(config().backpressure(true).initial_rate(5_000.0).pid_min_rate(77.0));
    let (stream, end) = receiving(&test);
    let diary = Diary::of(&test);
    let (begun, begins) = mpsc::channel::<()>();
    let (go, goes) = mpsc::channel::<()>();
    let (begun, goes) = (Mutex::new(begun), Mutex::new(goes));
    stream.output("slow", move |_, rdd, _| {
        if rdd.count()? > 0 {
            let _ = begun.lock().unwrap().send(());
            let _ = goes.lock().unwrap().recv();
        }
        Ok(())
    });
    test.start().unwrap();
    let cx = end.started();
    let limit = |batch: &BatchInfo| {
        batch.stream_id_to_input_info.values().find_map(|input| input.metadata.get("Rate limit").cloned())
    };
    let limits = || diary.completed().iter().filter_map(limit).collect::<Vec<_>>();
    eventually("the receiver is held to the least rate", || {
        let _ = cx.store_block(1..10);
        test.clock().advance(ms(100));
        if begins.recv_timeout(ms(1_000)).is_ok() {
            // The batch takes ten.
            test.clock().advance(ms(1_000));
            let _ = go.send(());
        }
        limits().last().is_some_and(|limit| limit == "77 records/s")
    });
    assert_eq!(limits()[0], "5000 records/s");
    drop(go);
    test.stop(false).unwrap();
}

/// A receiver that is flooded: what it may take is never more than what batches process, nor less than the least rate, however long
/// they wait, and what it has taken comes.
#[test]
fn the_rate_of_a_flooded_receiver_stays_between_the_least_and_that_of_processing() {
    /// Records per second that an output processes, by the clock of the test.
    const PROCESSED: u64 = 2_000;
    let test = test_context(config().backpressure(true).initial_rate(5_000.0).pid_min_rate(300.0));
    let (stream, end) = receiving(&test);
    let diary = Diary::of(&test);
    let (begun, begins) = mpsc::channel::<u64>();
    let (go, goes) = mpsc::channel::<()>();
    let (begun, goes) = (Mutex::new(begun), Mutex::new(goes));
    let seen = Arc::new(AtomicUsize::new(0));
    let total = Arc::clone(&seen);
    stream.output("slow", move |_, rdd, _| {
        let records = rdd.count()?;
        total.fetch_add(records as usize, Ordering::SeqCst);
        let _ = begun.lock().unwrap().send(records);
        let _ = goes.lock().unwrap().recv();
        Ok(())
    });
    test.start().unwrap();
    let flood = count_into(end.started());
    let limits = || rate_limits(&diary.completed());
    eventually("many batches were slow", || {
        test.clock().advance(ms(100));
        if let Ok(records) = begins.recv_timeout(BOUND) {
            test.clock().advance(ms((records * 1_000).div_ceil(PROCESSED)));
            let _ = go.send(());
        }
        limits().iter().filter(|limit| **limit <= PROCESSED).count() >= 30
    });
    let limits = limits();
    let first = limits.iter().position(|limit| *limit != 5_000).unwrap();
    assert!(limits[first..].iter().all(|limit| (300..=PROCESSED).contains(limit)), "{limits:?}");
    drop(go);
    test.stop(true).unwrap();
    assert_eq!(flood.join().unwrap(), seen.load(Ordering::SeqCst) as u64);
}

/// The limits that batches were made under, in records per second.
fn rate_limits(batches: &[BatchInfo]) -> Vec<u64> {
    let inputs = batches.iter().flat_map(|batch| batch.stream_id_to_input_info.values());
    let limits = inputs.filter_map(|input| input.metadata.get("Rate limit"));
    limits.map(|limit| limit.strip_suffix(" records/s").unwrap().parse().unwrap()).collect()
}

#[test]
fn side_by_side_a_slow_batch_keeps_its_data_while_later_ones_finish() {
    let test = test_context(config().concurrent_jobs(2).max_pending_batches(100));
    let (stream, end) = receiving(&test);
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let seen = Arc::<Mutex<Vec<(i64, u64)>>>::default();
    let noted = Arc::clone(&seen);
    stream.map(|n| (n, 1u64)).reduce_by_key(|a, b| a + b).output("first waits", move |_, rdd, time| {
        if time == at(100) {
            let _ = released.lock().unwrap().recv();
        }
        let sum = rdd.collect()?.iter().map(|(n, _)| n).sum();
        noted.lock().unwrap().push((time.as_millis(), sum));
        Ok(())
    });
    test.start().unwrap();
    let cx = end.started();
    cx.store_block([1, 2, 3]).unwrap();
    test.clock().advance(ms(100));
    assert!(test.clock().await_waiters(1, BOUND));
    cx.store_block([10]).unwrap();
    test.clock().advance(ms(900));
    eventually("the later ones finish", || seen.lock().unwrap().len() == 9);
    assert!(test.held_bytes() > 0, "the first batch is still needed");
    drop(release);
    eventually("the first finishes", || seen.lock().unwrap().len() == 10);
    eventually("everything is given back", || test.held_bytes() == 0);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(seen[..3], [(100, 6), (200, 10), (300, 0)]);
}

#[test]
fn a_batch_without_an_rdd_does_not_exist_for_listeners() {
    let test = test_context(config());
    let diary = Diary::of(&test);
    let seen = test.collect(&test.input_with_gaps([Some(vec![1]), None, Some(vec![3])], 1).unwrap());
    test.run(3).unwrap();
    test.stop(true).unwrap();
    assert_eq!(times(&seen), [100, 300]);
    let completed: Vec<_> = diary.completed().iter().map(|batch| batch.batch_time.as_millis()).collect();
    assert_eq!(completed, [100, 300]);
}

/// Batches of 10 ms, light enough for one thread to make and to run them.
struct Light {
    test: TestContext,
    /// The threads that made the batches.
    makers: Arc<Mutex<Vec<String>>>,
    /// When set, the output operation hangs until `release` is dropped.
    hang: Arc<AtomicBool>,
    release: mpsc::Sender<()>,
}

impl Light {
    fn new(config: Config) -> Self {
        let test = test_context(config.batch_interval(ms(10)));
        let (makers, hang) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let (noted, hangs) = (Arc::clone(&makers), Arc::clone(&hang));
        let (release, released) = mpsc::channel::<()>();
        let released = Mutex::new(released);
        let numbers = test.input((0..1_000).map(|n| vec![n]), 1).unwrap();
        let numbers = numbers.transform_at("note", move |rdd, _| {
            noted.lock().unwrap().push(thread::current().name().unwrap_or_default().to_owned());
            Ok(rdd)
        });
        numbers.output("hang", move |_, _, _| {
            if hangs.load(Ordering::SeqCst) {
                let _ = released.lock().unwrap().recv();
            }
            Ok(())
        });
        Light { test, makers, hang, release }
    }

    /// Runs batches until the job thread makes them.
    fn run_until_trusted(&self) {
        eventually("the job thread makes the batches", || {
            self.test.run(1).unwrap();
            self.makers.lock().unwrap().last().is_some_and(|name| name == "jobs-0")
        });
    }
}

/// The times of all batches that were completed, in milliseconds.
fn completed(diary: &Diary) -> Vec<i64> {
    diary.completed().iter().map(|batch| batch.batch_time.as_millis()).collect()
}

#[test]
fn the_job_thread_makes_light_batches_by_itself() {
    let light = Light::new(config());
    let diary = Diary::of(&light.test);
    light.run_until_trusted();
    assert_eq!(light.makers.lock().unwrap()[0], "batches", "first it has to be seen that they are light");
    light.test.run(5).unwrap();
    light.test.stop(true).unwrap();
    let made = light.makers.lock().unwrap().len() as i64;
    assert_eq!(completed(&diary), (1..=made).map(|k| k * 10).collect::<Vec<_>>());
}

#[test]
fn batches_are_made_while_the_thread_that_made_them_hangs_in_a_job() {
    let light = Light::new(config().max_pending_batches(20));
    let diary = Diary::of(&light.test);
    light.run_until_trusted();
    light.hang.store(true, Ordering::SeqCst);
    let before = light.makers.lock().unwrap().len();
    light.test.clock().advance(ms(300));
    eventually("all that may be pending are made", || light.makers.lock().unwrap().len() == before + 20);
    drop(light.release);
    eventually("the others are made, too", || diary.completed().len() == before + 30);
    assert_eq!(completed(&diary), (1..=before as i64 + 30).map(|k| k * 10).collect::<Vec<_>>());
}

#[test]
fn a_stop_gets_out_of_a_job_that_hangs_where_batches_are_made() {
    let light = Light::new(config());
    light.run_until_trusted();
    light.hang.store(true, Ordering::SeqCst);
    light.test.clock().advance(ms(10));
    let context = light.test.clone();
    crate::support::within(BOUND, "the stop returns", move || context.stop(false)).unwrap();
    drop(light.release);
}
