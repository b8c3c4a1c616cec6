//! Spark's BlockGeneratorSuite, as far as our builder does the same: it has no thread of its own, the supervisor ticks.

use std::thread;

use serde_json::Value;

use super::*;
use crate::block::{Content, Lines, Records, ring};
use crate::config::{Config, Master};
use crate::job::{Executor, Task};
use crate::rdd::Flow;
use crate::text::Text;

const SUITE: &str = include_str!("../../../../tests/vectors/BlockGeneratorSuite.json");

fn at(ms: i64) -> Time {
    Time::from_millis(ms)
}

fn bed<F: BlockFormat>(config: Config) -> (BlockBuilder<F>, Arc<BlockTracker>) {
    let (producer, consumer) = ring::channel(2);
    let executor = Executor::new(&config.master(Master::Local(1)));
    let tracker = BlockTracker::new(executor, Duration::from_millis(100), consumer);
    (BlockBuilder::new(Arc::clone(&tracker), producer), tracker)
}

/// Closes the batch at `time` and gives its blocks: their names and records.
fn pushed<F: BlockFormat>(tracker: &BlockTracker, time: i64) -> Vec<(i64, Vec<F::Item>)> {
    tracker.allocate(at(time));
    let segments = tracker.blocks_of(at(time)).unwrap().all();
    let task = Task::new(at(time), 0, 0);
    let records = |segment: &Segment| {
        let mut records = Vec::new();
        let content = segment.content(tracker.executor().chunks()).unwrap();
        let _ = F::for_each(&content, segment.records(), &task, |item| {
            records.push(item);
            Flow::Continue(())
        });
        assert_eq!(records.len() as u64, segment.records(), "the counted records are those that come out");
        records
    };
    segments.iter().map(|segment| (segment.block().as_millis(), records(segment))).collect()
}

#[test]
fn a_tick_pushes_what_was_stored() {
    let (builder, tracker) = bed::<Records<u64>>(Config::new());
    assert!(!tracker.has_unallocated());
    (1..=10).for_each(|n| builder.store(&n).unwrap());
    assert!(!tracker.has_unallocated(), "nothing is pushed before the tick");
    builder.tick(at(10));
    (11..=20).for_each(|n| builder.store(&n).unwrap());
    builder.tick(at(20));
    builder.store_block(21..=30, at(5_000)).unwrap();
    assert!(tracker.has_unallocated(), "a block of its own waits for no tick");
    let blocks = pushed::<Records<u64>>(&tracker, 100);
    assert_eq!(blocks, [(0, (1..=10).collect()), (10, (11..=20).collect()), (5_000, (21..=30).collect())]);
}

#[test]
fn a_cut_seals_what_was_stored_and_stays_in_the_interval() {
    let (builder, tracker) = bed::<Records<u64>>(Config::new());
    builder.tick(at(10));
    assert!(builder.is_empty());
    builder.store(&1).unwrap();
    assert!(!builder.is_empty());
    builder.cut();
    assert!(builder.is_empty());
    builder.store(&2).unwrap();
    builder.tick(at(20));
    assert_eq!(pushed::<Records<u64>>(&tracker, 100), [(10, vec![1]), (10, vec![2])]);
}

#[test]
fn a_cut_does_not_wait_for_who_is_storing() {
    let (builder, tracker) = bed::<Lines>(Config::new());
    builder
        .fill(8, |chunk| {
            chunk.extend_from_slice(b"line\n");
            builder.cut();
        })
        .unwrap();
    assert!(!tracker.has_unallocated() && !builder.is_empty(), "it is left to the end of the interval");
}

#[test]
fn blocks_are_named_by_the_beginning_of_their_interval() {
    let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
    let vector = vectors.iter().find(|vector| vector["name"] == "block ids").unwrap();
    let (builder, tracker) = bed::<Records<u64>>(Config::new());
    builder.tick(at(1_200));
    builder.store(&1).unwrap();
    builder.tick(at(1_400));
    builder.tick(at(1_600));
    let names: Vec<_> = pushed::<Records<u64>>(&tracker, 2_000).into_iter().map(|(name, _)| name).collect();
    let expected = vector["expected"].as_array().unwrap();
    assert!(expected[0].as_str().unwrap().ends_with(&format!("-{}", names[0])), "{names:?}");
    assert_eq!(names.len(), 1, "{}", expected[1]);
}

#[test]
fn a_closed_builder_accepts_nothing_and_loses_nothing() {
    let (builder, tracker) = bed::<Records<u64>>(Config::new());
    (1..=1_000).for_each(|n| builder.store(&n).unwrap());
    builder.close();
    assert!(matches!(builder.store(&1_001), Err(Error::Stopped(_))));
    assert!(matches!(builder.store_block([1_001], at(0)), Err(Error::Stopped(_))));
    assert!(matches!(builder.fill(8, |_| ()), Ok(None)));
    assert!(!tracker.has_unallocated(), "the last tick is still to come");
    builder.tick(at(10));
    let stored: Vec<u64> = pushed::<Records<u64>>(&tracker, 100).into_iter().flat_map(|(_, n)| n).collect();
    assert_eq!(stored, (1..=1_000).collect::<Vec<_>>());
    builder.reopen();
    builder.store(&1).unwrap();
}

