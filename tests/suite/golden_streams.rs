//! What a released version has written of a directory stream, of a receiver's texts, of an accumulator and of outputs to files, behind
//! batches that were missed and made as one: every later version goes on from it. See `golden.rs`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use millstream::fs::{Fs, RealFs, SimFs};
use millstream::io::file::{BatchFolders, TextReader};
use millstream::observe::LongAccumulator;
use millstream::prelude::*;
use millstream::receive::{Lines, ReceiverContext};
use millstream::testkit::{Call, Errno, Fault, FaultyFs, PowerCut, TestContext};

use crate::golden::{golden, is_to_be_written};
use crate::recovery::{SECOND, copy, manifests};
use crate::support::{BOUND, eventually};

/// The first life ends behind this batch, and the second begins behind it,
const FIRST: usize = 4;
/// makes this batch of all that came meanwhile,
const LATE: usize = 9;
/// and ends with this one, which it cannot put out.
const LAST: usize = 10;
/// The last batch of a life that goes on behind it.
const END: usize = 14;

/// A receiver that the test stores for.
struct Texts(Sender<ReceiverContext<Lines>>);

impl Receiver for Texts {
    type Format = Lines;

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        Ok(self.0.send(cx.clone())?)
    }

    fn on_stop(&mut self) {}
}

/// A program whose checkpoints are on `disk`, and whose files come and go on `outside`.
struct Life {
    test: TestContext,
    outside: FaultyFs,
    texts: ReceiverContext<Lines>,
    records: LongAccumulator,
}

/// Begins behind the batch `from`. What the simulated disk has was changed in 1970, so a directory stream that looks back as far as that
/// takes each file in the batch before which it comes.
fn life(disk: &SimFs, outside: &SimFs, from: usize) -> Life {
    let config =
        Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 3).min_remember(SECOND * 100);
    let config = config.checkpoint_collapse_missed(true).master(Master::Local(2));
    let test = TestContext::with_config(config, Time::from_millis(from as i64 * 1_000)).unwrap();
    let outside = FaultyFs::new(Arc::new(outside.clone()));
    let files = || Arc::new(outside.clone()) as Arc<dyn Fs>;
    let (sender, contexts) = mpsc::channel();
    let texts = test.receiver_stream(Texts(sender)).unwrap();
    let lines = test.file_stream_on(files(), "/outside/in", |_| true, false, TextReader).unwrap();
    let records = test.accumulators().long("records");
    let counted = records.clone();
    lines.foreach_rdd(move |rdd, _| {
        counted.add(rdd.count()? as i64);
        Ok(())
    });
    lines.save_to(BatchFolders::text("/outside/out/files", "").on(files()));
    texts.save_to(BatchFolders::text("/outside/out/texts", "txt").on(files()));
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(0).unwrap();
    let texts = contexts.recv_timeout(BOUND).expect("the receiver is not started");
    Life { test, outside, texts, records }
}

/// The lines of the file that comes before a batch; of some batches there is none.
fn lines_of(batch: usize) -> Vec<String> {
    (0..batch % 3).map(|line| format!("{batch} {line}")).collect()
}

fn text_of(batch: usize) -> String {
    format!("what was received before batch {batch}")
}

impl Life {
    /// Puts down what a batch takes, and makes it.
    fn make(&self, batch: usize) -> Result<()> {
        put(&self.outside, batch);
        self.texts.store_bytes_of("source", batch as u64, text_of(batch).as_bytes())?;
        self.test.run(1)
    }
}

fn put(outside: &dyn Fs, batch: usize) {
    let lines: String = lines_of(batch).iter().map(|line| format!("{line}\n")).collect();
    if !lines.is_empty() {
        outside.write_atomic(Path::new(&format!("/outside/in/{batch:02}")), lines.as_bytes()).unwrap();
    }
}

/// Two lives of the program: batches 1 to 4, then 9, and 10, of which the files were prepared and are not put out.
fn used_disks() -> (SimFs, SimFs) {
    let (disk, outside) = (SimFs::new(), SimFs::new());
    outside.create_dir_all(Path::new("/outside/in")).unwrap();
    outside.create_dir_all(Path::new("/outside/out")).unwrap();
    let first = life(&disk, &outside, 0);
    (1..FIRST).for_each(|batch| first.make(batch).unwrap());
    eventually("there is a checkpoint", || {
        manifests(&disk).last().is_some_and(|path| path.ends_with("0000000000000002.manifest"))
    });
    first.make(FIRST).unwrap();
    let disk = disk.crash(PowerCut::Kept);
    drop(first);
    (FIRST + 1..=LATE).for_each(|batch| put(&outside, batch));
    // All that came meanwhile is taken by the batch whose time has come.
    let second = life(&disk, &outside, LATE);
    (LATE + 1..LAST).for_each(|batch| second.make(batch).unwrap());
    // The file is put in its place by one rename, the output begun by two, its part finished by one; the next is that of the commit.
    let commit = second.outside.calls(Call::Rename) + 5;
    second.outside.inject(Call::Rename, commit..=commit, Fault::Error(Errno::Io));
    second.make(LAST).unwrap_err();
    (disk.crash(PowerCut::Kept), outside.crash(PowerCut::Kept))
}

/// The lines of each folder that is put out, by its name.
fn put_out(outside: &SimFs) -> BTreeMap<String, Vec<String>> {
    let out = Path::new("/outside/out");
    let names = outside.list(out).unwrap().into_iter().map(|entry| entry.name.into_string().unwrap());
    let lines = |folder: &str| {
        let parts = outside.list(&out.join(folder)).unwrap();
        let texts = parts.iter().map(|part| outside.read(&out.join(folder).join(&part.name)).unwrap());
        texts
            .flat_map(|text| String::from_utf8(text).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    };
    names.filter(|name| !name.starts_with('.')).map(|name| (name.clone(), lines(&name))).collect()
}

fn expected() -> BTreeMap<String, Vec<String>> {
    let mut expected = BTreeMap::new();
    for batch in (1..=FIRST).chain(LATE..=END) {
        let missed = if batch == LATE { FIRST + 1 } else { batch };
        expected.insert(format!("files-{batch}000"), (missed..=batch).flat_map(lines_of).collect());
        // The receiver was not there yet when the batch of all that was missed was made.
        let texts = if batch == LATE { Vec::new() } else { vec![text_of(batch)] };
        expected.insert(format!("texts-{batch}000.txt"), texts);
    }
    expected
}

#[test]
fn streams_of_the_first_version_are_gone_on_with() {
    let name = golden("checkpoint-1-streams");
    if is_to_be_written() {
        let (disk, outside) = used_disks();
        copy((&disk, Path::new("/checkpoint")), (&RealFs, &name.join("checkpoint")));
        copy((&outside, Path::new("/outside")), (&RealFs, &name.join("outside")));
    }
    let (disk, outside) = (SimFs::new(), SimFs::new());
    copy((&RealFs, &name.join("checkpoint")), (&disk, Path::new("/checkpoint")));
    copy((&RealFs, &name.join("outside")), (&outside, Path::new("/outside")));
    let before = put_out(&outside);
    assert!(!before.contains_key("files-10000"), "it was not put out");

    let next = life(&disk, &outside, LAST);
    assert!(next.records.sum() > 0, "the accumulator goes on");
    assert_eq!(next.texts.stored_of("source"), LAST as u64, "the source goes on where it was");
    (LAST + 1..=END).for_each(|batch| next.make(batch).unwrap());
    assert_eq!(put_out(&outside), expected());
}
