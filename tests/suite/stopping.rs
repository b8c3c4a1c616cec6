//! A stop always comes to its end, whatever hangs, fails or calls it; and what has stopped lets go of everything.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream::clock::Clock;
use millstream::fs::{Fs, SimFs};
use millstream::graph::{BatchInput, StartInfo};
use millstream::prelude::*;
use millstream::rdd::Parallelized;
use millstream::receive::{Receiver, ReceiverContext, Records};
use millstream::testkit::{Collected, PowerCut, TestContext};
use millstream::{ContextState, InputStream};

use crate::support::{BOUND, HandEnd, config, eventually, hand, ms, test_context, within};

/// An output operation that hangs until the returned sender is dropped.
fn stall<R: Rdd>(stream: &DStream<R>) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    stream.output("hang", move |_, _, _| {
        let _ = released.lock().unwrap().recv();
        Ok(())
    });
    release
}

/// A context whose job hangs and whose generator waits for room behind it.
fn stuck(config: Config) -> (TestContext, mpsc::Sender<()>) {
    let test = test_context(config.max_pending_batches(1));
    let release = stall(&test.input([vec![1]], 1).unwrap());
    test.start().unwrap();
    test.clock().advance(ms(500));
    (test, release)
}

#[test]
fn a_stop_gets_out_of_a_batch_that_waits_for_room() {
    let (test, release) = stuck(config());
    let context = test.clone();
    within(Duration::from_secs(10), "the stop returns", move || context.stop(false)).unwrap();
    assert_eq!(test.lifecycle(), ContextState::Stopped);
    drop(release);
}

#[test]
fn a_graceful_stop_gives_up_at_its_bound() {
    let (test, release) = stuck(config().graceful_stop_timeout(ms(200)));
    let context = test.clone();
    within(Duration::from_secs(10), "the stop returns", move || context.stop(true)).unwrap();
    drop(release);
}

/// Counts what a receiver brings by a state whose function waits for `gate`; the batches of an earlier run go through it again.
fn counted(disk: &SimFs, after: Time, gate: Arc<Mutex<()>>) -> (TestContext, HandEnd<u64>, Collected<u64>) {
    let test = TestContext::with_config(config().max_pending_batches(1).graceful_stop_timeout(BOUND), after)
        .unwrap();
    let (receiver, end) = hand::<u64>();
    let count = move |_: &u64, n: Option<u64>, state: &mut State<'_, u64>| {
        drop(gate.lock().unwrap());
        state.update(n.unwrap_or(0));
        n.unwrap_or(0)
    };
    let pairs = test.receiver_stream(receiver).unwrap().map(|n| (n, n));
    let seen = test.collect(pairs.map_with_state(StateSpec::function(count)).mapped());
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    (test, end, seen)
}

#[test]
fn a_graceful_stop_while_it_catches_up_makes_all_that_is_left_and_all_that_has_come() {
    let (disk, gate) = (SimFs::new(), Arc::new(Mutex::new(())));
    let (test, end, _) = counted(&disk, Time::default(), Arc::clone(&gate));
    test.start().unwrap();
    let cx = end.started();
    for batch in 1..=6 {
        cx.store_block([batch]).unwrap();
        test.run(1).unwrap();
    }
    let left = disk.crash(PowerCut::Kept);

    let closed = gate.lock().unwrap();
    let (test, end, seen) = counted(&left, test.clock().now(), Arc::clone(&gate));
    test.start().unwrap();
    end.started().store_block([7]).unwrap();
    let context = test.clone();
    let stop = std::thread::spawn(move || context.stop(true));
    eventually("the stop has begun", || test.lifecycle() == ContextState::Stopped);
    drop(closed);
    stop.join().unwrap().unwrap();
    assert!(seen.all().contains(&7), "{:?}", seen.timed());
}

/// A receiver whose source is never there.
struct Unreachable(mpsc::Sender<()>);

impl Receiver for Unreachable {
    type Format = Records<u64>;

