//! What several modules need: a receiver that the test drives, waiting with a bound, and a listener that writes everything down.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millstream::config::Master;
use millstream::observe::{BatchInfo, OutputOperationInfo, ReceiverInfo, StreamingListener};
use millstream::receive::{Receiver, ReceiverContext, Records};
use millstream::testkit::TestContext;
use millstream::{BoxError, Config, Result, StreamingContext, Time};
use serde_json::Value;

/// Longer than any correct run needs; reached only when something hangs.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn at(ms: i64) -> Time {
    Time::from_millis(ms)
}

/// Two threads, batches of 100 ms, blocks of 10 ms.
pub(crate) fn config() -> Config {
    let config = Config::new().master(Master::Local(2)).batch_interval(ms(100)).block_interval(ms(10));
    config.pin_receivers(false).stop_gracefully_on_shutdown(false)
}

/// A test context with other settings.
pub(crate) fn test_context(config: Config) -> TestContext {
    TestContext::with_config(config, Time::default()).unwrap()
}

/// Waits until `condition` holds.
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !condition() {
        assert!(Instant::now() < end, "not within {BOUND:?}: {what}");
        thread::sleep(ms(1));
    }
}

/// Runs `f` on a thread of its own and gives what it returns, but waits no longer than `bound`.
pub(crate) fn within<T: Send + 'static>(
    bound: Duration,
    what: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (done, result) = mpsc::channel();
    thread::spawn(move || done.send(f()));
    result.recv_timeout(bound).unwrap_or_else(|_| panic!("not within {bound:?}: {what}"))
}

/// The message with which `f` panics.
pub(crate) fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("it does not panic");
    match payload.downcast::<String>() {
        Ok(message) => *message,
        Err(payload) => payload.downcast::<&str>().map_or("no text", |message| *message).to_owned(),
    }
}

/// The vector `name` of a suite.
pub(crate) fn vector(suite: &str, name: &str) -> Value {
    let vectors: Vec<Value> = serde_json::from_str(suite).unwrap();
    vectors.into_iter().find(|vector| vector["name"] == name).unwrap_or_else(|| panic!("no vector {name:?}"))
}

/// A receiver without a source: the test gets its context each time it is started, and stores by itself.
pub(crate) struct Hand<T> {
    contexts: mpsc::Sender<ReceiverContext<Records<T>>>,
    calls: Calls,
}

/// The calls of a receiver, in order.
pub(crate) type Calls = Arc<Mutex<Vec<(&'static str, Instant)>>>;

/// The test's end of a [`Hand`].
pub(crate) struct HandEnd<T> {
    contexts: mpsc::Receiver<ReceiverContext<Records<T>>>,
    pub(crate) calls: Calls,
}

pub(crate) fn hand<T>() -> (Hand<T>, HandEnd<T>) {
    let (sender, contexts) = mpsc::channel();
    let calls = Calls::default();
    (Hand { contexts: sender, calls: Arc::clone(&calls) }, HandEnd { contexts, calls })
}

impl<T> HandEnd<T> {
    /// The context of the receiver's next life.
    pub(crate) fn started(&self) -> ReceiverContext<Records<T>> {
        self.contexts.recv_timeout(BOUND).expect("the receiver is not started")
    }

    pub(crate) fn calls(&self) -> Vec<&'static str> {
        self.calls.lock().unwrap().iter().map(|(call, _)| *call).collect()
    }
}

impl<T> Receiver for Hand<T>
where
    T: millstream::rdd::Data + serde::Serialize + serde::de::DeserializeOwned,
{
    type Format = Records<T>;

    fn on_start(&mut self, cx: &ReceiverContext<Records<T>>) -> Result<(), BoxError> {
        self.calls.lock().unwrap().push(("on_start", Instant::now()));
        // A test that has ended needs no context.
        let _ = self.contexts.send(cx.clone());
        Ok(())
    }

    fn on_stop(&mut self) {
        self.calls.lock().unwrap().push(("on_stop", Instant::now()));
    }
}

/// Stores 1, 2, 3, .. as fast as it can until the receiver refuses; gives the last number that was taken.
pub(crate) fn count_into(cx: ReceiverContext<Records<u64>>) -> thread::JoinHandle<u64> {
    thread::spawn(move || (1..).take_while(|number| cx.store(number).is_ok()).last().unwrap_or(0))
}

/// One event as a listener got it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Seen {
    Started(Time),
    Submitted(BatchInfo),
    BatchStarted(BatchInfo),
    Completed(BatchInfo),
    OutputStarted(OutputOperationInfo),
    OutputCompleted(OutputOperationInfo),
    ReceiverStarted(ReceiverInfo),
    ReceiverError(ReceiverInfo),
    ReceiverStopped(ReceiverInfo),
}

/// A listener that writes everything down.
#[derive(Default)]
pub(crate) struct Diary(Mutex<Vec<Seen>>);

impl Diary {
    /// A diary that listens to `context`.
    pub(crate) fn of(context: &StreamingContext) -> Arc<Diary> {
        let diary = Arc::<Diary>::default();
        context.add_listener(Arc::clone(&diary) as _);
        diary
    }

    fn note(&self, seen: Seen) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn submitted(&self) -> Vec<BatchInfo> {
        self.pick(|seen| if let Seen::Submitted(batch) = seen { Some(batch) } else { None })
    }

    pub(crate) fn batches_started(&self) -> Vec<BatchInfo> {
        self.pick(|seen| if let Seen::BatchStarted(batch) = seen { Some(batch) } else { None })
    }

    pub(crate) fn completed(&self) -> Vec<BatchInfo> {
        self.pick(|seen| if let Seen::Completed(batch) = seen { Some(batch) } else { None })
    }

    pub(crate) fn receiver_errors(&self) -> Vec<ReceiverInfo> {
        self.pick(|seen| if let Seen::ReceiverError(info) = seen { Some(info) } else { None })
    }

    pub(crate) fn pick<T>(&self, choose: impl Fn(Seen) -> Option<T>) -> Vec<T> {
        self.all().into_iter().filter_map(choose).collect()
    }
}

impl StreamingListener for Diary {
    fn on_streaming_started(&self, time: Time) {
        self.note(Seen::Started(time));
    }
    fn on_batch_submitted(&self, batch: &BatchInfo) {
        self.note(Seen::Submitted(batch.clone()));
    }
    fn on_batch_started(&self, batch: &BatchInfo) {
        self.note(Seen::BatchStarted(batch.clone()));
    }
    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.note(Seen::Completed(batch.clone()));
    }
    fn on_output_operation_started(&self, operation: &OutputOperationInfo) {
        self.note(Seen::OutputStarted(operation.clone()));
    }
    fn on_output_operation_completed(&self, operation: &OutputOperationInfo) {
        self.note(Seen::OutputCompleted(operation.clone()));
    }
    fn on_receiver_started(&self, receiver: &ReceiverInfo) {
        self.note(Seen::ReceiverStarted(receiver.clone()));
    }
    fn on_receiver_error(&self, receiver: &ReceiverInfo) {
        self.note(Seen::ReceiverError(receiver.clone()));
    }
    fn on_receiver_stopped(&self, receiver: &ReceiverInfo) {
        self.note(Seen::ReceiverStopped(receiver.clone()));
    }
}
