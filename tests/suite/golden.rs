//! What released versions have written, each in a folder of its own under `tests/golden`: every later version reads it. Nothing there ever
//! changes. `MILLSTREAM_WRITE_GOLDEN=1` with the name of the test writes a folder anew: only when there is a new format, which then
//! gets another name. The log's own folders are in `engine/tests/golden`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use millstream::deliver::{Guarantee, PartitionRecords, Sink};
use millstream::fs::{Fs, RealFs, SimFs};
use millstream::io::queue::RddQueue;
use millstream::prelude::*;
use millstream::receive::{ReceiverContext, Records};
use millstream::testkit::{PowerCut, TestContext};

use crate::recovery::{Results, SECOND, assert_goes_on, context, copy, manifests, uninterrupted, used_disk};
use crate::support::{HandEnd, eventually, hand};

pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

pub(crate) fn is_to_be_written() -> bool {
    std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some()
}

/// A checkpoint directory that a released version has written; `written` is one of today.
fn directory(name: &str, written: impl FnOnce() -> SimFs) -> SimFs {
    let (disk, dir) = (SimFs::new(), Path::new("/checkpoint"));
    if is_to_be_written() {
        copy((&written(), dir), (&RealFs, &golden(name)));
    }
    copy((&RealFs, &golden(name)), (&disk, dir));
    disk
}

/// Windows and states of all kinds, in a checkpoint and in the batches behind it.
#[test]
fn a_checkpoint_directory_of_the_first_version_is_gone_on_with() {
    let disk = directory("checkpoint-1", used_disk);
    let expected = uninterrupted();
    let seen: Results = expected.clone().into_iter().filter(|((batch, _), _)| *batch <= 7).collect();
    assert_goes_on(disk, &seen, &expected, "a directory of the first version");
}

/// What object files hold: a record of every kind of field.
type Object = (u32, i64, String, Option<bool>, Vec<f64>);

fn objects() -> Vec<Object> {
    let object = |i: u32| {
        let values = (0..i % 4).map(|n| f64::from(n) / 8.0 - 1.0).collect();
        let is_odd = (!i.is_multiple_of(3)).then_some(!i.is_multiple_of(2));
        (i * 1_000, i64::from(i) - 5, "väl".repeat(i as usize % 3), is_odd, values)
    };
    (0..10).map(object).collect()
}

#[test]
fn object_files_of_the_first_version_are_read_and_written_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let test = context(0, 2);
    test.input([objects()], 3)
        .unwrap()
        .save_as_object_files(&dir.path().join("objects").display().to_string(), "");
    test.run(1).unwrap();
    let (written, golden) = (dir.path().join("objects-1000"), golden("objects-1"));
    if is_to_be_written() {
        copy((&RealFs, &written), (&RealFs, &golden));
    }
    for part in ["_SUCCESS", "part-00000", "part-00001", "part-00002"] {
        assert_eq!(fs::read(written.join(part)).unwrap(), fs::read(golden.join(part)).unwrap(), "{part}");
    }
    assert!(fs::read(golden.join("part-00000")).unwrap().starts_with(b"MSO1"));
    let read = test.object_file::<Object>(&golden).unwrap();
    assert_eq!((read.num_partitions(), read.collect().unwrap()), (3, objects()));
}

/// A batch's key and what came of it.
type Row = (u64, i64);

/// A table whose commits need nothing but what was prepared.
#[derive(Clone, Default)]
struct Table {
    rows: Arc<Mutex<BTreeMap<i64, Vec<Row>>>>,
    prepared: Arc<Mutex<BTreeSet<i64>>>,
    /// The batch, in seconds, that cannot be committed.
    fails_at: Option<i64>,
}

impl Sink<Row> for Table {
    type Staged = Vec<Row>;

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn prepare(
        &self,
        batch: Time,
        _partition: usize,
        records: PartitionRecords<'_, Row>,
    ) -> Result<Vec<Row>, BoxError> {
        self.prepared.lock().unwrap().insert(batch.as_millis() / 1_000);
        let mut rows = Vec::new();
        records.for_each(|record| {
            rows.push(record);
            Ok(())
        })?;
        Ok(rows)
    }

    fn commit(&self, batch: Time, staged: &[Vec<Row>]) -> Result<(), BoxError> {
        let batch = batch.as_millis() / 1_000;
        if self.fails_at == Some(batch) {
            return Err("the table cannot be reached".into());
        }
        let mut rows = staged.concat();
        rows.sort_unstable();
        self.rows.lock().unwrap().insert(batch, rows);
        Ok(())
    }

    fn abort(&self, _batch: Time, _staged: &[Vec<Row>]) -> Result<(), BoxError> {
        Ok(())
    }
}

