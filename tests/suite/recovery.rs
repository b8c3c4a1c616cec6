//! A program that is cut off anywhere goes on as if nothing had been: the results of two runs are those of one.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use millstream::fs::{Fs, SimFs};
use millstream::io::file::TextReader;
use millstream::prelude::*;
use millstream::testkit::{Collected, PowerCut, TestContext};

use crate::ledger::Ledger;
use crate::power_cuts;
use crate::support::eventually;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const BATCHES: usize = 16;

/// What each output gave in each batch, as text, by the batch's number and the output's.
pub(crate) type Results = BTreeMap<(i64, usize), String>;

/// What one output has given so far, by batch.
pub(crate) type Shown = Box<dyn Fn() -> Vec<(i64, String)>>;

/// Pairs of which some keys come often, some once, and some batches have none.
fn batches() -> Vec<Vec<(u32, i64)>> {
    let pairs = |batch: u32| (0..batch * 7 % 11).map(move |i| ((batch * 5 + i * i) % 9, i64::from(i) - 3));
    (0..BATCHES as u32).map(|batch| pairs(batch).collect()).collect()
}

/// Everything that carries something from batch to batch, with what it gives.
pub(crate) fn program(test: &TestContext) -> Vec<Shown> {
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

fn shown<T: Ord + Clone + Debug + Send + Sync + 'static>(collected: Collected<T>) -> Shown {
    Box::new(move || {
        let sorted = |mut records: Vec<T>| {
            records.sort();
            format!("{records:?}")
        };
        let batches = collected.timed().into_iter();
        batches.map(|(time, records)| (time.as_millis() / 1_000, sorted(records))).collect()
    })
}

pub(crate) fn results(outputs: &[Shown]) -> Results {
    let mut results = Results::new();
    for (i, output) in outputs.iter().enumerate() {
        for (batch, records) in output() {
            results.insert((batch, i), records);
        }
    }
    results
}

/// The number of the last batch of which anything was seen.
fn batches_in(results: &Results) -> usize {
    results.last_key_value().map_or(0, |((batch, _), _)| usize::try_from(*batch).unwrap())
}

/// A program on `disk` whose clock begins behind the batch `after`.
pub(crate) fn context(after: usize, threads: usize) -> TestContext {
    let config =
        Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 3).master(Master::Local(threads));
    TestContext::with_config(config, Time::from_millis(after as i64 * 1_000)).unwrap()
}

pub(crate) fn uninterrupted() -> Results {
    let test = context(0, 2);
    let outputs = program(&test);
    test.run(BATCHES).unwrap();
    results(&outputs)
}

#[test]
fn a_program_that_is_cut_off_after_any_batch_goes_on_as_if_nothing_had_been() {
    let expected = uninterrupted();
    assert_eq!(batches_in(&expected), BATCHES);
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
            assert_eq!(records, expected[&batch], "batch and output {batch:?}, cut off after {cut}");
            seen.insert(batch, records);
        }
        assert_eq!(seen, expected, "cut off after {cut}");
    }
}

/// Runs the program on `disk` until that fails, and what came of it.
fn run_until_it_fails(disk: &SimFs) -> Results {
    let test = context(0, 2);
    let outputs = program(&test);
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let _ = test.run(BATCHES / 2);
    results(&outputs)
}

