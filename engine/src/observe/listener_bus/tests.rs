//! The bus under orderly, panicking, slow and late use. Vectors of `StreamingListenerSuite` bear its names.

use std::sync::mpsc::{self, Receiver, Sender};

use super::*;
use crate::Time;
use crate::observe::{BatchInfo, ReceiverInfo};

const PATIENCE: Duration = Duration::from_secs(20);

/// Writes down what it is told.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Recorder {
    fn told(&self) -> Vec<String> {
        lock(&self.0).clone()
    }
}

impl StreamingListener for Recorder {
    fn on_streaming_started(&self, time: Time) {
        lock(&self.0).push(format!("started {time}"));
    }
    fn on_batch_completed(&self, batch: &BatchInfo) {
        lock(&self.0).push(format!("completed {}", batch.batch_time));
    }
    fn on_receiver_stopped(&self, receiver: &ReceiverInfo) {
        lock(&self.0).push(format!("stopped {}", receiver.stream_id));
    }
}

/// Says when a call has begun, then waits until it is let go; an `Err` means that the gate is open for good.
struct Gate {
    entered: Sender<()>,
    release: Mutex<Receiver<()>>,
}

impl Gate {
    fn new() -> (Arc<Self>, Receiver<()>, Sender<()>) {
        let (entered, has_entered) = mpsc::channel();
        let (let_go, release) = mpsc::channel();
        (Arc::new(Gate { entered, release: Mutex::new(release) }), has_entered, let_go)
    }
}

impl StreamingListener for Gate {
    fn on_streaming_started(&self, _time: Time) {
        let _ = self.entered.send(());
        let _ = lock(&self.release).recv();
    }
}

/// Calls back with the bus's own thread.
struct Call<F: Fn() + Send + Sync>(F);

impl<F: Fn() + Send + Sync> StreamingListener for Call<F> {
    fn on_streaming_started(&self, _time: Time) {
        (self.0)();
    }
}

fn started(millis: i64) -> Event {
    Event::StreamingStarted(Time::from_millis(millis))
}

fn completed(millis: i64) -> Event {
    Event::BatchCompleted(BatchInfo::submitted(Time::from_millis(millis), Time::default()))
}

#[test]
fn every_listener_is_told_in_the_order_of_posting() {
    let bus = ListenerBus::start().unwrap();
    let recorders = [Arc::new(Recorder::default()), Arc::new(Recorder::default())];
    for recorder in &recorders {
        bus.add(Arc::clone(recorder) as _);
    }
    bus.post(started(0));
    (1..=100).for_each(|k| bus.post(completed(k)));
    assert!(bus.wait_until_empty(PATIENCE));
    let expected: Vec<_> = ["started 0 ms".to_string()]
        .into_iter()
        .chain((1..=100).map(|k| format!("completed {k} ms")))
        .collect();
    assert_eq!(recorders[0].told(), expected);
    assert_eq!(recorders[1].told(), expected);
    assert_eq!(bus.dropped(), 0);
}

/// Vector "StreamingListener receives no events after stopping StreamingListenerBus".
#[test]
fn no_events_after_stopping_and_all_before() {
    let bus = ListenerBus::start().unwrap();
    let recorder = Arc::new(Recorder::default());
    bus.add(Arc::clone(&recorder) as _);
    (0..50).for_each(|k| bus.post(completed(k)));
    bus.stop().unwrap();
    assert_eq!(recorder.told().len(), 50);
    bus.post(Event::ReceiverStopped(ReceiverInfo::default()));
    assert!(bus.wait_until_empty(PATIENCE));
    assert_eq!(recorder.told().len(), 50);
    bus.stop().unwrap();
}

/// Vector "don't call ssc.stop in listener", as far as the bus knows of it.
#[test]
fn stopping_inside_a_call_is_refused() {
    let bus = Arc::new(ListenerBus::start().unwrap());
    let (sender, answers) = mpsc::channel();
    let inner = Arc::downgrade(&bus);
    bus.add(Arc::new(Call(move || {
        let bus = inner.upgrade().expect("the test holds the bus");
        sender.send((bus.on_bus_thread(), bus.stop().map_err(|e| e.to_string()))).unwrap();
    })));
    bus.post(started(0));
    let (on_bus_thread, answer) = answers.recv().unwrap();
    assert!(on_bus_thread && !bus.on_bus_thread());
    assert_eq!(answer, Err("Cannot stop StreamingContext within listener bus thread.".to_string()));
    bus.stop().unwrap();
}

