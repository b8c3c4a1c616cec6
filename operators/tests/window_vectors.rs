//! The cases of Spark's own suites that concern windows, batch by batch.

use std::time::Duration;

use millstream_engine::rdd::{BoxRdd, Data, Parallelized, Rdd};
use millstream_engine::storage::StorageLevel;
use millstream_engine::testkit::TestContext;
use millstream_engine::{DStream, Error, Time};
use millstream_operators::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, to_value};

const WINDOWS: &str = include_str!("../../tests/vectors/WindowOperationsSuite.json");
const DERIVED: &str = include_str!("../../tests/vectors/DerivedEdgeCases.json");
const BASIC: &str = include_str!("../../tests/vectors/BasicOperationsSuite.json");

struct Case(Value);

type Input<T> = DStream<Parallelized<T>>;
type Pair = (String, i64);

/// The cases of a file by the beginnings of their names.
fn cases(file: &str, names: &[&str]) -> Vec<Case> {
    let all: Vec<Value> = serde_json::from_str(file).expect("a list of cases");
    let is_wanted =
        |case: &&Value| names.iter().any(|name| case["name"].as_str().expect("a name").starts_with(name));
    let wanted: Vec<Case> = all.iter().filter(is_wanted).cloned().map(Case).collect();
    assert!(wanted.len() >= names.len(), "cases are missing");
    wanted
}

impl Case {
    fn name(&self) -> &str {
        self.0["name"].as_str().expect("a name")
    }

    fn ms(&self, name: &str) -> Duration {
        Duration::from_millis(self.0["params"][name].as_u64().expect("a duration"))
    }

    fn span(&self) -> (Duration, Duration) {
        (self.ms("windowMs"), self.ms("slideMs"))
    }

    fn input<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        test: &TestContext,
        side: &str,
    ) -> Input<T> {
        let batches: Vec<Vec<T>> = from_value(self.0[side].clone()).expect("batches");
        test.input(batches, 2).expect("a context that has not started")
    }

    fn batches(&self) -> usize {
        let batches = self.0["params"]["numBatches"].as_u64();
        batches.map_or_else(|| self.0["input"].as_array().map_or(0, Vec::len), |n| n as usize)
    }

    /// What `build` gives, with the batch times; each batch sorted, and lists in it, too.
    fn run<R: Rdd<Item: Serialize>>(
        &self,
        build: impl FnOnce(&TestContext) -> DStream<R>,
    ) -> Vec<(i64, Vec<Value>)> {
        let test = TestContext::new(self.ms("batchMs")).expect("a context");
        let seen = test.collect(&build(&test));
        test.run(self.batches()).unwrap_or_else(|error| panic!("{}: {error}", self.name()));
        let json = |record| to_value(record).expect("a record");
        let batches = seen.timed().into_iter();
        batches
            .map(|(time, batch)| (time.as_millis(), sorted(batch.into_iter().map(json).collect())))
            .collect()
    }

    /// The same against `expected`: a list of batches, or of times and batches.
    fn check<R: Rdd<Item: Serialize>>(&self, build: impl FnOnce(&TestContext) -> DStream<R>) {
        self.check_against(&self.0["expected"], build);
    }

    fn check_against<R: Rdd<Item: Serialize>>(
        &self,
        expected: &Value,
        build: impl FnOnce(&TestContext) -> DStream<R>,
    ) {
        let seen = self.run(build);
        let is_timed = expected[0][0].is_i64() && expected[0][1].is_array();
        let expected: Vec<(i64, Vec<Value>)> = if is_timed {
            from_value(expected.clone()).expect("timed batches")
        } else {
            let batches: Vec<Vec<Value>> = from_value(expected.clone()).expect("batches");
            let step = self.ms("slideMs").as_millis() as i64;
            batches.into_iter().enumerate().map(|(i, batch)| ((i as i64 + 1) * step, batch)).collect()
        };
        let expected: Vec<_> = expected.into_iter().map(|(time, batch)| (time, sorted(batch))).collect();
        assert_eq!(seen, expected, "{}", self.name());
    }
}

fn sorted(mut batch: Vec<Value>) -> Vec<Value> {
    batch.sort_by_key(Value::to_string);
    batch
}

/// Spark keeps keys for ever that are in no batch of the window any more, with a sum of zero; here they go.
fn without_zeros(expected: &Value) -> Value {
    let batches: Vec<Vec<Pair>> = from_value(expected.clone()).expect("batches of pairs");
    let real = |batch: Vec<Pair>| batch.into_iter().filter(|(_, sum)| *sum != 0).collect::<Vec<_>>();
    to_value(batches.into_iter().map(real).collect::<Vec<_>>()).expect("batches")
}

#[test]
fn whole_windows() {
    for case in cases(WINDOWS, &["window - basic", "window - tumbling", "window - non-overlapping"]) {
        let (window, slide) = case.span();
        case.check(|test| case.input::<i64>(test, "input").window_sliding(window, slide));
        if slide == case.ms("batchMs") {
            case.check(|test| case.input::<i64>(test, "input").window(window));
        }
    }
}