/// Goes on with what a power cut has left; the results must be those of a program that was not interrupted.
pub(crate) fn assert_goes_on(left: SimFs, seen: &Results, expected: &Results, what: &str) {
    let after = batches_in(seen);
    let test = context(after, 2);
    let outputs = program(&test);
    test.go_on(Arc::new(left) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(BATCHES - after).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut seen = seen.clone();
    for (batch, records) in results(&outputs) {
        assert_eq!(records, expected[&batch], "batch and output {batch:?}, {what}");
        seen.insert(batch, records);
    }
    assert_eq!(&seen, expected, "{what}");
}

/// The power fails at every operation of the disk, and leaves what it may.
#[test]
fn a_power_cut_at_any_operation_of_the_disk_loses_nothing() {
    let expected = uninterrupted();
    let whole = SimFs::new();
    run_until_it_fails(&whole);
    let operations = whole.operations();
    assert!(operations > 50, "{operations}");
    let (mut ledger, mut images) = (Ledger::new("power cuts, whole program", 0), 0);
    for at in (0..=operations).step_by(power_cuts::step()) {
        let disk = SimFs::new();
        disk.crash_after(at);
        let seen = run_until_it_fails(&disk);
        for cut in power_cuts::cuts(at) {
            assert_goes_on(
                disk.crash(cut),
                &seen,
                &expected,
                &format!("power cut at operation {at}, {cut:?}"),
            );
            images += 1;
        }
    }
    ledger.set("cycles", images);
    ledger.set("operations", operations);
    ledger.set("lost", 0);
    ledger.note(None);
}

/// A disk on which the program has run for seven batches, with checkpoints at 3 and 6.
pub(crate) fn used_disk() -> SimFs {
    let disk = SimFs::new();
    let test = context(0, 2);
    let _outputs = program(&test);
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let are = |generations: [&str; 2]| {
        let names = manifests(&disk).into_iter().map(|path| path.file_stem().unwrap().to_owned());
        names.eq(generations)
    };
    test.run(4).unwrap();
    eventually("the first checkpoint is written", || are(["0000000000000001", "0000000000000002"]));
    test.run(3).unwrap();
    eventually("the second is", || are(["0000000000000002", "0000000000000003"]));
    disk.crash(PowerCut::Kept)
}

pub(crate) fn manifests(disk: &SimFs) -> Vec<PathBuf> {
    let dir = Path::new("/checkpoint/checkpoints");
    let names = disk.list(dir).unwrap().into_iter().map(|entry| dir.join(entry.name));
    names.filter(|path| path.extension().is_some_and(|kind| kind == "manifest")).collect()
}

pub(crate) fn overwrite(disk: &SimFs, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.read(path).unwrap();
    change(&mut bytes);
    disk.write_atomic(path, &bytes).unwrap();
}

/// What `start` says to a program on `disk`.
pub(crate) fn start_error(disk: &SimFs, test: &TestContext) -> String {
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.start().unwrap_err().to_string()
}

#[test]
fn a_damaged_checkpoint_is_passed_over_for_the_one_before() {
    let expected = uninterrupted();
    for damage in 0..4 {
        let disk = used_disk();
        let newest = manifests(&disk).pop().unwrap();
        match damage {
            0 => overwrite(&disk, &newest, |bytes| bytes.truncate(40)),
            1 => overwrite(&disk, &newest, |bytes| bytes[60] ^= 4),
            2 => disk.remove_file(&newest.with_extension("data")).unwrap(),
            _ => overwrite(&disk, &newest.with_extension("data"), |bytes| bytes[0] ^= 1),
        }
        let seen: Results = expected.clone().into_iter().filter(|((batch, _), _)| *batch <= 7).collect();
        assert_goes_on(disk, &seen, &expected, &format!("damage {damage}"));
    }
}

#[test]
fn when_no_checkpoint_is_good_the_program_does_not_start() {
    let disk = used_disk();
    for manifest in manifests(&disk) {
        overwrite(&disk, &manifest, |bytes| bytes.truncate(10));
    }
    let test = context(7, 2);
    program(&test);
    let error = start_error(&disk, &test);
    assert!(error.contains("none of the checkpoints") && error.contains("is cut off"), "{error}");
    assert!(error.contains("Restore the directory"), "{error}");
}

#[test]
fn a_log_without_checkpoints_is_not_begun_anew() {
    let disk = used_disk();
    disk.remove_dir_all(Path::new("/checkpoint/checkpoints")).unwrap();
    let test = context(7, 2);
    program(&test);
    let error = start_error(&disk, &test);
    assert!(error.contains("has a log but no checkpoint"), "{error}");
}

#[test]
fn a_checkpoint_of_a_newer_version_is_named() {
    let disk = used_disk();
    overwrite(&disk, &manifests(&disk).pop().unwrap(), |bytes| {
        bytes[8] = 9;
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[..20]), &bytes[24..]);
        bytes[20..24].copy_from_slice(&crc.to_le_bytes());
    });
    let test = context(7, 2);
    program(&test);
    let error = start_error(&disk, &test);
    assert!(error.contains("has format 9") && error.contains("newer version of Millstream"), "{error}");
}