    fn on_start(&mut self, _: &ReceiverContext<Records<u64>>) -> Result<(), BoxError> {
        let _ = self.0.send(());
        Err("connection refused".into())
    }
}

#[test]
fn a_receiver_that_cannot_start_can_be_stopped() {
    let test = test_context(config().restart_delay(ms(1)));
    let (tried, tries) = mpsc::channel();
    let stream = test.receiver_stream(Unreachable(tried)).unwrap();
    stream.output("nothing", |_, _, _| Ok(()));
    test.start().unwrap();
    tries.recv_timeout(BOUND).unwrap();
    tries.recv_timeout(BOUND).unwrap();
    let begin = Instant::now();
    test.stop(true).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    eventually("the receiver's thread ends", || {
        matches!(tries.try_recv(), Err(mpsc::TryRecvError::Disconnected))
    });
}

/// A receiver that stores in `poll` without ever coming back by itself.
struct Greedy;

impl Receiver for Greedy {
    type Format = Records<u64>;

    fn on_start(&mut self, _: &ReceiverContext<Records<u64>>) -> Result<(), BoxError> {
        Ok(())
    }

    fn poll(&mut self, cx: &ReceiverContext<Records<u64>>, _: Duration) -> Result<(), BoxError> {
        loop {
            cx.store(&u64::MAX)?;
        }
    }
}

#[test]
fn a_receiver_that_waits_for_room_can_be_stopped() {
    let test = test_context(config().max_held_bytes(4 << 10).segment_bytes(4 << 10).max_line_bytes(1 << 10));
    test.receiver_stream(Greedy).unwrap().output("nothing", |_, _, _| Ok(()));
    test.start().unwrap();
    eventually("it holds all it may", || test.held_bytes() >= 4 << 10);
    let begin = Instant::now();
    test.stop(true).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
}

#[test]
fn a_stop_in_a_task_works() {
    let test = test_context(config().graceful_stop_timeout(Duration::from_secs(60)).inline_below_bytes(0));
    let context = (*test).clone();
    let stopping = test.input([vec![1, 2, 3]], 3).unwrap().map(move |_| context.stop(true).is_ok());
    let seen = test.collect(&stopping);
    test.start().unwrap();
    test.clock().advance(ms(100));
    let context = test.clone();
    let begin = Instant::now();
    within(BOUND, "the context stops", move || context.await_termination()).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(1), "it took {:?}", begin.elapsed());
    assert_eq!(seen.all(), [true; 3]);
}

/// A receiver that stops the context itself.
struct Stopper(Option<StreamingContext>);

impl Receiver for Stopper {
    type Format = Records<u64>;

    fn on_start(&mut self, cx: &ReceiverContext<Records<u64>>) -> Result<(), BoxError> {
        cx.store(&1)?;
        self.0.take().map_or(Ok(()), |context| Ok(context.stop(true)?))
    }
}

#[test]
fn a_stop_on_a_receivers_thread_works() {
    let test = test_context(config());
    let stream = test.receiver_stream(Stopper(Some(test.clone()))).unwrap();
    let seen = test.collect(&stream);
    let begin = Instant::now();
    test.start().unwrap();
    let context = test.clone();
    within(BOUND, "the context stops", move || context.await_termination()).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "it took {:?}", begin.elapsed());
    assert_eq!(seen.all(), [1], "the graceful stop takes what was stored");
}

/// An input that does what it is told when it makes a batch and when one is complete, and counts its stops.
#[derive(Default)]
struct Told {
    in_compute: Option<Box<dyn Fn() + Send + Sync>>,
    in_start: Option<Box<dyn Fn() + Send + Sync>>,
    in_completed: Option<Box<dyn Fn(Time) + Send + Sync>>,
    stops: Arc<AtomicUsize>,
}

impl InputStream for Told {
    type Rdd = Parallelized<u64>;

    fn start(&self, _: &StartInfo) -> Result<()> {
        self.in_start.iter().for_each(|f| f());
        Ok(())
    }

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Parallelized<u64>>> {
        self.in_compute.iter().for_each(|f| f());
        Ok(Some(Parallelized::new(batch.executor().clone(), vec![7], 1)))
    }