/// The batch at which the first life ends, and the last one of the second.
const CUT: usize = 7;
const END: usize = 14;

/// A program with windows of several panes over a queue, and a receiver whose source counts; each has a table.
struct Life {
    test: TestContext,
    tables: [Table; 3],
    source: HandEnd<u64>,
}

fn life(from: usize, fails_at: Option<i64>) -> Life {
    let test = context(from, 2);
    let last = Table { fails_at, ..Table::default() };
    let tables = [Table::default(), Table::default(), last];
    let (receiver, source) = hand::<u64>();
    test.receiver_stream(receiver).unwrap().map(|number| (number, 1)).save_to(tables[0].clone());
    let queue = RddQueue::new();
    let pairs = |batch: u64| (0..batch * 5 % 8).map(move |i| ((batch + i * i) % 5, i as i64 - 2));
    (1..=END as u64).for_each(|batch| assert!(queue.push(test.parallelize(pairs(batch), 2))));
    let pairs = test.queue_stream(&queue, true).unwrap();
    let most = pairs.reduce_by_key_and_window(i64::max, SECOND * 6, SECOND * 2).named("most");
    let sums = pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 5, SECOND);
    most.save_to(tables[1].clone());
    sums.named("sums").save_to(tables[2].clone());
    Life { test, tables, source }
}

impl Life {
    /// Begins where the source is.
    fn start(&self, from: usize) -> ReceiverContext<Records<u64>> {
        self.test.run(0).unwrap();
        let cx = self.source.started();
        assert_eq!(cx.stored_of("source"), from as u64 * 2, "the source goes on where it was");
        cx
    }

    /// Makes batches, each with two numbers of the receiver's source.
    fn run(&self, cx: &ReceiverContext<Records<u64>>, batches: Range<usize>) -> Result<()> {
        for batch in batches.start as u64..batches.end as u64 {
            cx.store_block_of("source", batch * 2 + 2, batch * 2..batch * 2 + 2)?;
            self.test.run(1)?;
        }
        Ok(())
    }

    fn rows(&self) -> [BTreeMap<i64, Vec<Row>>; 3] {
        self.tables.each_ref().map(|table| table.rows.lock().unwrap().clone())
    }
}

/// A disk on which the program has made seven batches: two checkpoints, the batches behind them with what they had claimed, and the last
/// one prepared for its last table and not committed.
fn prepared_disk() -> SimFs {
    let disk = SimFs::new();
    let life = life(0, Some(CUT as i64));
    life.test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let is_newest = |name: &str| manifests(&disk).last().is_some_and(|path| path.ends_with(name));
    let cx = life.start(0);
    life.run(&cx, 0..4).unwrap();
    eventually("the first checkpoint is written", || is_newest("0000000000000002.manifest"));
    life.run(&cx, 4..CUT - 1).unwrap();
    eventually("the second is", || is_newest("0000000000000003.manifest"));
    let error = life.run(&cx, CUT - 1..CUT).unwrap_err().to_string();
    assert!(error.contains("the table cannot be reached"), "{error}");
    disk.crash(PowerCut::Kept)
}

/// The log of the first version knows outputs by their places.
#[test]
fn a_directory_of_the_first_version_with_a_prepared_batch_is_gone_on_with() {
    assert_goes_on_with_what_is_prepared("checkpoint-1-prepared");
}

/// That of the second knows them by their names.
#[test]
fn a_directory_of_the_second_version_with_a_prepared_batch_is_gone_on_with() {
    assert_goes_on_with_what_is_prepared("checkpoint-2-prepared");
}

/// What was prepared is committed as it was; windows of several panes, a queue and a source that counts go on where they were.
fn assert_goes_on_with_what_is_prepared(name: &str) {
    let whole = life(0, None);
    whole.run(&whole.start(0), 0..END).unwrap();
    let expected = whole.rows();

    let disk = directory(name, prepared_disk);
    let next = life(CUT, None);
    next.test.go_on(Arc::new(disk) as Arc<dyn Fs>, "/checkpoint").unwrap();
    next.run(&next.start(CUT), CUT..END).unwrap();
    let prepared = CUT as i64;
    assert!(!next.tables[2].prepared.lock().unwrap().contains(&prepared), "it is computed again");
    assert_eq!(next.rows()[2].first_key_value().unwrap().0, &prepared, "it is not committed");
    for (rows, expected) in next.rows().iter().zip(&expected) {
        assert!(rows.iter().all(|(batch, rows)| expected[batch] == *rows), "{rows:?}");
        let behind = |rows: &BTreeMap<i64, _>| rows.range(prepared + 1..).count();
        assert_eq!(behind(rows), behind(expected));
    }
}