#[test]
fn two_programs_cannot_have_one_directory() {
    let disk = SimFs::new();
    let (first, second) = (context(0, 2), context(0, 2));
    program(&first);
    program(&second);
    first.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    first.run(1).unwrap();
    let error = start_error(&disk, &second);
    assert!(error.contains("/checkpoint is not free"), "{error}");
}

#[test]
fn a_directory_with_a_checkpoint_is_not_begun_anew() {
    let disk = used_disk();
    let test = context(7, 2);
    program(&test);
    test.checkpoint_on(Arc::new(disk), "/checkpoint").unwrap();
    let error = test.start().unwrap_err().to_string();
    assert!(
        error.contains("holds the checkpoint of \"millstream\"") && error.contains("get_or_create"),
        "{error}"
    );
}

#[test]
fn another_program_or_another_interval_is_refused() {
    let with = |config: Config| {
        let test = TestContext::with_config(config, Time::from_millis(7_000)).unwrap();
        program(&test);
        start_error(&used_disk(), &test)
    };
    let error = with(Config::new().batch_interval(SECOND).app_name("another"));
    assert!(error.contains("is that of \"millstream\", and this program is \"another\""), "{error}");
    let error = with(Config::new().batch_interval(SECOND / 2));
    assert!(error.contains("batches of 1000 ms") && error.contains("batches of 500 ms"), "{error}");
}

/// A changed program: an operator is gone, another has other types, a third is new.
#[test]
fn state_that_has_no_place_stops_the_start_until_it_is_given_up() {
    let disk = SimFs::new();
    let test = context(0, 2);
    let pairs = test.input(batches(), 2).unwrap();
    let totals = |values: &[i64], sum: Option<i64>| Some(sum.unwrap_or(0) + values.iter().sum::<i64>());
    test.collect(&pairs.update_state_by_key(totals).named("kept"));
    test.collect(&pairs.update_state_by_key(totals).named("gone"));
    test.collect(&pairs.update_state_by_key(totals).named("retyped"));
    test.checkpoint_on(Arc::new(disk.clone()), "/checkpoint").unwrap();
    test.run(7).unwrap();
    test.stop(true).unwrap();
    drop(test);

    let changed = |drop_state: &str| {
        let config = Config::new().batch_interval(SECOND).drop_state(drop_state);
        let test = TestContext::with_config(config, Time::from_millis(7_000)).unwrap();
        let pairs = test.input(batches(), 2).unwrap();
        let kept = test.collect(&pairs.update_state_by_key(totals).named("kept"));
        let text = |values: &[i64], sum: Option<String>| {
            Some(format!("{}{}", sum.unwrap_or_default(), values.len()))
        };
        test.collect(&pairs.update_state_by_key(text).named("retyped"));
        test.collect(&pairs.update_state_by_key(totals).named("new"));
        (test, kept)
    };
    let (test, _) = changed("none");
    let error = start_error(&disk, &test);
    assert!(error.contains("\"gone\" (update_state_by_key (tests/suite/recovery.rs:"), "{error}");
    assert!(error.contains("\"retyped\" was update_state_by_key: i64 by u32 and is"), "{error}");
    assert!(error.contains("checkpoint.drop_state") && !error.contains("\"kept\""), "{error}");
    drop(test);
    let (test, kept) = changed("gone, retyped");
    test.go_on(Arc::new(disk), "/checkpoint").unwrap();
    test.run(1).unwrap();
    let mut expected = BTreeMap::<u32, i64>::new();
    batches()[..8].iter().flatten().for_each(|(key, value)| *expected.entry(*key).or_default() += value);
    assert_eq!(kept.sorted().pop().unwrap(), expected.into_iter().collect::<Vec<_>>());
}