/// The level of a window is that of its parent's batches, which are kept once; the window itself holds nothing. What
/// the levels do is tested with storage; without one, batches of windows are kept as they are (`MEMORY_ONLY`), where
/// Spark writes them down.
#[test]
fn the_level_of_a_window_is_that_of_its_panes() {
    let case = &cases(WINDOWS, &["window - persistence level"])[0];
    let batches: Vec<Vec<i64>> = from_value(case.0["input"].clone()).expect("batches");
    let kept = |level: Option<StorageLevel>| {
        let test = TestContext::new(case.ms("batchMs")).expect("a context");
        let windowed = case.input::<i64>(&test, "input").window(case.ms("windowMs"));
        let windowed = level.map_or(windowed.clone(), |level| windowed.persist(level));
        let seen = test.collect(&windowed);
        let kept: Vec<usize> = batches
            .iter()
            .map(|_| {
                test.run(1).expect("a batch");
                test.memory().kept
            })
            .collect();
        assert_eq!(seen.batches()[1..], *batches.windows(2).map(<[_]>::concat).collect::<Vec<_>>());
        kept
    };
    let as_they_are = kept(None);
    assert!(
        as_they_are[2] > 0 && as_they_are[2..].iter().all(|bytes| *bytes == as_they_are[2]),
        "{as_they_are:?}"
    );
    assert_eq!(kept(Some(StorageLevel::MEMORY_ONLY)), as_they_are);
    let serialized = kept(Some(StorageLevel::MEMORY_ONLY_SER));
    assert!(serialized[2] > 0 && serialized[2] < as_they_are[2], "{serialized:?} instead of {as_they_are:?}");
}

#[test]
fn reduced_windows() {
    for case in cases(WINDOWS, &["reduceByKeyAndWindow - "]) {
        let (window, slide) = case.span();
        case.check(|test| {
            case.input::<Pair>(test, "input").reduce_by_key_and_window(|a, b| a + b, window, slide)
        });
    }
    for case in cases(WINDOWS, &["reduceByKeyAndWindow with inverse"]) {
        let (window, slide) = case.span();
        case.check_against(&without_zeros(&case.0["expected"]), |test| {
            let pairs = case.input::<Pair>(test, "input");
            pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide)
        });
    }
}

#[test]
fn grouped_and_counted_windows() {
    for case in cases(WINDOWS, &["groupByKeyAndWindow"]) {
        let (window, slide) = case.span();
        case.check(|test| case.input::<Pair>(test, "input").group_by_key_and_window(window, slide));
    }
    for case in cases(WINDOWS, &["countByWindow"]) {
        let (window, slide) = case.span();
        case.check(|test| case.input::<i64>(test, "input").count_by_window(window, slide));
    }
    for case in cases(DERIVED, &["countByWindow before any data"]) {
        let (window, slide) = case.span();
        case.check(|test| case.input::<i64>(test, "input").count_by_window(window, slide));
    }
    for case in cases(DERIVED, &["window.count"]) {
        let (window, slide) = case.span();
        case.check(|test| case.input::<i64>(test, "input").window_sliding(window, slide).count());
    }
}

/// Spark's inverse form adds up what lies between two windows; here both forms give what the plain one does.
#[test]
fn a_slide_larger_than_the_window() {
    let plain = &cases(DERIVED, &["naive form with slide > window"])[0];
    let (window, slide) = plain.span();
    plain.check(|test| {
        plain.input::<Pair>(test, "input").reduce_by_key_and_window(|a, b| a + b, window, slide)
    });
    plain.check(|test| {
        let pairs = plain.input::<Pair>(test, "input");
        pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide)
    });
}

/// A filter hides pairs and no more: where Spark's job fails, the true sums that it accepts are seen.
#[test]
fn a_filter_cannot_break_a_window() {
    let filtered = |case: &Case, keep: fn(i64) -> bool| {
        let (window, slide) = case.span();
        case.run(|test| {
            let pairs = case.input::<Pair>(test, "input");
            let keep = move |(_, sum): &Pair| keep(*sum);
            pairs.reduce_by_key_and_window_inv_filtered(2, |a, b| a + b, |a, b| a - b, (window, slide), keep)
        })
    };
    let empty = |times: &[i64]| times.iter().map(|time| (*time, Vec::new())).collect::<Vec<_>>();
    let case = &cases(DERIVED, &["filter that drops keys"])[0];
    assert_eq!(filtered(case, |sum| sum > 1), empty(&[1_000, 2_000, 3_000, 4_000]));
    let case = &cases(DERIVED, &["filter v != 0"])[0];
    let seen = filtered(case, |sum| sum != 0);
    assert_eq!(seen[0], (1_000, vec![serde_json::json!(["a", 1])]));
    assert_eq!(seen[1], (2_000, vec![]));
    assert_eq!(seen[2], (3_000, vec![serde_json::json!(["a", -1])]), "the sum of what is left in the window");
    assert_eq!(seen[3], (4_000, vec![]));
}

