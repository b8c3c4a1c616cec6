//! What a receiver and an output promise together: the table in the README, row by row, with the power failing at many moments.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::fs::{Fs, SimFs};
use millstream::prelude::*;
use millstream::testkit::{PowerCut, TestContext};

use crate::support::{HandEnd, hand, ms};
use crate::table::Table;

const RECORDS: u64 = 60;
const PER_BLOCK: u64 = 3;
const INTERVAL: Duration = Duration::from_secs(1);

/// How a receiver stores, and so what it can promise.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Storing {
    /// Numbered blocks: the source goes on behind what is stored.
    Numbered,
    /// Blocks that are acknowledged: the source sends again what is not.
    Acknowledged,
    /// One by one, and no way back.
    Plain,
}

/// What all lives of a program have given.
#[derive(Default)]
struct Given {
    /// Replaced when a batch comes again, as files are that are named by it.
    by_batch: BTreeMap<i64, Vec<u64>>,
    /// Shown as it comes.
    shown: Vec<u64>,
    /// In the hands of a sink.
    table: Table,
    /// The disk whose power is cut while a batch is shown, and after how many with records.
    cut: Option<(SimFs, usize)>,
}

impl Given {
    fn show(&mut self, time: Time, records: Vec<u64>) {
        if let Some((disk, left)) = self.cut.as_mut().filter(|_| !records.is_empty()) {
            *left = left.saturating_sub(1);
            if *left == 0 {
                disk.crash_after(disk.operations());
            }
        }
        self.shown.extend(&records);
        self.by_batch.insert(time.as_millis(), records);
    }
}

type Shelf = Arc<Mutex<Given>>;

/// One life of the program, on `disk`.
fn begin(disk: &SimFs, batches: i64, wal: bool, shelf: &Shelf) -> (TestContext, HandEnd<u64>) {
    let config = Config::new().batch_interval(INTERVAL).checkpoint_interval(INTERVAL * 2);
    let config = config.master(Master::Local(2)).pin_receivers(false).write_ahead_log(wal);
    let config = config.graceful_stop_timeout(ms(60_000));
    let test = TestContext::with_config(config, Time::from_millis(batches * 1_000)).unwrap();
    let (receiver, end) = hand::<u64>();
    let numbers = test.receiver_stream(receiver).unwrap();
    let given = Arc::clone(shelf);
    numbers.foreach_rdd(move |rdd, time| {
        let records = rdd.collect()?;
        given.lock().unwrap().show(time, records);
        Ok(())
    });
    numbers.save_to(shelf.lock().unwrap().table.clone());
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    (test, end)
}

/// The source's side: it stores from where it is, a block a batch, until it fails or has no more.
fn feed(
    test: &TestContext,
    end: &HandEnd<u64>,
    storing: Storing,
    sent: &mut u64,
    batches: u64,
) -> Result<()> {
    test.start()?;
    let cx = end.started();
    if storing == Storing::Numbered {
        *sent = cx.stored_of("source");
    }
    for _ in 0..batches {
        let to = (*sent + PER_BLOCK).min(RECORDS);
        match storing {
            Storing::Numbered => cx.store_block_of("source", to, *sent..to)?,
            Storing::Acknowledged => cx.store_block(*sent..to)?,
            Storing::Plain => {
                for number in *sent..to {
                    cx.store(&number)?;
                    *sent = number + 1;
                }
            }
        }
        *sent = to;
        test.run(1)?;
    }
    Ok(())
}

/// A program whose disk fails twice, after so many operations, and once while a batch is shown, and which then comes to its end.
fn lives(storing: Storing, wal: bool, at: u64) -> Given {
    let (shelf, mut sent, mut disk) = (Shelf::default(), 0, SimFs::new());
    for (life, cut) in [PowerCut::Lost, PowerCut::Random(at)].into_iter().enumerate() {
        disk.crash_after(disk.operations() + at);
        let (test, end) = begin(&disk, batches_in(&shelf), wal, &shelf);
        let _ = feed(&test, &end, storing, &mut sent, 6 + life as u64);
        let left = disk.crash(cut);
        drop(test);
        disk = left;
    }
    shelf.lock().unwrap().cut = Some((disk.clone(), 3));
    let (test, end) = begin(&disk, batches_in(&shelf), wal, &shelf);
    let _ = feed(&test, &end, storing, &mut sent, 4);
    disk = disk.crash(PowerCut::Lost);
    drop(test);
    shelf.lock().unwrap().cut = None;
    let (test, end) = begin(&disk, batches_in(&shelf), wal, &shelf);
    feed(&test, &end, storing, &mut sent, RECORDS / PER_BLOCK).unwrap();
    test.stop(true).unwrap();
    drop(test);
    std::mem::take(&mut shelf.lock().unwrap())
}

/// The number of the last batch that anybody has seen.
fn batches_in(shelf: &Shelf) -> i64 {
    let given = shelf.lock().unwrap();
    let rows = given.table.rows();
    let last = given.by_batch.keys().chain(rows.committed.keys()).max();
    last.map_or(0, |time| time / 1_000)
}