/// The windows of a program that reads a directory into which each file comes late: batch `n` takes a file that was changed before
/// the batch `n - 1`. `dir` has the files of the batches up to `from`.
fn windows_of_late_files(disk: &SimFs, dir: &Path, from: usize, to: usize) -> BTreeMap<i64, Vec<String>> {
    let test = context(from, 2);
    let lines = test.file_stream(dir, |_| true, false, TextReader).unwrap().map(|line| line.to_string());
    let windows = test.collect(&lines.window_sliding(SECOND * 6, SECOND * 3));
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(usize::from(from == 0)).unwrap();
    for batch in (from + 1).max(2)..=to {
        let path = dir.join(batch.to_string());
        fs::write(&path, format!("line {batch}\n")).unwrap();
        let changed = SystemTime::UNIX_EPOCH + SECOND * batch as u32 - Duration::from_millis(1_500);
        File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
        test.run(1).unwrap();
    }
    let windows = windows.timed().into_iter();
    windows.map(|(time, lines)| (time.as_millis() / 1_000, lines)).collect()
}

/// Windows over whole records are in no checkpoint: what the batches before had taken is taken again, and nothing else.
#[test]
fn a_window_over_records_is_made_again_from_what_its_batches_had_claimed() {
    let dir = tempfile::tempdir().unwrap();
    let expected = windows_of_late_files(&SimFs::new(), dir.path(), 0, 12);
    assert_eq!(expected[&6], ["line 2", "line 3", "line 4", "line 5", "line 6"]);
    for cut in 2..12 {
        let (disk, dir) = (SimFs::new(), tempfile::tempdir().unwrap());
        let mut seen = windows_of_late_files(&disk, dir.path(), 0, cut);
        let left = disk.crash(PowerCut::Kept);
        seen.extend(windows_of_late_files(&left, dir.path(), cut, 12));
        assert_eq!(seen, expected, "cut off after {cut}");
    }
}

/// What was added up goes on after a restart, also when the restart makes batches again.
#[test]
fn named_accumulators_go_on() {
    let disk = SimFs::new();
    let count = |from: usize| {
        let test = context(from, 2);
        let seen = test.accumulators().long("records");
        let counted = seen.clone();
        let records = test.input(batches(), 2).unwrap();
        records.foreach_rdd(move |rdd, _| {
            counted.add(rdd.count()? as i64);
            Ok(())
        });
        (test, seen)
    };
    let sizes: Vec<i64> = batches().iter().map(|batch| batch.len() as i64).collect();
    let (test, seen) = count(0);
    test.checkpoint_on(Arc::new(disk.clone()), "/checkpoint").unwrap();
    test.run(4).unwrap();
    assert_eq!(seen.sum(), sizes[..4].iter().sum::<i64>());
    test.stop(true).unwrap();
    drop(test);
    let (test, seen) = count(4);
    test.go_on(Arc::new(disk), "/checkpoint").unwrap();
    test.run(2).unwrap();
    assert_eq!(seen.sum(), sizes[..6].iter().sum::<i64>());
}

/// Copies a directory with all that is in it.
pub(crate) fn copy(from: (&dyn Fs, &Path), to: (&dyn Fs, &Path)) {
    to.0.create_dir_all(to.1).unwrap();
    for entry in from.0.list(from.1).unwrap() {
        let (source, copied) = (from.1.join(&entry.name), to.1.join(&entry.name));
        if entry.is_dir {
            copy((from.0, &source), (to.0, &copied));
        } else {
            to.0.write_atomic(&copied, &from.0.read(&source).unwrap()).unwrap();
        }
    }
}