    fn completed(&self, time: Time) {
        self.in_completed.iter().for_each(|f| f(time));
    }

    fn stop(&self) {
        self.stops.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_stop_while_a_batch_is_made_works() {
    let test = test_context(config());
    let context = (*test).clone();
    let input = Told { in_compute: Some(Box::new(move || context.stop(true).unwrap())), ..Told::default() };
    let seen = test.collect(&test.input_stream("Told", input).unwrap());
    test.start().unwrap();
    test.clock().advance(ms(100));
    let context = test.clone();
    within(BOUND, "the context stops", move || context.await_termination()).unwrap();
    assert_eq!(seen.all(), [7], "the batch that was being made is processed");
}

#[test]
fn inputs_are_stopped_once() {
    let test = test_context(config());
    let input = Told::default();
    let stops = Arc::clone(&input.stops);
    test.input_stream("Told", input).unwrap().output("nothing", |_, _, _| Ok(()));
    test.run(1).unwrap();
    test.stop(true).unwrap();
    test.stop(false).unwrap();
    assert_eq!(stops.load(Ordering::SeqCst), 1);
}

#[test]
fn an_input_that_panics_at_the_start_is_an_error_of_the_start() {
    let test = test_context(config());
    let input = Told { in_start: Some(Box::new(|| panic!("no luck"))), ..Told::default() };
    test.input_stream("Told", input).unwrap().output("nothing", |_, _, _| Ok(()));
    let error = test.start().unwrap_err();
    assert!(error.to_string().contains("no luck"), "{error}");
    assert_eq!(test.lifecycle(), ContextState::Stopped);
}

#[test]
fn an_input_that_panics_over_a_completed_batch_does_not_end_the_job_thread() {
    let test = test_context(config());
    let input = Told { in_completed: Some(Box::new(|_| panic!("no luck"))), ..Told::default() };
    let seen = test.collect(&test.input_stream("Told", input).unwrap());
    test.run(3).unwrap();
    assert_eq!(seen.batches().len(), 3);
}

#[test]
fn inputs_learn_of_completed_batches_by_their_times_in_order() {
    let test = test_context(config().concurrent_jobs(2));
    let times = Arc::<Mutex<Vec<Time>>>::default();
    let noted = Arc::clone(&times);
    let input = Told {
        in_completed: Some(Box::new(move |time| noted.lock().unwrap().push(time))),
        ..Told::default()
    };
    let stream = test.input_stream("Told", input).unwrap();
    stream.output("first is slow", |_, rdd, time| {
        if time.as_millis() == 100 {
            std::thread::park_timeout(ms(50));
        }
        rdd.collect().map(|_| ()).map_err(Into::into)
    });
    test.start().unwrap();
    test.clock().advance(ms(1_000));
    assert!(test.clock().await_waiters(1, BOUND), "all ticks are over");
    test.stop(true).unwrap();
    let times = times.lock().unwrap();
    assert!(times.is_sorted(), "{times:?}");
    assert!(times.iter().all(|time| time.as_millis() % 100 == 0 && time.as_millis() > 0), "{times:?}");
    assert_eq!(times.last().map(|time| time.as_millis()), Some(1_000));
}

#[test]
fn a_context_that_is_gone_leaves_nothing_behind() {
    let token = Arc::new(());
    let test = test_context(config());
    let (receiver, end) = hand::<u64>();
    let held = Arc::clone(&token);
    let eager = test.receiver_stream(receiver).unwrap().map(move |n| (n, Arc::strong_count(&held)));
    let seen = test.collect(&eager.reduce_by_key(|a, b| a + b));
    test.start().unwrap();
    end.started().store(&1).unwrap();
    eventually("the record arrives", || {
        test.run(1).unwrap();
        !seen.all().is_empty()
    });
    test.stop(true).unwrap();
    drop((test, eager, end));
    eventually("the closures are dropped", || Arc::strong_count(&token) == 1);
}