#[test]
fn a_panicking_listener_harms_nobody_and_is_told_again() {
    let bus = ListenerBus::start().unwrap();
    let calls = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&calls);
    bus.add(Arc::new(Call(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("this panic is part of the test");
    })));
    let recorder = Arc::new(Recorder::default());
    bus.add(Arc::clone(&recorder) as _);
    bus.post(started(1));
    bus.post(started(2));
    bus.stop().unwrap();
    assert_eq!(recorder.told(), ["started 1 ms", "started 2 ms"]);
    assert_eq!(calls.load(Ordering::Relaxed), 2);
}

#[test]
fn a_removed_listener_is_told_nothing_more() {
    let bus = ListenerBus::start().unwrap();
    let recorder = Arc::new(Recorder::default());
    let id = bus.add(Arc::clone(&recorder) as _);
    bus.post(completed(1));
    assert!(bus.wait_until_empty(PATIENCE));
    assert!(bus.remove(id));
    assert!(!bus.remove(id));
    bus.post(completed(2));
    bus.stop().unwrap();
    assert_eq!(recorder.told(), ["completed 1 ms"]);
}

#[test]
fn a_slow_listener_loses_events_and_the_poster_no_time() {
    let bus = ListenerBus::with_capacity(3).unwrap();
    let (gate, has_entered, let_go) = Gate::new();
    let recorder = Arc::new(Recorder::default());
    bus.add(gate);
    bus.add(Arc::clone(&recorder) as _);
    bus.post(started(0));
    has_entered.recv().unwrap();
    (1..=5).for_each(|k| bus.post(completed(k)));
    assert_eq!(bus.dropped(), 2);
    assert!(!bus.wait_until_empty(Duration::from_millis(1)));
    drop(let_go);
    assert!(bus.wait_until_empty(PATIENCE));
    assert_eq!(recorder.told(), ["started 0 ms", "completed 1 ms", "completed 2 ms", "completed 3 ms"]);
}

#[test]
fn closing_behind_a_hung_listener_drops_what_waits() {
    let bus = ListenerBus::start().unwrap();
    let (gate, has_entered, let_go) = Gate::new();
    let recorder = Arc::new(Recorder::default());
    bus.add(gate);
    bus.add(Arc::clone(&recorder) as _);
    bus.post(started(0));
    has_entered.recv().unwrap();
    (1..=4).for_each(|k| bus.post(completed(k)));
    assert!(!bus.shared.close(Duration::from_millis(1)));
    assert_eq!(bus.dropped(), 4);
    drop(let_go);
    let thread = lock(&bus.thread).take().expect("nobody has stopped the bus");
    thread.join().unwrap();
    assert!(recorder.told().is_empty());
}

#[test]
fn what_is_posted_while_the_bus_lingers_is_told_without_a_sign() {
    let bus = ListenerBus::start().unwrap();
    let (gate, has_entered, let_go) = Gate::new();
    drop(let_go);
    bus.add(gate);
    for k in 0..5 {
        bus.post(started(k));
        has_entered.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_queue_that_fills_up_ends_the_lingering() {
    let bus = ListenerBus::with_capacity(4).unwrap();
    bus.add(Arc::new(Recorder::default()));
    let bound = Instant::now() + PATIENCE;
    let mut state = lock(&bus.shared.state);
    while state.asleep != Asleep::Resting {
        drop(state);
        assert!(Instant::now() < bound, "it never rests");
        thread::yield_now();
        state = lock(&bus.shared.state);
    }
    state.asleep = Asleep::Lingering;
    drop(state);
    (1..=2).for_each(|k| bus.post(completed(k)));
    assert_eq!(lock(&bus.shared.state).asleep, Asleep::Lingering, "half full");
    bus.post(completed(3));
    assert!(bus.wait_until_empty(PATIENCE));
}

#[test]
fn an_event_that_nobody_listens_to_is_not_made() {
    let bus = ListenerBus::start().unwrap();
    bus.post_with(|| unreachable!("nobody listens"));
    bus.add(Arc::new(Recorder::default()));
    let mut made = 0;
    bus.post_with(|| {
        made += 1;
        started(0)
    });
    assert_eq!(made, 1);
}