#[test]
fn more_segments_than_the_ring_holds_are_kept_in_order() {
    let (builder, tracker) = bed::<Records<u64>>(Config::new().segment_bytes(4 << 10));
    (0..100_000).for_each(|n| builder.store(&n).unwrap());
    builder.tick(at(10));
    let stored: Vec<u64> = pushed::<Records<u64>>(&tracker, 100).into_iter().flat_map(|(_, n)| n).collect();
    assert_eq!(stored, (0..100_000).collect::<Vec<_>>());
}

#[test]
fn filled_bytes_are_read_as_lines() {
    let (builder, tracker) = bed::<Lines>(Config::new());
    for part in [&b"one\ntwo\r"[..], b"three\n", b"f\xffur"] {
        assert_eq!(builder.fill(part.len(), |chunk| chunk.extend_from_slice(part)).unwrap(), Some(()));
    }
    builder.tick(at(10));
    let lines: Vec<Text> = pushed::<Lines>(&tracker, 100).into_iter().flat_map(|(_, lines)| lines).collect();
    assert_eq!(lines, ["one", "two", "three", "f\u{fffd}ur"]);
    assert_eq!(builder.replaced(), 1);
}

#[test]
fn who_waits_for_room_is_let_go_when_there_is_some_and_when_it_closes() {
    let config = Config::new().segment_bytes(4 << 10).max_line_bytes(1 << 10).max_held_bytes(4 << 10);
    let (builder, tracker) = bed::<Records<u64>>(config);
    let builder = Arc::new(builder);
    let storing = {
        let builder = Arc::clone(&builder);
        thread::spawn(move || (0..).take_while(|n| builder.store(&(u64::MAX - n)).is_ok()).count())
    };
    let full = || {
        while tracker.has_room() {
            thread::yield_now()
        }
    };
    full();
    assert!(matches!(builder.fill(8, |_| ()), Ok(None)), "there is none for bytes either");
    let first = pushed::<Records<u64>>(&tracker, 100).concat_len();
    tracker.forget(at(100));
    full();
    builder.close();
    let stored = storing.join().unwrap();
    builder.tick(at(10));
    assert_eq!(first + pushed::<Records<u64>>(&tracker, 200).concat_len(), stored);
}

/// A log that keeps nothing and has room when it is told so.
#[derive(Default)]
struct Full {
    has_room: AtomicBool,
    appended: AtomicU64,
}

impl SegmentLog for Full {
    fn append(&self, number: u64, _: &Segment, _: Content, _: Option<Mark>) -> Result<u64> {
        self.appended.fetch_add(1, Ordering::SeqCst);
        Ok(number)
    }

    fn has_room(&self) -> bool {
        self.has_room.load(Ordering::SeqCst)
    }

    fn wait(&self, _: u64) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_log_holds_up_who_stores_and_not_who_seals() {
    let (builder, tracker) = bed::<Records<u64>>(Config::new());
    let (builder, log) = (Arc::new(builder), Arc::new(Full::default()));
    builder.begin(Some(Arc::clone(&log) as _), 0);
    log.has_room.store(true, Ordering::SeqCst);
    builder.store(&1).unwrap();
    log.has_room.store(false, Ordering::SeqCst);
    assert!(!builder.has_room() && matches!(builder.fill(8, |_| ()), Ok(None)));
    builder.tick(at(10));
    assert_eq!(log.appended.load(Ordering::SeqCst), 1);
    let same = Arc::clone(&builder);
    let storing = thread::spawn(move || (2..).take_while(|n| same.store_block([*n], at(10)).is_ok()).count());
    builder.cut();
    assert_eq!(pushed::<Records<u64>>(&tracker, 100), [(0, vec![1])], "a batch has what there is");
    log.has_room.store(true, Ordering::SeqCst);
    while log.appended.load(Ordering::SeqCst) < 10 {
        thread::yield_now();
    }
    log.has_room.store(false, Ordering::SeqCst);
    builder.close();
    let stored = storing.join().unwrap();
    assert_eq!(pushed::<Records<u64>>(&tracker, 200).concat_len(), stored);
}

/// The number of records of all blocks.
trait ConcatLen {
    fn concat_len(&self) -> usize;
}

impl<T> ConcatLen for Vec<(i64, Vec<T>)> {
    fn concat_len(&self) -> usize {
        self.iter().map(|(_, records)| records.len()).sum()
    }
}
