//! Sources that know where they are, into files, into a table and shown, with the power failing at many moments: each batch has what it
//! would have had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use millstream::fs::{Fs, SimFs};
use millstream::io::file::TextReader;
use millstream::io::queue::RddQueue;
use millstream::prelude::*;
use millstream::testkit::{PowerCut, TestContext};

use crate::recovery::{SECOND, context};
use crate::table::Table;

/// The batches of a program, and in which of them its first and its second life end at the latest.
const BATCHES: usize = 14;
const ENDS: [usize; 2] = [5, 10];

/// The records of a batch; some have none.
fn records(batch: usize) -> impl Iterator<Item = u64> {
    (0..batch as u64 * 3 % 7).map(move |i| batch as u64 * 100 + i)
}

/// What outlives the process.
struct Outputs {
    disk: SimFs,
    table: Table,
    /// Shown as it comes.
    shown: Arc<Mutex<BTreeSet<u64>>>,
    files: tempfile::TempDir,
}

impl Outputs {
    fn new() -> Self {
        let (table, shown) = (Table::default(), Arc::default());
        Outputs { disk: SimFs::new(), table, shown, files: tempfile::tempdir().unwrap() }
    }

    fn prefix(&self) -> String {
        self.files.path().join("rows").display().to_string()
    }

    /// The numbers in the folder of a batch, sorted.
    fn saved(&self, time_ms: i64) -> Vec<u64> {
        let mut numbers = Vec::new();
        for part in fs::read_dir(format!("{}-{time_ms}", self.prefix())).unwrap() {
            let text = fs::read_to_string(part.unwrap().path()).unwrap();
            numbers.extend(text.lines().map(|line| line.parse::<u64>().unwrap()));
        }
        numbers.sort_unstable();
        numbers
    }
}

/// A source: the stream of a life, how a batch comes to its records, and the batches whose records a batch of the stream has.
struct Source<'a> {
    window: usize,
    stream: &'a dyn Fn(&TestContext) -> DStream<BoxRdd<u64>>,
    feed: &'a dyn Fn(usize),
}

