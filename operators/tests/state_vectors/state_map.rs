//! `StateMapSuite`: the state of an operator is such a map.
//!
//! Its operations are those of the function of `map_with_state` (`put` is `update`), `getAll` is a snapshot,
//! `getByTime` what times out, and serializing it is a checkpoint. These are not run, because there is nothing like it
//! here:
//!
//! - `EmptyStateMap`, `put` and `copy`: there is no map that cannot be written to, and a state is copied only when it changes while
//!   somebody still reads it;
//! - `serializing and deserializing with compaction`: there is no chain of deltas, whose length could be measured. A
//!   checkpoint has the buckets that have changed; that it has all there is to know shows in the case without
//!   compaction.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::fs::Fs;
use millstream_engine::testkit::{Collected, PowerCut, SimFs, TestContext};
use millstream_engine::{Config, Time};
use millstream_operators::prelude::*;
use serde_json::{Value, json};

use crate::{SECOND, cases, context, emit_timed_out, get, name, run};

const STATE_MAP: &str = include_str!("../../../tests/vectors/StateMapSuite.json");

#[test]
fn state_map() {
    let cases = cases(STATE_MAP);
    assert_eq!(cases.len(), 5, "the file is there");
    for case in &cases {
        match name(case) {
            "EmptyStateMap" => check_empty(case),
            "put, get, getByTime, getAll, remove" => check_ages(case),
            "serializing and deserializing" => check_restarts(case),
            "EmptyStateMap - serializing and deserializing" => check_empty_restart(),
            "serializing and deserializing with compaction" => (),
            other => panic!("nobody tests the case {other:?}"),
        }
    }
}

/// What is done to the state of a key.
type Operation = Option<i64>;

/// Sets the state, or removes it; gives what it was before.
fn put_or_remove() -> StateSpec<i64, Operation, i64, Option<i64>> {
    StateSpec::function(|_, operation: Option<Operation>, state: &mut State<'_, i64>| {
        let before = state.get().copied();
        match operation {
            Some(Some(value)) => state.update(value),
            Some(None) => state.remove(),
            None => (),
        }
        before
    })
}

/// A key that nobody has ever put there: reading it gives nothing, removing it does nothing, and it never times out.
fn check_empty(case: &Value) {
    let steps: Vec<(&Value, &Value)> = case["input"]
        .as_array()
        .expect("steps")
        .iter()
        .zip(case["expected"].as_array().expect("answers"))
        .collect();
    let test = context();
    let spec = put_or_remove().timeout(SECOND);
    let mapped = test.input([vec![(1, None)], vec![(1, None)]], 1).expect("an input").map_with_state(spec);
    let (before, states) = (test.collect(mapped.mapped()), test.collect(&mapped.state_snapshots()));
    run(&test, 10, case);
    let seen = |operation: &str| match operation {
        "get" => json!(before.all()[0]),
        "getAll" => json!(states.all()),
        // Two calls for the two records, and none because of the time.
        "getByTime" => json!(before.all().into_iter().skip(2).collect::<Vec<_>>()),
        "remove" => json!("ok"),
        other => panic!("an unknown step {other:?}"),
    };
    let mut compared = 0;
    for (step, expected) in steps {
        let operation = step[0].as_str().expect("an operation");
        if !["put", "copy"].contains(&operation) {
            assert_eq!(&seen(operation), expected, "{operation}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4);
}

/// The keys that are older than a time are those that time out when it is so long ago.
fn check_ages(case: &Value) {
    let steps: Vec<Vec<Value>> = get(&case["input"]);
    let puts: Vec<&Vec<Value>> = steps.iter().filter(|step| step[0] == "put").collect();
    let mut batches = vec![Vec::new(); 40];
    for put in &puts {
        batches[get::<usize>(&put[3]) - 1].push((put[1].to_string(), get::<i64>(&put[2])));
    }
    let test = context();
    let timeout = 5;
    let spec = emit_timed_out().timeout(Duration::from_secs(timeout as u64));
    let input = test.input(batches.clone(), 2).expect("an input");
    let gone = test.collect(input.map_with_state(spec).mapped());
    run(&test, batches.len(), case);
    for (step, expected) in steps.iter().zip(case["expected"].as_array().expect("a list")) {
        if step[0] == "getByTime" {
            let batch = Time::from_millis((get::<i64>(&step[1]) + timeout) * 1_000);
            let keys: BTreeSet<String> =
                gone.all().into_iter().filter(|(time, _)| *time <= batch).map(|(_, key)| key).collect();
            let older: Vec<(i64, i64, i64)> = get(expected);
            assert_eq!(keys, older.iter().map(|row| row.0.to_string()).collect(), "{step:?}");
        }
    }
    assert_eq!(gone.all().len(), puts.len());
}

/// A program that ends behind each of `batches`, with a checkpoint of what their operations have left, and goes on
/// after a power cut: the states after each batch, and after an empty one at the end.
fn restarted(batches: &[Vec<(i64, Operation)>]) -> Vec<Vec<(i64, i64)>> {
    let mut disk = SimFs::new();
    let mut snapshots = Vec::new();
    for begin in 0..=batches.len() {
        let config = Config::new().batch_interval(SECOND).checkpoint_interval(SECOND);
        let now = Time::default() + SECOND * begin as u32;
        let test = TestContext::with_config(config, now).expect("a context");
        let input = test.input(batches.to_vec(), 2).expect("an input");
        let states: Collected<(i64, i64)> =
            test.collect(&input.map_with_state(put_or_remove()).state_snapshots());
        test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").expect("a checkpoint");
        test.run(1).expect("a batch");
        snapshots.push(states.sorted().pop().expect("a snapshot"));
        drop(test);
        disk = disk.crash(PowerCut::Lost);
    }
    snapshots
}

/// Every row of the case is what the one before left behind, and what was done to it in addition.
fn check_restarts(case: &Value) {
    let put = |key, value| (key, Some(value));
    let batches = [
        vec![],
        vec![put(1, 100), put(2, 200)],
        vec![],
        vec![put(3, 300), put(4, 400)],
        vec![],
        vec![put(3, 600), (2, None)],
    ];
    let expected: Vec<Vec<(i64, i64, i64)>> = get(&case["expected"]);
    let expected: Vec<Vec<(i64, i64)>> = expected
        .into_iter()
        .map(|rows| rows.into_iter().map(|(key, state, _)| (key, state)).collect())
        .collect();
    let mut snapshots = restarted(&batches);
    let last = snapshots.pop().expect("the batch behind all others");
    assert_eq!(snapshots, expected);
    assert_eq!(Some(&last), expected.last(), "as the last restart found it");
}

fn check_empty_restart() {
    assert_eq!(restarted(&[vec![]]), [vec![], vec![]]);
}
