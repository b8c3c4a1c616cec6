use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_engine::observe::{BatchInfo, ReceiverInfo, StreamInputInfo, StreamingListener};
use millstream_engine::rdd::Data;
use millstream_engine::testkit::{Collected, TestContext};
use millstream_engine::{Config, Time};

/// How long anything may take before its test fails.
pub(crate) const BOUND: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);

pub(crate) fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Batches of a second, and receivers that start again at once.
pub(crate) fn config() -> Config {
    Config::new().batch_interval(ms(1_000)).restart_delay(ms(10))
}

/// The same with little room between a receiver and the engine.
pub(crate) fn with_room(bytes: usize) -> Config {
    config().max_held_bytes(bytes).segment_bytes(4 << 10).max_line_bytes(1 << 10)
}

pub(crate) fn context(config: Config) -> TestContext {
    TestContext::with_config(config, Time::default()).unwrap()
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + BOUND;
    while !done() {
        assert!(Instant::now() < end, "this did not happen: {what}");
        std::thread::sleep(LOOK);
    }
}

/// Runs batches until a condition holds.
#[track_caller]
pub(crate) fn run_until(test: &TestContext, what: &str, mut done: impl FnMut() -> bool) {
    wait_until(what, || {
        test.run(1).unwrap();
        done()
    });
}

/// Runs batches until `count` records came; gives them in order.
#[track_caller]
pub(crate) fn records<T: Data>(test: &TestContext, seen: &Collected<T>, count: usize) -> Vec<T> {
    let mut all = Vec::new();
    run_until(test, &format!("{count} records"), || {
        all = seen.all();
        all.len() >= count
    });
    all
}

/// What listeners were told.
#[derive(Default)]
pub(crate) struct Told {
    batches: Mutex<Vec<BatchInfo>>,
    errors: Mutex<Vec<String>>,
}

impl Told {
    pub(crate) fn listen(test: &TestContext) -> Arc<Self> {
        let told = Arc::new(Told::default());
        test.add_listener(Arc::clone(&told) as _);
        told
    }

    /// True when a receiver has reported an error with `text` in it.
    pub(crate) fn has_error(&self, text: &str) -> bool {
        self.errors.lock().unwrap().iter().any(|error| error.contains(text))
    }

    /// What input 0 brought to the batch at `time`, once listeners know.
    pub(crate) fn input(&self, time: Time) -> StreamInputInfo {
        let mut found = None;
        wait_until("a batch is reported", || {
            let batches = self.batches.lock().unwrap();
            let batch = batches.iter().find(|batch| batch.batch_time == time);
            found = batch.and_then(|batch| batch.stream_id_to_input_info.get(&0).cloned());
            found.is_some()
        });
        found.unwrap()
    }
}

impl StreamingListener for Told {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        self.batches.lock().unwrap().push(batch.clone());
    }

    fn on_receiver_error(&self, receiver: &ReceiverInfo) {
        let error = format!("{}: {}", receiver.last_error_message, receiver.last_error);
        self.errors.lock().unwrap().push(error);
    }
}

/// The value of the accumulator whose name ends with `name`.
#[track_caller]
pub(crate) fn counted(test: &TestContext, name: &str) -> String {
    let all = test.accumulators().snapshot();
    all.iter().find(|(n, _)| n.ends_with(name)).unwrap_or_else(|| panic!("{name} in {all:?}")).1.clone()
}

/// A vector of Spark's suite by its name.
pub(crate) fn vector(name: &str) -> serde_json::Value {
    let suite = include_str!("../../../tests/vectors/InputStreamsSuite.json");
    let all: Vec<serde_json::Value> = serde_json::from_str(suite).unwrap();
    all.into_iter().find(|vector| vector["name"] == name).unwrap()
}

/// The strings of a vector's list.
pub(crate) fn strings(list: &serde_json::Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item.as_str().unwrap().to_owned()).collect()
}
