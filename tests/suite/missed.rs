//! Batches that were missed while no program ran, and are made as one: `checkpoint.collapse_missed`.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use millstream::fs::{Fs, SimFs};
use millstream::io::file::TextReader;
use millstream::prelude::*;
use millstream::testkit::{Collected, PowerCut, TestContext};

const SECOND: Duration = Duration::from_secs(1);

/// The last batch of the first run, and the first that the second one makes: there is nothing in between.
const LAST: usize = 6;
const NEXT: usize = 17;
const END: usize = 24;

fn context(after: usize, collapses: bool) -> TestContext {
    let config = Config::new()
        .batch_interval(SECOND)
        .min_remember(SECOND * 2)
        .checkpoint_interval(SECOND * 3)
        .checkpoint_collapse_missed(collapses)
        .master(Master::Local(2));
    TestContext::with_config(config, Time::from_millis(after as i64 * 1_000)).unwrap()
}

/// Batch `n` is the `n`th; between the two runs there are none.
fn batches() -> Vec<Vec<(u32, i64)>> {
    let pairs = |batch: usize| (0..batch as u32 * 7 % 11).map(move |i| ((i * i) % 5, i64::from(i) - 3));
    let is_there = |batch: &usize| (1..=LAST).contains(batch) || *batch >= NEXT;
    (1..=END).map(|batch| if is_there(&batch) { pairs(batch).collect() } else { Vec::new() }).collect()
}

type Seen = Collected<(u32, i64)>;

/// What an output gave, by the number of the batch.
type ByBatch = Vec<(i64, Vec<(u32, i64)>)>;

/// A window, both kinds of state, and a state of what windows give.
fn program(test: &TestContext) -> [Seen; 4] {
    let pairs = test.input(batches(), 2).unwrap();
    let sums = pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 5, SECOND);
    let count = |_: &u32, value: Option<i64>, state: &mut State<'_, i64>| {
        if !state.is_timing_out() {
            state.update(state.get().unwrap_or(&0) + value.unwrap_or(0));
        }
    };
    let sessions = pairs.map_with_state(StateSpec::function(count).timeout(SECOND * 3));
    let total = |values: &[i64], state: Option<i64>| Some(state.unwrap_or(0) + values.iter().sum::<i64>());
    let by_four = pairs.reduce_by_key_and_window(|a, b| a + b, SECOND * 4, SECOND * 4);
    [
        test.collect(&sums),
        test.collect(&pairs.update_state_by_key(total)),
        test.collect(&by_four.update_state_by_key(total)),
        test.collect(&sessions.state_snapshots()),
    ]
}

fn by_batch(seen: &Seen) -> ByBatch {
    let sorted = |mut pairs: Vec<(u32, i64)>| {
        pairs.sort_unstable();
        pairs
    };
    seen.timed().into_iter().map(|(time, pairs)| (time.as_millis() / 1_000, sorted(pairs))).collect()
}

fn run(disk: &SimFs, after: usize, collapses: bool, batches: usize) -> [ByBatch; 4] {
    let test = context(after, collapses);
    let outputs = program(&test);
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(batches).unwrap();
    outputs.map(|seen| by_batch(&seen))
}

fn numbers<T>(seen: &[(i64, T)]) -> Vec<i64> {
    seen.iter().map(|(batch, _)| *batch).collect()
}