/// How often each number was given.
fn times(given: impl IntoIterator<Item = u64>) -> BTreeMap<u64, usize> {
    given.into_iter().fold(BTreeMap::new(), |mut times, number| {
        *times.entry(number).or_default() += 1;
        times
    })
}

fn all(batches: &BTreeMap<i64, Vec<u64>>) -> BTreeMap<u64, usize> {
    times(batches.values().flatten().copied())
}

const EXACTLY_ONCE: fn(&usize) -> bool = |times| *times == 1;

/// Moments at which the disk fails: from the first operations of a life to where nothing fails any more.
fn moments() -> impl Iterator<Item = u64> {
    (8..120).step_by(7)
}

#[test]
fn numbered_blocks_are_given_once_by_batch_and_by_a_sink_and_shown_at_least_once() {
    for at in moments() {
        let given = lives(Storing::Numbered, true, at);
        for batches in [&given.by_batch, &given.table.rows().committed] {
            let seen = all(batches);
            assert!(seen.values().all(EXACTLY_ONCE) && seen.len() as u64 == RECORDS, "at {at}: {seen:?}");
        }
        assert!(
            given.shown.len() as u64 > RECORDS,
            "at {at}: the batch that was cut off was not shown again"
        );
        assert_eq!(times(given.shown).len() as u64, RECORDS, "at {at}");
    }
}

#[test]
fn acknowledged_blocks_are_given_at_least_once() {
    for at in moments() {
        let given = lives(Storing::Acknowledged, true, at);
        assert!(
            given.shown.len() as u64 > RECORDS,
            "at {at}: the batch that was cut off was not shown again"
        );
        for seen in [all(&given.by_batch), all(&given.table.rows().committed), times(given.shown)] {
            assert_eq!(seen.len() as u64, RECORDS, "at {at}: {seen:?}");
        }
    }
}

/// What was in the log comes, and nothing comes twice; the rest was never promised.
#[test]
fn plain_records_are_given_at_most_once_by_batch_and_by_a_sink() {
    for at in moments() {
        let given = lives(Storing::Plain, true, at);
        for batches in [&given.by_batch, &given.table.rows().committed] {
            let seen = all(batches);
            assert!(seen.values().all(EXACTLY_ONCE), "at {at}: {seen:?}");
            assert!(seen.len() as u64 >= RECORDS / 2, "at {at}: {seen:?}");
        }
        assert!(is_shown(&given), "at {at}");
    }
}

/// Whether all that was committed was shown, too.
fn is_shown(given: &Given) -> bool {
    let shown: BTreeSet<u64> = given.shown.iter().copied().collect();
    given.table.rows().committed.values().flatten().all(|number| shown.contains(number))
}

/// Without a log, what no complete batch has had is lost; what is there is right.
#[test]
fn without_a_log_nothing_comes_twice_by_batch() {
    for at in moments() {
        let given = lives(Storing::Plain, false, at);
        for batches in [&given.by_batch, &given.table.rows().committed] {
            let seen = all(batches);
            assert!(seen.values().all(EXACTLY_ONCE), "at {at}: {seen:?}");
            assert!(seen.len() as u64 >= RECORDS / 2, "at {at}: {seen:?}");
        }
        assert!(is_shown(&given), "at {at}");
    }
}

const FOOTNOTES: [char; 9] = ['¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// The names in backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The tests that a footnote names: those that stand behind their file.
fn named_tests(footnote: &str) -> Vec<(&str, &str)> {
    let (mut file, mut tests) = (None, Vec::new());
    for name in quoted(footnote) {
        if name.ends_with(".rs") {
            file = Some(name);
        } else if let Some(file) = file.filter(|_| name.contains('_') && !name.contains('.')) {
            tests.push((file, name));
        }
    }
    tests
}

/// Every promise in the README's table has a footnote, and every footnote names tests that there are.
#[test]
fn every_promise_names_the_test_that_proves_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let section = readme.split("What reaches the outputs, ").nth(1).unwrap();
    let table =
        section.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let mut used = BTreeSet::new();
    for row in table.skip(2) {
        let promises: Vec<_> = row.trim_matches('|').split('|').skip(1).collect();
        assert_eq!(promises.len(), 3, "{row}");
        for promise in promises {
            let marks: Vec<_> = promise.chars().filter(|c| FOOTNOTES.contains(c)).collect();
            assert!(!marks.is_empty(), "no test proves {promise:?} in {row}");
            used.extend(marks);
        }
    }
    assert_eq!(used.len(), FOOTNOTES.len(), "{used:?}");
    for mark in FOOTNOTES {
        let footnote = section.split(&format!("\n{mark} ")).nth(1).unwrap();
        let footnote = footnote.split(|c| FOOTNOTES.contains(&c)).next().unwrap();
        let tests = named_tests(footnote.split("\n\n").next().unwrap());
        assert!(!tests.is_empty(), "{mark} names no test");
        for (file, name) in tests {
            let source = fs::read_to_string(root.join(file)).unwrap();
            assert!(
                source.contains(&format!("#[test]\nfn {name}() {{")),
                "{mark}: there is no test {name} in {file}"
            );
        }
    }
}
