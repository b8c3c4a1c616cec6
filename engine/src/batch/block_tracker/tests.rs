//! The scenarios of Spark's ReceivedBlockTrackerSuite that need no log, and the claims of eager map sides.

use std::sync::OnceLock;
use std::thread;
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::Result;
use crate::block::ring::{self, Producer};
use crate::block::{Content, LoggedContent};
use crate::text::{Chunk, ChunkPool};

const SUITE: &str = include_str!("../../../../tests/vectors/ReceivedBlockTrackerSuite.json");

/// Longer than any correct run needs.
const BOUND: Duration = Duration::from_secs(20);

fn at(ms: i64) -> Time {
    Time::from_millis(ms)
}

/// A tracker and the receiver's end of its ring.
struct Bed {
    tracker: Arc<BlockTracker>,
    ring: Producer<Segment>,
}

impl Bed {
    fn new(threads: usize) -> Self {
        let (ring, consumer) = ring::channel(128);
        let tracker = BlockTracker::new(Executor::local(threads), Duration::from_millis(1), consumer);
        Bed { tracker, ring }
    }

    /// Adds a block of one record that holds nothing but `number`.
    fn add(&mut self, number: u8) {
        let content = Content::Bytes(Chunk::copy_from(&[number]).unwrap());
        self.tracker.hold(1);
        self.ring.try_push(Segment::new(content, 1, at(number.into()))).unwrap();
    }

    fn blocks_of(&self, time: i64) -> Vec<i64> {
        let all = self.tracker.blocks_of(at(time)).map(|blocks| blocks.all()).unwrap_or_default();
        all.iter().map(|segment| segment.block().as_millis()).collect()
    }
}

/// What a step of the vector comes to here: "B1..B5", a list, a truth, "ok".
fn step(bed: &mut Bed, operation: &[Value]) -> Value {
    let time = || operation[1].as_i64().unwrap();
    let blocks = |numbers: Vec<i64>| match numbers.as_slice() {
        [] => serde_json::json!([]),
        [1, .., 5] => "B1..B5".into(),
        other => panic!("unexpected blocks {other:?}"),
    };
    match operation[0].as_str().unwrap() {
        "add" => {
            (1..=5).for_each(|number| bed.add(number));
            "5 x true".into()
        }
        "hasUnallocated" => bed.tracker.has_unallocated().into(),
        "allocate" if bed.tracker.state().last_allocated >= Some(at(time())) => {
            assert_eq!(bed.tracker.allocate(at(time())), Received::default());
            "no-op".into()
        }
        "allocate" => {
            bed.tracker.allocate(at(time()));
            "ok".into()
        }
        "blocksOf" => blocks(bed.blocks_of(time())),
        "blocksOfBatch" => serde_json::json!({"1": blocks(bed.blocks_of(time()))}),
        "unallocated" => blocks(if bed.tracker.has_unallocated() { (1..=5).collect() } else { vec![] }),
        "isWalEnabled" => false.into(),
        other => panic!("an unknown operation: {other}"),
    }
}

#[test]
fn blocks_are_allocated_as_in_sparks_suite() {
    let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
    let vector =
        vectors.iter().find(|v| v["name"] == "block addition, and block to batch allocation").unwrap();
    let mut bed = Bed::new(1);
    let steps = vector["input"].as_array().unwrap();
    for (i, (operation, expected)) in steps.iter().zip(vector["expected"].as_array().unwrap()).enumerate() {
        assert_eq!(&step(&mut bed, operation.as_array().unwrap()), expected, "step {i}: {operation}");
    }
}

#[test]
fn many_blocks_stay_in_order() {
    let mut bed = Bed::new(1);
    for round in 0..1_000 {
        (1..=100).for_each(|number| bed.add(number));
        bed.tracker.take_ring();
        assert!(bed.tracker.has_unallocated(), "round {round}");
    }
    let received = bed.tracker.allocate(at(1));
    assert_eq!((received.records, received.bytes), (100_000, 100_000));
    assert!(!bed.tracker.has_unallocated());
    assert_eq!(bed.blocks_of(1), (1..=100).cycle().take(100_000).collect::<Vec<_>>());
}

#[test]
fn a_time_that_was_allocated_is_refused_also_when_it_is_forgotten() {
    let mut bed = Bed::new(1);
    bed.add(1);
    bed.tracker.allocate(at(5));
    bed.tracker.forget(at(5));
    assert_eq!(bed.tracker.held_bytes(), 0);
    bed.add(2);
    assert_eq!(bed.tracker.allocate(at(5)), Received::default());
    assert!(bed.tracker.has_unallocated(), "it waits for a later batch");
    assert_eq!(bed.tracker.allocate(at(6)).records, 1);
}