impl Source<'_> {
    /// One life, behind the batch `from`, until the batch `to` or until the disk fails; its last batch.
    fn live(&self, outputs: &Outputs, from: usize, to: usize) -> usize {
        let test = context(from, 2);
        let stream = (self.stream)(&test);
        stream.save_as_text_files(&outputs.prefix(), "");
        stream.save_to(outputs.table.clone());
        let shown = Arc::clone(&outputs.shown);
        stream.foreach_rdd(move |rdd, _| {
            let records = rdd.collect()?;
            shown.lock().unwrap().extend(records);
            Ok(())
        });
        test.go_on(Arc::new(outputs.disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        // What is left to be made again, or was missed, comes first.
        if test.run(0).is_err() {
            return from;
        }
        for batch in from + 1..=to {
            (self.feed)(batch);
            if test.run(1).is_err() {
                return batch;
            }
        }
        to
    }

    /// Three lives, of which two end with a power cut, so many operations of the disk after their beginning; how often a batch was
    /// prepared or committed again.
    fn lives(&self, at: u64) -> usize {
        let mut outputs = Outputs::new();
        // A program that has no checkpoint yet has not begun.
        let mut batch = self.live(&outputs, 0, 1);
        for (to, cut) in ENDS.into_iter().zip([PowerCut::Lost, PowerCut::Random(at)]) {
            outputs.disk = outputs.disk.crash(PowerCut::Kept);
            outputs.disk.crash_after(outputs.disk.operations() + at);
            batch = self.live(&outputs, batch, to);
            outputs.disk = outputs.disk.crash(cut);
        }
        assert_eq!(self.live(&outputs, batch, BATCHES), BATCHES, "at {at}");
        self.check(&outputs, at)
    }

    fn check(&self, outputs: &Outputs, at: u64) -> usize {
        let first = |batch: usize| batch.saturating_sub(self.window - 1);
        let of = |batch: usize| (first(batch)..=batch).flat_map(records).collect::<Vec<_>>();
        let expected: BTreeMap<i64, _> =
            (1..=BATCHES).map(|batch| (batch as i64 * 1_000, of(batch))).collect();
        let rows = std::mem::take(&mut *outputs.table.rows());
        assert_eq!(rows.committed, expected, "at {at}");
        assert_eq!(rows.changed, [], "at {at}");
        assert_eq!(*outputs.shown.lock().unwrap(), expected.values().flatten().copied().collect(), "at {at}");
        for (time, expected) in expected {
            assert_eq!(outputs.saved(time), expected, "files of the batch at {time} ms, at {at}");
        }
        rows.repeated
    }
}

/// Moments at which the disk fails: from the first operations of a life to where it does not fail before its end.
fn moments() -> impl Iterator<Item = u64> {
    (1..110).step_by(4)
}

/// Puts a file into the directory that was changed half a second before its batch.
fn put(dir: &Path, batch: usize, bytes: &[u8]) {
    let path = dir.join(format!("{batch}"));
    let hidden = dir.join(format!(".{batch}"));
    fs::write(&hidden, bytes).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_millis(batch as u64 * 1_000 - 500);
    File::options().write(true).open(&hidden).unwrap().set_modified(changed).unwrap();
    fs::rename(hidden, path).unwrap();
}

/// Compares all lives of directories of files with what their batches should have; `stream` reads what `encode` writes.
fn directories_are_gone_on_with(
    stream: fn(&TestContext, &Path) -> DStream<BoxRdd<u64>>,
    encode: fn(u64) -> Vec<u8>,
) {
    let mut repeated = 0;
    for at in moments() {
        let dir = tempfile::tempdir().unwrap();
        let put = |batch: usize| put(dir.path(), batch, &records(batch).flat_map(encode).collect::<Vec<_>>());
        let source = Source { window: 1, stream: &|test| stream(test, dir.path()), feed: &put };
        repeated += source.lives(at);
    }
    assert!(repeated > 0, "no batch was ever cut off in its midst");
}

#[test]
fn each_file_of_a_file_stream_is_given_once() {
    let stream = |test: &TestContext, dir: &Path| {
        let lines = test.file_stream(dir, |_| true, true, TextReader).unwrap();
        lines.map(|line| line.parse().unwrap()).boxed()
    };
    directories_are_gone_on_with(stream, |number| format!("{number}\n").into_bytes());
}

#[test]
fn each_record_of_binary_files_is_given_once() {
    let stream = |test: &TestContext, dir: &Path| {
        let records = test.binary_records_stream(dir, 8).unwrap();
        records.map(|record| u64::from_le_bytes(record[..].try_into().unwrap())).boxed()
    };
    directories_are_gone_on_with(stream, |number| number.to_le_bytes().to_vec());
}

/// The queue of a program that pushes the same RDDs in each life.
fn queue(test: &TestContext, rdds: usize) -> DStream<BoxRdd<u64>> {
    let queue = RddQueue::new();
    (1..=rdds).for_each(|batch| assert!(queue.push(test.parallelize(records(batch), 2))));
    test.queue_stream(&queue, true).unwrap().boxed()
}

/// The same, in windows of three batches: these are not in checkpoints, and so the batches before a checkpoint are made again, too.
fn windows(test: &TestContext, rdds: usize) -> DStream<BoxRdd<u64>> {
    queue(test, rdds).window(SECOND * 3).boxed()
}

#[test]
fn each_rdd_of_a_queue_that_is_pushed_again_is_given_once() {
    let source = Source { window: 1, stream: &|test| queue(test, BATCHES), feed: &|_| () };
    let repeated: usize = moments().map(|at| source.lives(at)).sum();
    assert!(repeated > 0, "no batch was ever cut off in its midst");
}

#[test]
fn windows_over_a_queue_that_is_pushed_again_are_those_of_its_rdds() {
    let source = Source { window: 3, stream: &|test| windows(test, BATCHES), feed: &|_| () };
    let repeated: usize = moments().map(|at| source.lives(at)).sum();
    assert!(repeated > 0, "no batch was ever cut off in its midst");
}

/// Batches are made again of the RDDs that they had. When these are not there, it is told, and nothing is put out.
#[test]
fn a_queue_that_is_not_pushed_again_stops_the_program() {
    let outputs = Outputs::new();
    let source = Source { window: 3, stream: &|test| windows(test, BATCHES), feed: &|_| () };
    assert_eq!(source.live(&outputs, 0, 4), 4);
    let test = context(4, 2);
    windows(&test, 1).save_to(outputs.table.clone());
    test.go_on(Arc::new(outputs.disk.crash(PowerCut::Kept)) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let error = test.run(2).unwrap_err().to_string();
    assert!(error.contains("push the same RDDs again"), "{error}");
    assert_eq!(outputs.table.rows().committed.len(), 4);
}
