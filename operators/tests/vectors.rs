//! The cases of Spark's own suites that concern the vocabulary, batch by batch.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_engine::rdd::{Parallelized, Rdd, UnionAll};
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, DStream, Time};
use millstream_operators::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, to_value};

const BASIC: &str = include_str!("../../tests/vectors/BasicOperationsSuite.json");
const DERIVED: &str = include_str!("../../tests/vectors/DerivedEdgeCases.json");

/// Cases of state, time ranges and memory, which are tested where those are built.
const ELSEWHERE: [&str; 3] = ["updateStateByKey", "slice", "rdd cleanup"];

/// Rust has no null that a transform could return.
const NOT_POSSIBLE: &str = "transform with NULL";

type Input<T> = DStream<Parallelized<T>>;

struct Case {
    name: String,
    json: Value,
}

fn cases(file: &str) -> Vec<Case> {
    let cases: Vec<Value> = serde_json::from_str(file).expect("a list of cases");
    cases
        .into_iter()
        .map(|json| Case { name: json["name"].as_str().unwrap_or_default().to_owned(), json })
        .collect()
}

impl Case {
    fn param(&self, name: &str) -> Option<usize> {
        self.json["params"][name].as_u64().map(|n| usize::try_from(n).expect("a small number"))
    }

    fn batches<T: DeserializeOwned>(&self, side: &str) -> Vec<Option<Vec<T>>> {
        from_value(self.json[side].clone()).expect("batches of records")
    }

    /// Batches without an RDD count as empty here, where Spark's union and transform fail.
    fn expected(&self) -> Vec<Vec<Value>> {
        let mut expected: Vec<Vec<Value>> = from_value(self.json["expected"].clone()).expect("batches");
        let batches = self.json["input"].as_array().map_or(0, Vec::len);
        expected.resize(batches, Vec::new());
        expected
    }

    fn is_ordered(&self) -> bool {
        self.json["params"]["compare"] == "list"
    }

    fn input<T: DeserializeOwned + Clone + Send + Sync + 'static>(
        &self,
        test: &TestContext,
        side: &str,
    ) -> Input<T> {
        let partitions = self.param("inputPartitions").unwrap_or(2);
        test.input_with_gaps(self.batches(side), partitions).expect("a context that has not started")
    }

    /// Runs the stream that `build` makes and compares what it gives.
    fn check<R: Rdd<Item: Serialize>>(&self, build: impl FnOnce(&TestContext) -> DStream<R>) {
        let test = TestContext::new(Duration::from_secs(1)).expect("a context");
        let seen = test.collect(&build(&test));
        let mut expected = self.expected();
        test.run(expected.len()).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let json = |records: Vec<R::Item>| {
            records.into_iter().map(|record| to_value(record).expect("a record")).collect::<Vec<_>>()
        };
        let mut batches: Vec<Vec<Value>> = seen.batches().into_iter().map(json).collect();
        if !self.is_ordered() {
            let sort = |batch: &mut Vec<Value>| batch.sort_by_key(Value::to_string);
            batches.iter_mut().for_each(sort);
            expected.iter_mut().for_each(sort);
        }
        assert_eq!(batches, expected, "{}", self.name);
        if let Some(partitions) = self.param("numPartitions") {
            assert!(seen.partitions().iter().all(|(_, parts)| parts.len() == partitions), "{}", self.name);
        }
    }

    /// The same for the join of words with 1 and words with "x".
    fn check_two<R: Rdd<Item: Serialize>>(
        &self,
        build: impl FnOnce(
            DStream<millstream_engine::rdd::BoxRdd<(String, i64)>>,
            DStream<millstream_engine::rdd::BoxRdd<(String, String)>>,
        ) -> DStream<R>,
    ) {
        self.check(|test| {
            let left = self.input::<String>(test, "input").map(|word| (word, 1)).boxed();
            let right = self.input::<String>(test, "input2").map(|word| (word, "x".to_owned())).boxed();
            build(left, right)
        });
    }

    fn numbers<R: Rdd<Item: Serialize>>(&self, build: impl FnOnce(Input<i64>) -> DStream<R>) {
        self.check(|test| build(self.input(test, "input")));
    }

    fn ones<R: Rdd<Item: Serialize>>(
        &self,
        build: impl FnOnce(DStream<millstream_engine::rdd::BoxRdd<(String, i64)>>) -> DStream<R>,
    ) {
        self.check(|test| build(self.input::<String>(test, "input").map(|word| (word, 1)).boxed()));
    }
}