#[test]
fn joins_of_windows() {
    let seconds = Duration::from_secs;
    let case = &cases(DERIVED, &["join of windows of different length"])[0];
    case.check(|test| {
        let left = case.input::<Pair>(test, "input").window_sliding(seconds(2), seconds(2));
        left.join(&case.input::<Pair>(test, "input2").window_sliding(seconds(4), seconds(2)))
    });
    let case = &cases(DERIVED, &["join of streams with different slide"])[0];
    let test = TestContext::new(seconds(1)).expect("a context");
    let left = case.input::<Pair>(&test, "input").window_sliding(seconds(2), seconds(2));
    test.collect(&left.join(&case.input::<Pair>(&test, "input2")));
    let error = test.start().expect_err("a mistake").to_string();
    assert!(error.contains("Some of the DStreams have different slide durations"), "{error}");
}

#[test]
fn slices() {
    let case = &cases(BASIC, &["slice"])[0];
    let test = TestContext::new(case.ms("batchMs")).expect("a context");
    let numbers = case.input::<i64>(&test, "input");
    let error = numbers.slice(Time::default(), Time::default()).err().expect("not started").to_string();
    assert!(error.contains("has not been initialized"), "{error}");
    test.collect(&numbers);
    test.run(2).expect("two batches");
    let queries: Vec<(i64, i64)> = from_value(case.0["queries"].clone()).expect("queries");
    for (query, expected) in queries.into_iter().zip(case.0["expected"].as_array().expect("answers")) {
        let slice = numbers.slice(Time::from_millis(query.0), Time::from_millis(query.1)).expect("RDDs");
        let records: Vec<i64> = slice.iter().flat_map(|rdd| rdd.collect().expect("records")).collect();
        assert_eq!(&to_value(records).expect("numbers"), expected, "{query:?}");
    }
    test.run(2).expect("the batches that a slice has made already");
}

/// The first and the last times of which a stream still has an RDD, and that a window of a window repeats records.
#[test]
fn windows_of_windows() {
    let case = &cases(BASIC, &["rdd cleanup - map and window"])[0];
    let seconds = Duration::from_secs;
    let test = TestContext::new(seconds(1)).expect("a context");
    test.remember(seconds(3)).expect("not started");
    let mapped = case.input::<i64>(&test, "input").map(|x| (x % 10, 1));
    let inner = mapped.window_sliding(seconds(2), seconds(1));
    let seen: Vec<Vec<(i64, i32)>> = {
        let outer = test.collect(&inner.window_sliding(seconds(4), seconds(2)));
        test.run(10).expect("ten batches");
        outer.batches()
    };
    assert_eq!(seen.len(), 5);
    let mut last: Vec<i64> = seen[4].iter().map(|(x, _)| *x).collect();
    last.sort_unstable();
    assert_eq!(last, [0, 5, 6, 6, 6, 7, 7, 7, 7, 8, 8, 8, 8, 9, 9, 9]);
}

fn refused<T: Data>(build: impl FnOnce(&Input<i64>) -> DStream<BoxRdd<T>>) -> String {
    let test = TestContext::new(Duration::from_secs(1)).expect("a context");
    test.collect(&build(&test.input([vec![1]], 1).expect("an input")));
    match test.start() {
        Err(Error::Definition(text)) => text,
        other => panic!("not refused: {other:?}"),
    }
}

#[test]
fn measures_that_do_not_fit_are_refused() {
    let ms = Duration::from_millis;
    let text = refused(|s| s.count_by_window(ms(1_500), ms(1_000)));
    let expected = "The window duration of windowed DStream (1500 ms) must be a multiple of the slide duration of parent \
                    DStream (1000 ms) (at operators/tests/window_vectors.rs:";
    assert!(text.starts_with(expected), "{text}");
    let text = refused(|s| s.count_by_window(ms(2_000), ms(500)));
    assert!(text.contains("The slide duration of windowed DStream (500 ms) must be a multiple"), "{text}");
    let text = refused(|s| s.count_by_window(ms(0), ms(1_000)));
    assert!(text.contains("(0 ms) must be greater than zero"), "{text}");
    let text = refused(|s| s.window_sliding(ms(4_000), ms(2_000)).count_by_window(ms(1_000), ms(2_000)));
    assert!(
        text.contains("(1000 ms) must be a multiple of the slide duration of parent DStream (2000 ms)"),
        "{text}"
    );
}

#[test]
fn a_slide_of_zero_is_refused() {
    let (none, second) = (Duration::ZERO, Duration::from_secs(1));
    let expected = "The slide duration of windowed DStream (0 ms) must be greater than zero and a multiple of the slide duration of \
                    parent DStream (1000 ms) (at operators/tests/window_vectors.rs:";
    for text in [
        refused(|s| s.count_by_window(second, none)),
        refused(|s| s.reduce_by_window(i64::max, second, none)),
        refused(|s| s.window_sliding(second, none)),
        refused(|s| s.key_by(|n| *n).reduce_by_key_and_window(i64::max, second, none)),
        refused(|s| {
            let keyed = s.key_by(|n| *n);
            keyed.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, second, none)
        }),
    ] {
        assert!(text.starts_with(expected), "{text}");
    }
}
