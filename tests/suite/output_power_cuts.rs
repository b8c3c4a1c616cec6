//! Power cuts of a disk that has the outputs beside the log and the checkpoints: each batch is put out once, and whole; and each record
//! is in the results or among the dead letters, once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millstream::fs::{Fs, SimFs};
use millstream::io::file::BatchFolders;
use millstream::prelude::*;
use millstream::testkit::{PowerCut, TestContext};

use crate::ledger::Ledger;
use crate::power_cuts;
use crate::recovery::context;

const BATCHES: usize = 6;

/// The lines of each folder, by its name.
type Folders = BTreeMap<String, Vec<String>>;

/// A program on `disk` whose clock begins behind the batch `after`: what comes, without every fourth number, which is a dead letter; and how often
/// each key came so far.
fn begin(disk: &SimFs, after: usize) -> Result<TestContext> {
    let test = context(after, 2);
    let numbers = test.input((0..BATCHES as u64).map(|batch| (0..batch * 3).collect::<Vec<_>>()), 2)?;
    let counts = numbers.map(|number| (number, 1)).update_state_by_key(|new: &[u64], count: Option<u64>| {
        Some(count.unwrap_or(0) + new.iter().sum::<u64>())
    });
    let disk: Arc<dyn Fs> = Arc::new(disk.clone());
    let tried = numbers.try_map(|number| if number % 4 == 3 { Err("a fourth one") } else { Ok(*number) });
    let numbers = tried.dead_letter(BatchFolders::text("/out/letters", "txt").on(Arc::clone(&disk)));
    numbers.save_to(BatchFolders::text("/out/numbers", "").on(Arc::clone(&disk)));
    let counts = counts.map(|(number, count)| format!("{number} {count}"));
    counts.save_to(BatchFolders::text("/out/counts", "txt").on(Arc::clone(&disk)));
    test.go_on(disk, "/checkpoint")?;
    Ok(test)
}

/// What a reader of the outputs finds.
fn folders(disk: &SimFs) -> Folders {
    let out = Path::new("/out");
    let names = disk.list(out).unwrap_or_default().into_iter().map(|entry| entry.name.into_string().unwrap());
    let visible = names.filter(|name| !name.starts_with('.'));
    visible.map(|name| (name.clone(), lines_in(disk, &out.join(name)))).collect()
}

fn lines_in(disk: &SimFs, folder: &Path) -> Vec<String> {
    let names: Vec<_> = disk.list(folder).unwrap().into_iter().map(|entry| entry.name).collect();
    assert!(names.iter().any(|name| name == "_SUCCESS"), "{} is not complete", folder.display());
    let texts = names.iter().map(|name| String::from_utf8(disk.read(&folder.join(name)).unwrap()).unwrap());
    let mut lines: Vec<String> =
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

/// The number of the last batch that has a folder.
fn batches_in(folders: &Folders) -> usize {
    let numbers = folders.keys().filter_map(|name| name.strip_prefix("numbers-")?.parse::<usize>().ok());
    numbers.max().unwrap_or(0) / 1_000
}

/// What is in the results of a batch or among its dead letters.
fn numbers_and_letters(folders: &Folders, batch: usize) -> Vec<u64> {
    let time = batch * 1_000;
    let results = folders[&format!("numbers-{time}")].iter();
    let letters = folders[&format!("letters-{time}.txt")].iter();
    let origin = format!("batch {time} ms, partition ");
    let record = |letter: &String| {
        assert!(letter.starts_with(&origin) && letter.contains(": a fourth one: "), "{letter}");
        letter.rsplit(' ').next().unwrap().to_owned()
    };
    let mut all: Vec<u64> =
        results.cloned().chain(letters.map(record)).map(|number| number.parse().unwrap()).collect();
    all.sort_unstable();
    all
}

fn run_until_it_fails(disk: &SimFs) {
    if let Ok(test) = begin(disk, 0) {
        let _ = test.run(BATCHES);
    }
}

#[test]
fn a_power_cut_at_any_operation_puts_out_each_batch_once() {
    let whole = SimFs::new();
    run_until_it_fails(&whole);
    let (expected, operations) = (folders(&whole), whole.operations());
    assert_eq!((expected.len(), batches_in(&expected)), (3 * BATCHES, BATCHES));
    for batch in 1..=BATCHES {
        assert_eq!(numbers_and_letters(&expected, batch), (0..(batch as u64 - 1) * 3).collect::<Vec<_>>());
    }
    let (mut ledger, mut images) = (Ledger::new("power cuts, outputs on the same disk", 0), 0);
    for at in (0..=operations).step_by(power_cuts::step()) {
        let disk = SimFs::new();
        disk.crash_after(at);
        run_until_it_fails(&disk);
        let after = batches_in(&folders(&disk.crash(PowerCut::Kept)));
        for cut in power_cuts::cuts(at) {
            let left = disk.crash(cut);
            let what = format!("power cut at operation {at}, {cut:?}");
            let gone_on = begin(&left, after).and_then(|test| test.run(BATCHES - after));
            gone_on.unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(folders(&left), expected, "{what}");
            images += 1;
        }
    }
    ledger.set("cycles", images);
    ledger.set("operations", operations);
    ledger.set("lost", 0);
    ledger.note(None);
}