/// An eager side that notes which segments of which batch it got, and may wait in between.
#[derive(Default)]
struct Noting {
    collected: Mutex<BTreeMap<u64, Vec<usize>>>,
    pause: Option<Duration>,
    threads: Mutex<Vec<thread::ThreadId>>,
    forgotten: Mutex<Vec<u64>>,
    gate: OnceLock<()>,
}

impl EagerSide for Noting {
    fn collect(&self, batch: &BatchBlocks, index: usize, _segment: &Segment) {
        self.gate.set(()).unwrap_or_default();
        if let Some(pause) = self.pause {
            thread::park_timeout(pause);
        }
        self.threads.lock().unwrap().push(thread::current().id());
        self.collected.lock().unwrap().entry(batch.sequence()).or_default().push(index);
    }

    fn forget(&self, batch: u64) {
        self.forgotten.lock().unwrap().push(batch);
    }
}

fn noting(bed: &Bed, pause: Option<Duration>) -> Arc<Noting> {
    let side = Arc::new(Noting { pause, ..Noting::default() });
    let eager: Arc<dyn EagerSide> = Arc::clone(&side) as _;
    bed.tracker.add_eager(Arc::downgrade(&eager));
    side
}

#[test]
fn every_segment_is_collected_once_by_whoever_comes_first() {
    for round in 0..50 {
        let mut bed = Bed::new(2);
        let side = noting(&bed, None);
        for number in 0..100 {
            bed.add(number);
            if number % 7 == round % 7 {
                bed.tracker.summon();
            }
        }
        bed.tracker.allocate(at(1));
        let batch = bed.tracker.blocks_of(at(1)).unwrap();
        bed.tracker.finish_eager(&batch);
        let mut collected = side.collected.lock().unwrap()[&0].clone();
        collected.sort_unstable();
        assert_eq!(collected, (0..100).collect::<Vec<_>>());
    }
}

#[test]
fn a_closed_batch_waits_for_the_thread_that_is_still_at_it() {
    let mut bed = Bed::new(2);
    let side = noting(&bed, Some(Duration::from_millis(50)));
    bed.add(1);
    bed.tracker.summon();
    let end = Instant::now() + BOUND;
    while side.gate.get().is_none() && Instant::now() < end {
        thread::yield_now();
    }
    bed.tracker.allocate(at(1));
    bed.tracker.finish_eager(&bed.tracker.blocks_of(at(1)).unwrap());
    assert_eq!(side.collected.lock().unwrap()[&0], [0]);
    assert_ne!(side.threads.lock().unwrap()[0], thread::current().id(), "a compute thread had it");
}

#[test]
fn a_batch_that_is_forgotten_is_forgotten_by_its_sides() {
    let mut bed = Bed::new(1);
    let side = noting(&bed, None);
    for time in 1..=3 {
        bed.add(1);
        bed.tracker.allocate(at(time));
    }
    bed.tracker.forget(at(2));
    assert_eq!(*side.forgotten.lock().unwrap(), [0, 1]);
    assert_eq!((bed.tracker.held_bytes(), bed.blocks_of(1).len(), bed.blocks_of(3).len()), (1, 0, 1));
}

#[test]
fn a_tracker_does_not_keep_its_sides_alive() {
    let bed = Bed::new(1);
    let side = noting(&bed, None);
    assert_eq!(bed.tracker.eager().len(), 1);
    drop(side);
    assert!(bed.tracker.eager().is_empty());
}

/// Segments of an earlier run, in its log.
#[derive(Debug)]
struct InLog(u8);

impl LoggedContent for InLog {
    fn read(&self, chunks: &ChunkPool) -> Result<Content> {
        Content::copied(&[self.0], false, chunks)
    }
}

fn logged(numbers: Range<u64>) -> Vec<Segment> {
    numbers.map(|number| Segment::logged(Arc::new(InLog(number as u8)), 1, 1, at(number as i64))).collect()
}

#[test]
fn what_an_earlier_run_has_left_stays_in_its_log_until_it_is_read() {
    let mut bed = Bed::new(1);
    let batches = BTreeMap::from([(at(1), 0..3)]);
    bed.tracker.restore(batches, Arc::new(logged), 3, logged(3..9));
    assert_eq!((bed.blocks_of(1), bed.tracker.held_bytes()), (vec![0, 1, 2], 0));
    bed.add(9);
    bed.tracker.allocate(at(2));
    assert_eq!((bed.blocks_of(2), bed.tracker.held_bytes()), ((3..=9).collect(), 1));
    let first = bed.tracker.blocks_of(at(2)).unwrap().all().swap_remove(0);
    assert_eq!(first.content(bed.tracker.executor().chunks()).unwrap().as_bytes(), [3]);
    assert!(!first.is_in_memory());
    bed.tracker.forget(at(2));
    assert_eq!((bed.tracker.held_bytes(), bed.tracker.uncollected_bytes.load(Ordering::Acquire)), (0, 0));
}
