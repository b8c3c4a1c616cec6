//! The cases of Spark's own suites that concern keyed state. Those of its state map are in `state_map.rs`, with what is not run
//! of them and why.

mod state_map;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_engine::rdd::{BoxRdd, Data};
use millstream_engine::testkit::{Collected, TestContext};
use millstream_engine::{Config, DStream, Time};
use millstream_operators::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, from_value, json};

const BASIC: &str = include_str!("../../../tests/vectors/BasicOperationsSuite.json");
const DERIVED: &str = include_str!("../../../tests/vectors/DerivedEdgeCases.json");
const MAP: &str = include_str!("../../../tests/vectors/MapWithStateSuite.json");
const RDD: &str = include_str!("../../../tests/vectors/MapWithStateRDDSuite.json");

const SECOND: Duration = Duration::from_secs(1);

fn cases(file: &str) -> Vec<Value> {
    from_value(serde_json::from_str(file).expect("JSON")).expect("a list of cases")
}

fn name(case: &Value) -> &str {
    case["name"].as_str().expect("a name")
}

fn get<T: DeserializeOwned>(value: &Value) -> T {
    from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// The words of the case, each with 1.
fn ones(test: &TestContext, case: &Value) -> DStream<BoxRdd<(String, i64)>> {
    let batches: Vec<Option<Vec<String>>> = get(&case["input"]);
    test.input_with_gaps(batches, 2).expect("an input").map(|word| (word, 1)).boxed()
}

fn context() -> TestContext {
    TestContext::new(SECOND).expect("a context")
}

fn run(test: &TestContext, batches: usize, case: &Value) {
    test.run(batches).unwrap_or_else(|error| panic!("{}: {error}", name(case)));
}

/// The records of each batch as JSON, in order.
fn sorted<T: Data + serde::Serialize>(seen: &Collected<T>) -> Vec<Vec<Value>> {
    let batch = |records: Vec<T>| in_order(records.iter().map(|record| json!(record)).collect());
    seen.batches().into_iter().map(batch).collect()
}

fn in_order(mut records: Vec<Value>) -> Vec<Value> {
    records.sort_by_key(Value::to_string);
    records
}

fn expected(case: &Value, field: &str) -> Vec<Vec<Value>> {
    get::<Vec<Vec<Value>>>(&case[field]).into_iter().map(in_order).collect()
}

/// Adds to the state; what it came to.
fn add(value: Option<i64>, state: &mut State<'_, i64>) -> i64 {
    let sum = value.unwrap_or(0) + state.get().unwrap_or(&0);
    state.update(sum);
    sum
}

/// What the case's function emits is what `spec` gives, and the snapshots are those of the case.
fn check_map<E: Data + serde::Serialize>(case: &Value, spec: StateSpec<String, i64, i64, E>) {
    let test = context();
    let spec = match get::<Option<Vec<(String, i64)>>>(&case["params"]["initialState"]) {
        Some(initial) => spec.initial_state(test.parallelize(initial, 2)),
        None => spec,
    };
    let mapped = ones(&test, case).map_with_state(spec);
    let (emitted, states) = (test.collect(mapped.mapped()), test.collect(&mapped.state_snapshots()));
    let batches = expected(case, "expected");
    run(&test, batches.len(), case);
    assert_eq!(sorted(&emitted), batches, "{}", name(case));
    assert_eq!(sorted(&states), expected(case, "expectedSnapshots"), "{}", name(case));
}

fn check_map_case(case: &Value) {
    match name(case) {
        "state - get, exists, update, remove" => check_protocol(case),
        "mapWithState - basic operations with simple API" | "JavaMapWithStateSuite.testBasicFunction" => {
            check_map(case, StateSpec::function(|_, value, state: &mut State<i64>| add(value, state)));
        }
        "mapWithState - states as mapped data" => {
            let f = |key: &String, value, state: &mut State<i64>| (key.clone(), add(value, state));
            check_map(case, StateSpec::function(f));
        }
        "mapWithState - initial states, with nothing returned as from mapping function" => {
            let f = |_, _: &String, value, state: &mut State<i64>| -> Option<i64> {
                add(value, state);
                None
            };
            check_map(case, StateSpec::function_at(f));
        }
        "mapWithState - state timing out" => check_timeout(case),
        "mapWithState - checkpoint durations" => check_checkpoint_intervals(case),
        other => panic!("nobody tests the case {other:?}"),
    }
}

/// One step of the protocol: how the state was made, and what it is then.
fn check_protocol(case: &Value) {
    let steps: Vec<Vec<Value>> = get(&case["input"]);
    let one = Some(&1);
    for (step, expected) in steps.iter().zip(case["expected"].as_array().expect("a list")) {
        let mut state = match (step[0].as_str(), step.get(1)) {
            (Some("new"), _) | (Some("wrap"), Some(Value::Null)) => State::new(None),
            (Some("wrap" | "update" | "remove"), _) => State::new(one),
            (Some("new+update"), _) => State::new(None),
            (Some("wrapTimingOutState"), _) => State::timing_out(&3),
            other => panic!("an unknown step {other:?}"),
        };
        match step[0].as_str() {
            Some("update" | "new+update") => state.update(step[1].as_i64().expect("a number") as i32),
            Some("remove") => state.remove(),
            _ => (),
        }
        assert_eq!(state.exists(), expected["exists"] == true, "{step:?}");
        assert_eq!(state.is_timing_out(), expected["isTimingOut"] == true, "{step:?}");
        // Where Spark's `get` throws, ours gives none.
        let got = state.get().map_or(json!("NoSuchElementException"), |state| json!(state));
        assert_eq!(got, expected["get"], "{step:?}");
        if expected["update()"] == "IllegalArgumentException" {
            let update = std::panic::AssertUnwindSafe(|| state.update(4));
            std::panic::catch_unwind(update).expect_err("update is not allowed");
            let remove = std::panic::AssertUnwindSafe(|| state.remove());
            std::panic::catch_unwind(remove).expect_err("remove is not allowed");
        }
    }
}

/// Emits the keys that time out.
fn emit_timed_out() -> StateSpec<String, i64, i64, (Time, String)> {
    StateSpec::function_at(|time, key: &String, value: Option<i64>, state: &mut State<i64>| {
        if value.is_some() {
            state.update(1);
        }
        state.is_timing_out().then(|| (time, key.clone()))
    })
}

fn check_timeout(case: &Value) {
    let test = context();
    let timeout = Duration::from_millis(get(&case["params"]["timeoutMs"]));
    let mapped = ones(&test, case).map_with_state(emit_timed_out().timeout(timeout));
    let (emitted, states) = (test.collect(mapped.mapped()), test.collect(&mapped.state_snapshots()));
    run(&test, get(&case["params"]["numBatches"]), case);
    let expected = &case["expected"];
    let mut keys: Vec<String> = emitted.all().into_iter().map(|(_, key)| key).collect();
    keys.sort();
    assert_eq!(json!(keys), expected["all emitted over the run, sorted"]);
    let states = sorted(&states);
    assert!(states.iter().any(|states| json!(states) == expected["some snapshot equals"]), "{states:?}");
    assert_eq!(json!(states.last()), expected["last snapshot"]);
    // b came last at 2 s, c at 1 s: the batches in which they have been idle for more than 3 s.
    let at = |ms, key: &str| (Time::from_millis(ms), key.to_owned());
    assert_eq!(emitted.all(), [at(5_000, "c"), at(6_000, "b")]);
}

/// There is one interval for the program, not one for each stream. What is asked for holds as in Spark; what is not is ten seconds,
/// in whole batches, where Spark has ten batches.
fn check_checkpoint_intervals(case: &Value) {
    let rows: Vec<(u64, Option<u64>)> = get(&case["input"]);
    let spark: Vec<u64> = get(&case["expected"]);
    for ((batch, wanted), spark) in rows.into_iter().zip(spark) {
        let config = Config::new().batch_interval(Duration::from_millis(batch));
        let config = match wanted {
            Some(wanted) => config.checkpoint_interval(Duration::from_millis(wanted)),
            None => config,
        };
        let test = TestContext::with_config(config, Time::default()).expect("a context");
        let interval = test.config().effective_checkpoint_interval();
        let expected = if wanted.is_some() { spark } else { 10_000 };
        assert_eq!(interval, Duration::from_millis(expected), "batches of {batch} ms, {wanted:?}");
    }
}

#[test]
fn map_with_state() {
    let cases = cases(MAP);
    assert_eq!(cases.len(), 7, "the file is there");
    cases.iter().for_each(check_map_case);
}

/// What the function of `MapWithStateRDDSuite` has seen.
#[derive(Default)]
struct Seen {
    calls: usize,
    timed_out: Vec<(Time, i64)>,
    removed: Vec<i64>,
}

/// A function that does what the value says.
fn obey(seen: &Arc<Mutex<Seen>>) -> StateSpec<String, String, i64, i64> {
    let seen = Arc::clone(seen);
    StateSpec::function_at(move |time, _: &String, value: Option<String>, state: &mut State<i64>| {
        let mut seen = seen.lock().expect("no panic");
        seen.calls += 1;
        match value.as_deref() {
            None => {
                assert!(state.is_timing_out());
                seen.timed_out.extend(state.get().map(|state| (time, *state)));
            }
            Some("get-state") => return Some(state.get().copied().unwrap_or(-1)),
            Some("update-state") => state.update(state.get().map_or(0, |state| state + 1)),
            Some("remove-state") => {
                seen.removed.extend(state.get());
                state.remove();
            }
            Some(_) => (),
        }
        None
    })
}

/// The states after each batch, what was emitted, and what the function has seen.
type Obeyed = (Vec<Vec<(String, i64)>>, Vec<i64>, Seen);

/// Runs a case that begins with batch 1 at 1 s and brings its data in batch 2; then so many batches more without data.
fn obeyed(case: &Value, timeout: Option<Duration>, more: usize) -> Obeyed {
    let (test, seen) = (context(), Arc::new(Mutex::new(Seen::default())));
    let keyed = |values: Vec<String>| values.into_iter().map(|value| ("key".to_owned(), value)).collect();
    let input = test.input([vec![], keyed(get(&case["input"]["data"]))], 2).expect("an input");
    let states: Vec<i64> = get(&case["input"]["initStates"]);
    let states: Vec<_> = states.into_iter().map(|state| ("key".to_owned(), state)).collect();
    let spec = obey(&seen).initial_state(test.parallelize(states, 1));
    let spec = if let Some(timeout) = timeout { spec.timeout(timeout) } else { spec };
    let mapped = input.map_with_state(spec);
    let (emitted, states) = (test.collect(mapped.mapped()), test.collect(&mapped.state_snapshots()));
    run(&test, 2 + more, case);
    let seen = std::mem::take(&mut *seen.lock().expect("no panic"));
    (states.batches(), emitted.all(), seen)
}

fn check_record(case: &Value) {
    let (params, expected) = (&case["params"], &case["expected"]);
    assert_eq!((&params["initialTime"], &params["batchTime"]), (&json!(1_000), &json!(2_000)));
    // The threshold is what a last update must be before, in the batch at 2 s.
    let threshold = params["timeoutThreshold"].as_u64();
    let timeout = threshold.map(|threshold| Duration::from_millis(2_000 - threshold));
    let (states, mapped, seen) = obeyed(case, timeout, 0);
    let expected_states: Vec<(i64, i64)> = get(&expected["states"]);
    let states: Vec<i64> = states[1].iter().map(|(_, state)| *state).collect();
    assert_eq!(states, expected_states.iter().map(|(state, _)| *state).collect::<Vec<_>>(), "{case}");
    assert_eq!(json!(mapped), expected["mapped"], "{case}");
    let timed_out: Vec<_> = seen.timed_out.iter().map(|(_, state)| *state).collect();
    assert_eq!(json!(timed_out), expected["timedOut"], "{case}");
    assert_eq!(json!(seen.removed), expected["removed"], "{case}");
    if let Some(called) = expected["functionCalled"].as_bool() {
        assert_eq!(seen.calls > 0, called, "{case}");
    }
    // When the state was updated shows in when it times out.
    for (state, updated) in expected_states {
        let (_, _, seen) = obeyed(case, timeout.or(Some(5 * SECOND)), 8);
        let idle = timeout.unwrap_or(5 * SECOND);
        let at = Time::from_millis(updated) + idle + SECOND;
        assert_eq!(seen.timed_out, [(at.floor(SECOND), state)], "{case}");
    }
}

/// The update times of these cases are those of a state without a timeout, which nobody can see.
fn check_set(case: &Value) {
    let test = context();
    let touched = Arc::new(Mutex::new(Vec::new()));
    let touching = Arc::clone(&touched);
    let f = move |key: &String, value: Option<i64>, state: &mut State<i64>| {
        touching.lock().expect("no panic").push(key.clone());
        match value {
            Some(1) => state.update(state.get().map_or(0, |state| state + 1)),
            Some(2) => state.remove(),
            _ => (),
        }
    };
    let initial: Vec<(String, i64, i64)> = get(&case["input"]["states"]);
    let initial = initial.into_iter().map(|(key, state, _)| (key, state));
    let input = test.input([get::<Vec<(String, i64)>>(&case["input"]["data"])], 2).expect("an input");
    let spec = StateSpec::function(f).initial_state(test.parallelize(initial, 2)).partitions(2);
    let states = test.collect(&input.map_with_state(spec).state_snapshots());
    run(&test, 1, case);
    let expected: Vec<(String, i64, i64)> = get(&case["expected"]["states"]);
    let expected: Vec<_> = expected.into_iter().map(|(key, state, _)| (key, state)).collect();
    assert_eq!(states.sorted(), [expected], "{case}");
    assert_eq!(json!(*touched.lock().expect("no panic")), case["expected"]["touchedKeys"], "{case}");
}

#[test]
fn map_with_state_rdd() {
    let cases = cases(RDD);
    let (records, sets): (Vec<_>, Vec<_>) = cases
        .iter()
        .partition(|case| case["operation"].as_str().is_some_and(|o| o.starts_with("update one")));
    assert_eq!((records.len(), sets.len()), (10, 7), "the file is there");
    records.into_iter().for_each(check_record);
    sets.into_iter().for_each(check_set);
}

fn initial(test: &TestContext, case: &Value) -> millstream_engine::rdd::Parallelized<(String, i64)> {
    test.parallelize(get::<Vec<(String, i64)>>(&case["params"]["initialState"]), 2)
}

/// Runs a case of `updateStateByKey`; the states are shown as `show` says.
fn check_update<S: Data>(
    case: &Value,
    show: fn(S) -> i64,
    build: impl FnOnce(&TestContext, &DStream<BoxRdd<(String, i64)>>) -> DStream<BoxRdd<(String, S)>>,
) {
    let test = context();
    let states = build(&test, &ones(&test, case)).map(move |(key, state)| (key, show(state)));
    let seen = test.collect(&states);
    let batches = expected(case, "expected");
    run(&test, batches.len(), case);
    assert_eq!(sorted(&seen), batches, "{}", name(case));
}

/// Values that do not come twice in a row end a key's life.
fn lifecycle(values: &[i64], state: Option<(i64, i64)>) -> Option<(i64, i64)> {
    let (counter, expire) = state.unwrap_or_default();
    match values.iter().sum::<i64>() {
        0 if expire == 1 => None,
        0 => Some((counter, expire + 1)),
        sum => Some((counter + sum, 0)),
    }
}

fn check_update_case(case: &Value) {
    match name(case) {
        "updateStateByKey - simple with initial value RDD" => check_update(
            case,
            |sum| sum,
            |test, ones| {
                let sum = |values: &[i64], state: Option<i64>| {
                    Some(values.iter().sum::<i64>() + state.unwrap_or(0))
                };
                let spec = UpdateSpec::values(sum).initial(initial(test, case));
                ones.update_state_by_key_with(spec.partitions(get(&case["params"]["partitions"])))
            },
        ),
        "updateStateByKey - testing time stamps as input" => check_update(
            case,
            |sum| sum,
            |test, ones| {
                let f = |time: Time, _: &String, values: &[i64], state: Option<i64>| {
                    Some(if values.is_empty() { 0 } else { time.as_millis() } + state.unwrap_or(0))
                };
                ones.update_state_by_key_with(UpdateSpec::keyed(f).initial(initial(test, case)))
            },
        ),
        "updateStateByKey - object lifecycle" => {
            check_update(case, |(counter, _)| counter, |_, ones| ones.update_state_by_key(lifecycle));
        }
        other => panic!("nobody tests the case {other:?}"),
    }
}

#[test]
fn update_state_by_key() {
    let cases: Vec<_> =
        cases(BASIC).into_iter().filter(|case| name(case).starts_with("updateStateByKey")).collect();
    assert_eq!(cases.len(), 3);
    cases.iter().for_each(check_update_case);
}

#[test]
fn update_state_by_key_sees_the_keys_that_have_state_or_values() {
    let cases = cases(DERIVED);
    let case =
        cases.iter().find(|case| name(case).starts_with("updateStateByKey: which keys")).expect("the case");
    let (test, calls) = (context(), Arc::new(Mutex::new(Vec::new())));
    let called = Arc::clone(&calls);
    let f = move |time: Time, key: &String, values: &[i64], state: Option<i64>| {
        called.lock().expect("no panic").push(json!([time.as_millis(), key, values, state]));
        let is_over = values.is_empty() && state == Some(1);
        (!is_over).then(|| values.iter().sum::<i64>() + state.unwrap_or(0))
    };
    let seen = test.collect(&ones(&test, case).update_state_by_key_with(UpdateSpec::keyed(f)));
    run(&test, 4, case);
    let states: Vec<_> = seen.timed().into_iter().map(|(time, states)| (time.as_millis(), states)).collect();
    let states = states.into_iter().map(|(time, mut states)| {
        states.sort();
        json!([time, states])
    });
    assert_eq!(json!(states.collect::<Vec<_>>()), case["expected"]);
    let calls = in_order(calls.lock().expect("no panic").clone());
    assert_eq!(calls, in_order(get(&case["calls"])));
}

/// Spark looks for keys that time out in every tenth batch only. We are exact: it is the first batch for which the key has been
/// idle for longer than the timeout.
#[test]
fn keys_time_out_in_the_first_batch_in_which_they_are_too_old() {
    let cases: Vec<_> =
        cases(DERIVED).into_iter().filter(|case| name(case).starts_with("mapWithState timeout")).collect();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let test = context();
        let timeout = Duration::from_millis(get(&case["params"]["timeoutMs"]));
        let gone =
            test.collect(ones(&test, &case).map_with_state(emit_timed_out().timeout(timeout)).mapped());
        run(&test, get::<Vec<Value>>(&case["input"]).len(), &case);
        let mut batches = Time::from_millis(1_000).to(Time::from_millis(100_000), SECOND);
        let exact = batches.find(|time| Time::from_millis(1_000) < *time - timeout).expect("a batch");
        assert_eq!(gone.all(), [(exact, "a".to_owned())], "{case}");
        let spark: Vec<(String, i64)> = get(&case["expected"]);
        assert!(exact.as_millis() <= spark[0].1, "{case}");
    }
}
