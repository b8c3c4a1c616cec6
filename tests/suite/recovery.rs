//! A program that is cut off anywhere goes on as if nothing had been: the results of two runs are those of one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use millstream::fs::{Fs, SimFs};
use millstream::prelude::*;
use millstream::testkit::{Collected, PowerCut, TestContext};

const SECOND: Duration = Duration::from_secs(1);
const BATCHES: usize = 16;

/// What the outputs of a batch gave, as text, by the batch's number.
type Results = BTreeMap<i64, Vec<String>>;

/// Pairs of which some keys come often, some once, and some batches have none.
fn batches() -> Vec<Vec<(u32, i64)>> {
    let pairs = |batch: u32| (0..batch * 7 % 11).map(move |i| ((batch * 5 + i * i) % 9, i64::from(i) - 3));
    (0..BATCHES as u32).map(|batch| pairs(batch).collect()).collect()
}

/// Everything that carries something from batch to batch, with what it gives.
fn program(test: &TestContext) -> Vec<Box<dyn Fn() -> Vec<(i64, String)>>> {
    let pairs = test.input(batches(), 3).unwrap();
    let sums = pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 5, SECOND);
    let most = pairs.reduce_by_key_and_window(i64::max, SECOND * 4, SECOND * 2);
    let count = |_: &u32, value: Option<i64>, state: &mut State<'_, i64>| {
        let sum = state.get().unwrap_or(&0) + value.unwrap_or(1_000);
        if !state.is_timing_out() {
            state.update(sum);
        }
        sum
    };
    let sessions = pairs.map_with_state(StateSpec::function(count).timeout(SECOND * 3));
    let totals = pairs.update_state_by_key(|values: &[i64], state: Option<i64>| {
        Some(state.unwrap_or(0) + values.iter().sum::<i64>()).filter(|sum| *sum != 2)
    });
    vec![
        shown(test.collect(&sums)),
        shown(test.collect(&most)),
        shown(test.collect(&pairs.count_by_window(SECOND * 3, SECOND))),
        shown(test.collect(&pairs.window(SECOND * 3).map(|(_, value)| value).count())),
        shown(test.collect(sessions.mapped())),
        shown(test.collect(&sessions.state_snapshots())),
        shown(test.collect(&totals)),
    ]
}

fn shown<T: Ord + Clone + Debug + Send + Sync + 'static>(
    collected: Collected<T>,
) -> Box<dyn Fn() -> Vec<(i64, String)>> {
    Box::new(move || {
        let sorted = |mut records: Vec<T>| {
            records.sort();
            format!("{records:?}")
        };
        let batches = collected.timed().into_iter();
        batches.map(|(time, records)| (time.as_millis() / 1_000, sorted(records))).collect()
    })
}

fn results(outputs: &[Box<dyn Fn() -> Vec<(i64, String)>>]) -> Results {
    let mut results = Results::new();
    for (i, output) in outputs.iter().enumerate() {
        for (batch, records) in output() {
            results.entry(batch).or_default().push(format!("{i}: {records}"));
        }
    }
    results
}

/// A program on `disk` whose clock begins behind the batch `after`.
fn context(after: usize, threads: usize) -> TestContext {
    let config =
        Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 3).master(Master::Local(threads));
    TestContext::with_config(config, Time::from_millis(after as i64 * 1_000)).unwrap()
}

fn uninterrupted() -> Results {
    let test = context(0, 2);
    let outputs = program(&test);
    test.run(BATCHES).unwrap();
    results(&outputs)
}

#[test]
fn a_program_that_is_cut_off_after_any_batch_goes_on_as_if_nothing_had_been() {
    let expected = uninterrupted();
    assert_eq!(expected.len(), BATCHES);
    for cut in 0..=BATCHES {
        let disk = SimFs::new();
        let test = context(0, 2);
        let outputs = program(&test);
        test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        test.run(cut).unwrap();
        let (left, mut seen) = (disk.crash(PowerCut::Lost), results(&outputs));
        drop(test);
        // Another number of threads, and so of partitions.
        let test = context(cut, 1 + cut % 3);
        let outputs = program(&test);
        test.go_on(Arc::new(left) as Arc<dyn Fs>, "/checkpoint").unwrap();
        test.run(BATCHES - cut).unwrap();
        for (batch, records) in results(&outputs) {
            assert_eq!(records, expected[&batch], "batch {batch}, cut off after {cut}");
            seen.insert(batch, records);
        }
        assert_eq!(seen, expected, "cut off after {cut}");
    }
}
