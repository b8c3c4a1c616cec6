//! Directories of files whose disk fails: nothing is lost by what passes, and what does not pass is told.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::fs::{Fs, RealFs, SimFs};
use millstream_engine::testkit::{Call, Collected, Errno, Fault, FaultyFs, PowerCut, TestContext};
use millstream_engine::{Text, Time};
use millstream_io::Sources;
use millstream_io::file::{TextReader, is_visible};

use crate::directories::{with, write};
use crate::support::{config, counted, ms};

const FOR_EVER: u64 = u64::MAX;

fn faulty() -> FaultyFs {
    FaultyFs::new(Arc::new(RealFs))
}

/// The lines of new files of a folder that is on a disk which fails.
fn lines(test: &TestContext, disk: &FaultyFs, folder: &Path) -> Collected<Text> {
    let stream = test.file_stream_on(Arc::new(disk.clone()), folder, is_visible, true, TextReader).unwrap();
    test.collect(&stream)
}

/// Puts a file of one line, its name, that was changed half a second before the end of its batch.
fn put(folder: &Path, batch: i64) {
    write(&folder.join(batch.to_string()), &format!("{batch}\n"), batch * 1_000 - 500);
}

#[test]
fn files_that_appear_while_the_directory_cannot_be_listed_come_when_it_can() {
    for pattern in ["in", "i*"] {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("in");
        RealFs.create_dir_all(&folder).unwrap();
        let test = with(config().min_remember(ms(2_000)), 10_000);
        let disk = faulty();
        let seen = lines(&test, &disk, &root.path().join(pattern));
        put(&folder, 11);
        test.run(1).unwrap();
        disk.inject(Call::List, disk.calls(Call::List) + 1..=FOR_EVER, Fault::Error(Errno::Io));
        for batch in 12..=30 {
            put(&folder, batch);
            test.run(1).unwrap();
        }
        assert_eq!(seen.all(), ["11"], "nothing can be seen");
        disk.heal();
        for batch in 31..=35 {
            put(&folder, batch);
            test.run(1).unwrap();
        }
        assert_eq!(seen.all(), (11..=35).map(|batch| batch.to_string()).collect::<Vec<_>>(), "{pattern}");
        assert_eq!(seen.batches()[20].len(), 20, "the first batch that can see takes all");
    }
}

/// The batches that cannot list the directory.
const BLIND: RangeInclusive<i64> = 12..=20;

/// The lines of each batch.
type Batches = BTreeMap<Time, Vec<Text>>;

/// Runs the batches behind `from` up to `to`; what the disk has of them in the moment in which the process is killed, and what came.
fn life(checkpoints: &SimFs, interval: Duration, folder: &Path, [from, to]: [i64; 2]) -> (SimFs, Batches) {
    let config = config().min_remember(ms(2_000)).checkpoint_interval(interval);
    let test = with(config, from * 1_000);
    let disk = faulty();
    let seen = lines(&test, &disk, folder);
    test.go_on(Arc::new(checkpoints.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    for batch in from + 1..=to {
        put(folder, batch);
        if BLIND.contains(&batch) {
            disk.inject(Call::List, 1..=FOR_EVER, Fault::Error(Errno::Io));
        } else {
            disk.heal();
        }
        test.run(1).unwrap();
    }
    (checkpoints.crash(PowerCut::Kept), seen.timed().into_iter().collect())
}

#[test]
fn a_program_that_goes_on_from_a_checkpoint_knows_since_when_it_saw_nothing() {
    for (interval, restart) in
        [ms(1_000), ms(60_000)].into_iter().flat_map(|i| (11..=22).map(move |at| (i, at)))
    {
        let folder = tempfile::tempdir().unwrap();
        let (checkpoints, mut batches) = life(&SimFs::new(), interval, folder.path(), [10, restart]);
        // The last batch of the first life is put out again, with the same files.
        batches.extend(life(&checkpoints, interval, folder.path(), [restart, 25]).1);
        let mut numbers: Vec<i64> = batches.values().flatten().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (11..=25).collect::<Vec<_>>(), "{interval:?}, restart behind {restart}");
    }
}

#[test]
fn whichever_call_fails_once_each_line_comes_once() {
    let (mut n, mut faults) = (0, 1);
    while faults > 0 {
        n += 1;
        let folder = tempfile::tempdir().unwrap();
        let test = with(config().min_remember(ms(2_000)).split_bytes(1 << 10), 10_000);
        let disk = faulty();
        let seen = lines(&test, &disk, folder.path());
        disk.inject(Call::Any, n..=n, Fault::Error(Errno::Io));
        let long: String = (0..700).map(|i| format!("{i}\n")).collect();
        write(&folder.path().join("long"), &long, 10_500);
        write(&folder.path().join("other"), "700\n701\n", 11_500);
        test.run(4).unwrap();
        let mut numbers: Vec<u32> = seen.all().iter().map(|line| line.parse().unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..=701).collect::<Vec<_>>(), "call {n}");
        assert_eq!(counted(&test, "skipped files"), "0");
        faults = disk.faults();
    }
    assert!(n > 10, "the calls are counted");
}

#[test]
fn a_file_that_never_can_be_read_stops_the_program_and_goes_when_it_is_moved_away() {
    let folder = tempfile::tempdir().unwrap();
    let disk = faulty();
    disk.inject(Call::Read, 1..=FOR_EVER, Fault::Error(Errno::Io));
    let checkpoints = SimFs::new();
    let start = |disk: &FaultyFs| {
        let test = with(config().max_failures(2), 10_000);
        let seen = lines(&test, disk, folder.path());
        test.go_on(Arc::new(checkpoints.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        (test, seen)
    };
    let (test, _) = start(&disk);
    put(folder.path(), 11);
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("Input/output error") && error.contains("move it away"), "{error}");
    drop(test);
    std::fs::remove_file(folder.path().join("11")).unwrap();
    let (test, seen) = start(&faulty());
    test.run(1).unwrap();
    assert_eq!(seen.all(), Vec::<Text>::new());
    assert_eq!(counted(&test, "skipped files"), "1");
}

#[test]
fn a_file_that_may_not_be_read_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let test = with(config(), 10_000);
    let disk = faulty();
    let seen = lines(&test, &disk, folder.path());
    disk.inject(Call::Open, 1..=1, Fault::Error(Errno::Access));
    put(folder.path(), 11);
    write(&folder.path().join("other"), "other\n", 10_800);
    test.run(1).unwrap();
    assert_eq!((seen.all().len(), counted(&test, "skipped files")), (1, "1".to_owned()));
}