#[test]
fn missed_batches_are_made_as_one_and_nothing_is_lost() {
    let expected = run(&SimFs::new(), 0, false, END);
    let disk = SimFs::new();
    run(&disk, 0, false, LAST);
    let left = disk.crash(PowerCut::Kept);
    let seen = run(&left, NEXT, true, END - NEXT);
    // The batches up to 8 are made because the windows of four seconds, which had begun, end there.
    let made: Vec<i64> = (7..=8).chain(NEXT as i64..=END as i64).collect();
    for (seen, expected) in seen.iter().zip(&expected).take(3) {
        let seen: Vec<_> = seen.iter().filter(|(batch, _)| *batch > LAST as i64).cloned().collect();
        let expected: Vec<_> = expected.iter().filter(|(batch, _)| made.contains(batch)).cloned().collect();
        assert_eq!(seen, expected);
    }
    // All keys were idle for longer than they may: those of which nothing has come since have timed out.
    let sessions = seen[3].iter().find(|(batch, _)| *batch == NEXT as i64);
    let came: Vec<u32> = batches()[NEXT - 1].iter().map(|(key, _)| *key).collect();
    assert!(
        sessions.is_some_and(|(_, states)| states.iter().all(|(key, _)| came.contains(key))),
        "{sessions:?}"
    );
    let again = run(&left.crash(PowerCut::Kept), END, false, 1);
    assert_eq!(numbers(&again[0]).last(), Some(&(END as i64 + 1)));
}

#[test]
fn a_gap_stays_one_when_the_program_is_cut_off_behind_it() {
    let disk = SimFs::new();
    run(&disk, 0, false, LAST);
    let left = disk.crash(PowerCut::Kept);
    let first = run(&left, NEXT, true, 1);
    let left = left.crash(PowerCut::Kept);
    // Now all batches are to be made: but those before the next were already given up.
    let second = run(&left, NEXT + 1, false, 3);
    assert!(
        numbers(&second[0]).iter().all(|batch| *batch <= 8 || *batch >= NEXT as i64),
        "{:?}",
        numbers(&second[0])
    );
    assert_eq!(numbers(&second[0]).last(), Some(&(NEXT as i64 + 4)));
    for (first, second) in first.iter().zip(&second) {
        for (batch, pairs) in first {
            let same = second.iter().find(|(other, _)| other == batch);
            assert!(same.is_none_or(|(_, other)| other == pairs), "batch {batch}");
        }
    }
}

#[test]
fn without_the_setting_every_missed_batch_is_made() {
    let disk = SimFs::new();
    run(&disk, 0, false, LAST);
    let seen = run(&disk.crash(PowerCut::Kept), NEXT, false, 1);
    let made: Vec<i64> = (LAST as i64 + 1..=NEXT as i64 + 1).collect();
    assert!(numbers(&seen[1]).ends_with(&made), "{:?}", numbers(&seen[1]));
}

fn put(dir: &Path, name: &str, changed_ms: u64) {
    let path = dir.join(name);
    fs::write(&path, format!("{name}\n")).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_millis(changed_ms);
    File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
}

/// The lines of a directory's files, by the number of the batch.
fn lines(disk: &SimFs, dir: &Path, after: usize, batches: usize) -> Vec<(i64, Vec<String>)> {
    let test = context(after, true);
    let lines = test.file_stream(dir, |_| true, false, TextReader).unwrap().map(|line| line.to_string());
    let seen = test.collect(&lines);
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(batches).unwrap();
    let seen = seen.timed().into_iter().map(|(time, lines)| (time.as_millis() / 1_000, lines));
    seen.filter(|(_, lines)| !lines.is_empty()).collect()
}

/// Without the gap, files that are older than `min_remember` would be no batch's.
#[test]
fn files_that_came_meanwhile_are_all_in_the_one_batch() {
    let (disk, dir) = (SimFs::new(), tempfile::tempdir().unwrap());
    put(dir.path(), "a", 500);
    put(dir.path(), "b", 2_500);
    assert_eq!(lines(&disk, dir.path(), 0, 3).len(), 2);
    put(dir.path(), "c", 3_500);
    put(dir.path(), "d", 60_000);
    put(dir.path(), "e", 99_000);
    put(dir.path(), "f", 100_500);
    let seen = lines(&disk.crash(PowerCut::Kept), dir.path(), 100, 1);
    let seen: Vec<_> = seen.into_iter().filter(|(batch, _)| *batch > 3).collect();
    let of = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    assert_eq!(seen, [(100, of(&["c", "d", "e"])), (101, of(&["f"]))]);
}