/// The stream, the stream with 4 added, and with 8.
fn three(numbers: &Input<i64>) -> [DStream<millstream_engine::rdd::BoxRdd<i64>>; 3] {
    [numbers.boxed(), numbers.map(|x| x + 4).boxed(), numbers.map(|x| x + 8).boxed()]
}

fn check(case: &Case) {
    match case.name.as_str() {
        "map" => case.numbers(|s| s.map(|x| x.to_string())),
        "flatMap" => case.numbers(|s| s.flat_map(|x| [x, 2 * x])),
        "glom" => case.numbers(|s| s.glom()),
        "mapPartitions" => case.numbers(|s| s.map_partitions(|part| [part.sum::<i64>()])),
        name if name.starts_with("repartition") => {
            let partitions = case.param("numPartitions").expect("a number of partitions");
            case.numbers(|s| s.repartition(partitions));
        }
        "groupByKey" => case.ones(|s| s.group_by_key()),
        "reduce" => case.numbers(|s| s.reduce(|a, b| a + b)),
        "count" => case.numbers(|s| s.count()),
        "mapValues" => case.ones(|s| s.reduce_by_key(|a, b| a + b).map_values(|v| v + 10)),
        "flatMapValues" => case.ones(|s| s.reduce_by_key(|a, b| a + b).flat_map_values(|v| [v, v + 10])),
        "union with input stream return None" => case.numbers(|s| s.union(&s.map(|x| x + 4))),
        "StreamingContext.union" => case.numbers(|s| three(&s).union_all()),
        "transform with input stream return None" => {
            case.numbers(|s| s.transform(|rdd| rdd.map(|x: i64| x.to_string())));
        }
        "transformWith with input stream return None" => case.check(|test| {
            let left = case.input::<String>(test, "input");
            left.transform_with(&case.input::<String>(test, "input2"), |a, b| a.union(b))
        }),
        "StreamingContext.transform" => case.numbers(|s| {
            let executor = s.executor().clone();
            three(&s).transform_all(move |rdds, _| UnionAll::new(executor.clone(), rdds))
        }),
        "cogroup" => case.check_two(|a, b| a.cogroup(&b)),
        "join" => case.check_two(|a, b| a.join(&b)),
        "leftOuterJoin" => case.check_two(|a, b| a.left_outer_join(&b)),
        "rightOuterJoin" => case.check_two(|a, b| a.right_outer_join(&b)),
        "fullOuterJoin" => case.check_two(|a, b| a.full_outer_join(&b)),
        NOT_POSSIBLE => (),
        name if ELSEWHERE.iter().any(|prefix| name.starts_with(prefix)) => (),
        name => panic!("nobody tests the case {name:?}"),
    }
}

#[test]
fn basic_operations() {
    let cases = cases(BASIC);
    assert!(cases.len() > 20, "the file is there");
    cases.iter().for_each(check);
}

#[test]
fn pages_are_printed_as_spark_prints_them() {
    let mut checked = 0;
    for case in cases(DERIVED).iter().filter(|case| case.name.starts_with("print:")) {
        let batches: Vec<Vec<String>> = from_value(case.json["input"].clone()).expect("batches");
        let time = case.json["params"]["batchTimeMs"].as_i64().expect("a time");
        let config = Config::new().batch_interval(Duration::from_secs(1));
        let test = TestContext::with_config(config, Time::from_millis(time - 1_000)).expect("a context");
        let page = Arc::new(Mutex::new(Vec::new()));
        let lines = test.input(batches, 3).expect("an input");
        lines.print_to(case.param("num").expect("a number"), Arc::clone(&page));
        test.run(1).expect("a batch");
        let page = String::from_utf8(page.lock().expect("the page").clone()).expect("text");
        assert_eq!(page, case.json["expected"][0], "{}", case.name);
        checked += 1;
    }
    assert_eq!(checked, 4);
}

#[test]
fn pairs_are_printed_as_scala_shows_them_and_empty_batches_too() {
    let test = TestContext::new(Duration::from_secs(1)).expect("a context");
    let page = Arc::new(Mutex::new(Vec::new()));
    let words = test.input([vec!["b", "a", "b"], vec![]], 2).expect("an input");
    let counts = words.map(|word| (word, 1)).reduce_by_key(|a, b| a + b).sort_by_key_in(1, true);
    counts.print_to(10, Arc::clone(&page));
    test.run(2).expect("two batches");
    let mut expected = String::new();
    for (time, records) in [(1_000, "(a,1)\n(b,2)\n"), (2_000, "")] {
        let rule = "-".repeat(43);
        let _ = write!(expected, "{rule}\nTime: {time} ms\n{rule}\n{records}\n");
    }
    assert_eq!(String::from_utf8(page.lock().expect("the page").clone()).expect("text"), expected);
}
