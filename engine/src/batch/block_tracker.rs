use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::Time;
use crate::block::ring::Consumer;
use crate::block::{FindSegments, Segment};
use crate::job::{Executor, Job, Stage};
use crate::storage::{Evict, StorageLevel};

/// The map side of a shuffle that takes segments of a batch while the batch is open.
pub(crate) trait EagerSide: Send + Sync {
    /// Collects the records of the batch's `index`-th segment. It must not panic: somebody waits for its return.
    fn collect(&self, batch: &BatchBlocks, index: usize, segment: &Segment);
    /// Drops what was collected for a batch that is complete.
    fn forget(&self, batch: u64);
}

/// Knows which received segment belongs to which batch of one receiver.
///
/// Sealed segments come through the receiver's ring and join the *open* batch: when a compute thread looks for work, when the
/// ring fills up, at the latest when the batch is closed. Closing a batch gives it all segments that are
/// in the ring at that moment, and opens the next one. So every sealed segment is in exactly one batch, and none is lost.
pub struct BlockTracker {
    executor: Executor,
    batch_interval: Duration,
    state: Mutex<State>,
    /// The batches of an earlier run that are to be made again.
    earlier: Mutex<Earlier>,
    /// The graph owns them; they know this tracker.
    eager: Mutex<Vec<Weak<dyn EagerSide>>>,
    /// True while a compute thread is asked to empty the ring.
    summoned: AtomicBool,
    held_bytes: AtomicUsize,
    max_held_bytes: usize,
    /// What it may hold however short memory is.
    held_bytes_min: usize,
    /// Where segments may stand.
    pub(super) level: Mutex<StorageLevel>,
    /// After a spill that failed, the next one is tried then.
    pub(super) spill_again: Mutex<Option<Instant>>,
    /// Those of the held bytes that no eager side has collected.
    uncollected_bytes: AtomicUsize,
    uncollected_bytes_max: usize,
    is_eager: AtomicBool,
    /// A segment smaller than this does not wake a compute thread; it waits for a larger one or for the batch's end.
    eager_bytes_min: usize,
}

/// What an earlier run of the program has left of its batches.
#[derive(Default)]
struct Earlier {
    batches: BTreeMap<Time, Range<u64>>,
    find: Option<Arc<FindSegments>>,
}

struct State {
    ring: Consumer<Segment>,
    /// The sequence number of the batch that was made last.
    sequence: u64,
    open: Arc<BatchBlocks>,
    closed: BTreeMap<Time, Arc<BatchBlocks>>,
    last_allocated: Option<Time>,
}

impl State {
    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    /// Takes out the closed batches up to `time`.
    fn take_closed(&mut self, time: Time) -> Vec<Arc<BatchBlocks>> {
        let mut taken = Vec::new();
        while let Some(batch) = self.closed.first_entry().filter(|batch| *batch.key() <= time) {
            taken.push(batch.remove());
        }
        taken
    }

    /// Moves what is in the ring into the open batch.
    fn take_ring(&mut self) {
        while let Some(segment) = self.ring.try_pop() {
            self.open.segments().all.push(segment);
        }
    }
}

/// The segments of one batch of one receiver.
pub struct BatchBlocks {
    sequence: u64,
    /// The number of its first segment among all of the receiver.
    first: u64,
    time: Mutex<Time>,
    segments: Mutex<Segments>,
    settled: Condvar,
}

#[derive(Default)]
struct Segments {
    all: Vec<Segment>,
    /// Segments before this one have been given to a thread for eager collection.
    claimed: usize,
    /// Threads that are collecting a claimed segment now.
    working: usize,
    /// Bytes of the segments that are on disk.
    spilled: usize,
    /// The batch is complete.
    is_forgotten: bool,
}

/// A segment that the claiming thread collects.
struct Claim {
    index: usize,
    segment: Segment,
    more: bool,
}

/// What a batch of one receiver holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Records, as the receiver counted them.
    pub records: u64,
    /// Bytes of the segments.
    pub bytes: u64,
}

/// So many segments of a receiver have room in any case.
const HELD_SEGMENTS_MIN: usize = 4;

/// The most that a segment must hold to wake a compute thread; a full one always does, however small segments are.
const EAGER_BYTES_MIN: usize = 32 << 10;

/// How far an eager shuffle may fall behind its receiver: about what fits into the last-level cache.
const UNCOLLECTED_BYTES_MAX: usize = 32 << 20;

/// Nor by more than one part in so many of the memory: what a shuffle makes of its input may be several times as large, and is seen
/// only when it has been made.
const UNCOLLECTED_SHARE: usize = 16;

impl BlockTracker {
    /// A tracker of the segments that come through `ring`.
    pub(crate) fn new(executor: Executor, batch_interval: Duration, ring: Consumer<Segment>) -> Arc<Self> {
        let max_held_bytes = executor.config().max_held_bytes;
        let held_bytes_min = HELD_SEGMENTS_MIN * executor.config().segment_bytes;
        let level = executor.config().receiver_level;
        let eager_bytes_min = EAGER_BYTES_MIN.min(executor.config().segment_bytes / 2);
        let memory = executor.memory().clone();
        let uncollected_bytes_max =
            UNCOLLECTED_BYTES_MAX.min(memory.max() / UNCOLLECTED_SHARE).max(held_bytes_min);
        let tracker = Arc::new(BlockTracker {
            executor,
            batch_interval,
            state: Mutex::new(State {
                ring,
                sequence: 0,
                open: BatchBlocks::open(0, 0, Time::default()),
                closed: BTreeMap::new(),
                last_allocated: None,
            }),
            earlier: Mutex::default(),
            eager: Mutex::default(),
            summoned: AtomicBool::new(false),
            held_bytes: AtomicUsize::new(0),
            max_held_bytes,
            held_bytes_min,
            level: Mutex::new(level),
            spill_again: Mutex::default(),
            uncollected_bytes: AtomicUsize::new(0),
            uncollected_bytes_max,
            is_eager: AtomicBool::new(false),
            eager_bytes_min,
        });
        memory.add_spiller(Arc::downgrade(&tracker) as Weak<dyn Evict>);
        tracker
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(crate) fn add_eager(&self, side: Weak<dyn EagerSide>) {
        self.eager.lock().unwrap_or_else(PoisonError::into_inner).push(side);
        self.is_eager.store(true, Ordering::Release);
    }

    fn eager(&self) -> Vec<Arc<dyn EagerSide>> {
        self.eager.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
    }

    /// True while the receiver may read on: what it has handed over and no batch has finished stays below
    /// `receiver.max_held_bytes` and within the memory of the process; and an eager shuffle, which should find it in the cache, is
    /// not far behind. A few segments may always come, so that nothing stands still for want of memory that others have.
    pub fn has_room(&self) -> bool {
        let is_behind = self.is_eager.load(Ordering::Acquire)
            && self.uncollected_bytes.load(Ordering::Acquire) >= self.uncollected_bytes_max;
        let held = self.held_bytes.load(Ordering::Acquire);
        held < self.max_held_bytes
            && (!is_behind || self.level().uses_disk())
            && (held < self.held_bytes_min || !self.executor.memory().is_full())
    }

    /// Bytes in memory that were received and belong to no completed batch.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Acquire)
    }

    /// Called by the receiver before it pushes a segment of `bytes` bytes into the ring.
    pub(crate) fn hold(&self, bytes: usize) {
        self.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.uncollected_bytes.fetch_add(bytes, Ordering::AcqRel);
    }

    /// Counts that so many bytes are held in memory no more.
    pub(super) fn release(&self, bytes: usize) {
        self.held_bytes.fetch_sub(bytes, Ordering::AcqRel);
    }

    /// The batches whose segments are not wanted now, the newest first: all but the oldest closed one.
    pub(super) fn waiting_batches(&self) -> Vec<Arc<BatchBlocks>> {
        let state = self.state();
        let closed = state.closed.values().skip(1).rev();
        [&state.open].into_iter().chain(closed).cloned().collect()
    }

    /// Called by the receiver after it pushed a segment: has a compute thread come for it, if it is worth the way.
    pub(crate) fn arrived(self: &Arc<Self>, bytes: usize) {
        if bytes >= self.eager_bytes_min {
            self.summon();
        }
    }

    /// Called by the receiver when the ring is full: all compute threads have other work, or there is no eager shuffle.
    pub(crate) fn take_ring(&self) {
        self.state().take_ring();
    }

    /// Asks for a compute thread to collect what has arrived.
    pub(crate) fn summon(self: &Arc<Self>) {
        if !self.eager().is_empty() && !self.summoned.swap(true, Ordering::AcqRel) {
            let tracker = Arc::clone(self);
            self.executor.spawn(move || tracker.collect_eagerly());
        }
    }

    /// Called when a job has left the compute threads: has one come for what arrived meanwhile. Without that they sleep on.
    pub(crate) fn resume(self: &Arc<Self>) {
        let has_work = {
            let state = self.state();
            !state.ring.is_empty() || state.open.has_unclaimed()
        };
        if has_work {
            self.summon();
        }
    }

    /// Runs on a compute thread: collects segments of the open batch until there are none, or a job wants the thread.
    fn collect_eagerly(self: &Arc<Self>) {
        self.summoned.store(false, Ordering::Release);
        let eager = self.eager();
        while !self.executor.is_wanted()
            && let Some((batch, claim)) = self.claim()
        {
            if claim.more {
                self.summon();
            }
            eager.iter().for_each(|side| side.collect(&batch, claim.index, &claim.segment));
            self.uncollected_bytes.fetch_sub(claim.segment.len(), Ordering::AcqRel);
            drop(claim);
            crate::text::release_credits();
            batch.release_claims(1);
        }
    }

    /// Gives the caller the next segment of the open batch that nobody has collected.
    fn claim(&self) -> Option<(Arc<BatchBlocks>, Claim)> {
        let mut state = self.state();
        state.take_ring();
        let batch = Arc::clone(&state.open);
        let claim = batch.claim_next()?;
        Some((batch, claim))
    }

    /// Closes the open batch under the name `time`. A time that is not after the last one changes nothing.
    pub(crate) fn allocate(&self, time: Time) -> Received {
        let mut state = self.state();
        if state.last_allocated.is_some_and(|last| last >= time) {
            return Received::default();
        }
        state.last_allocated = Some(time);
        if self.earlier().batches.contains_key(&time) {
            return Received::default();
        }
        state.take_ring();
        let end = state.open.numbers().end;
        let next = BatchBlocks::open(state.next_sequence(), end, time + self.batch_interval);
        let closed = std::mem::replace(&mut state.open, next);
        *closed.time.lock().unwrap_or_else(PoisonError::into_inner) = time;
        let received = closed.received();
        state.closed.insert(time, closed);
        received
    }

    /// The segments of the batch at `time`, once it is closed and until it is forgotten.
    pub(crate) fn blocks_of(&self, time: Time) -> Option<Arc<BatchBlocks>> {
        let mut earlier = self.earlier();
        if let (Some(numbers), Some(find)) = (earlier.batches.get(&time).cloned(), &earlier.find) {
            let segments = find(numbers.clone());
            let mut state = self.state();
            let batch = BatchBlocks::open(state.next_sequence(), numbers.start, time);
            self.take_up(&batch, segments);
            state.closed.insert(time, batch);
            earlier.batches.remove(&time);
        }
        drop(earlier);
        self.state().closed.get(&time).cloned()
    }

    /// Gives a batch the segments of an earlier run, of which only those are held that are in memory.
    fn take_up(&self, batch: &BatchBlocks, segments: Vec<Segment>) {
        let on_disk = segments.iter().filter(|segment| !segment.is_in_memory()).map(Segment::len).sum();
        self.hold(segments.iter().map(Segment::len).sum());
        batch.segments().all = segments;
        self.release(batch.spilled(on_disk));
    }

    fn earlier(&self) -> MutexGuard<'_, Earlier> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The numbers of the segments of the batch at `time`.
    pub(crate) fn numbers_of(&self, time: Time) -> Option<Range<u64>> {
        self.state().closed.get(&time).map(|batch| batch.numbers())
    }

    /// The number of the first segment behind the batch at `time`.
    pub(crate) fn next_after(&self, time: Time) -> u64 {
        let state = self.state();
        let later = state.closed.range((Bound::Excluded(time), Bound::Unbounded)).next();
        later.map_or(state.open.first, |(_, batch)| batch.first)
    }

    /// Goes on where an earlier run has ended: its `batches` have the segments of these numbers, which `find` finds; `next` belong to
    /// none yet, and follow one another from the number `first` on.
    pub(crate) fn restore(
        &self,
        batches: BTreeMap<Time, Range<u64>>,
        find: Arc<FindSegments>,
        first: u64,
        next: Vec<Segment>,
    ) {
        *self.earlier() = Earlier { batches, find: Some(find) };
        let mut state = self.state();
        state.open = BatchBlocks::open(state.open.sequence, first, state.open.time());
        self.take_up(&state.open, next);
    }

    /// True when there are segments that belong to no closed batch.
    pub(crate) fn has_unallocated(&self) -> bool {
        let state = self.state();
        !state.ring.is_empty() || !state.open.is_empty()
    }

    /// Collects what is left of a closed batch and waits for the threads that are still at it.
    pub(crate) fn finish_eager(&self, batch: &BatchBlocks) {
        let left = batch.claim_rest();
        if left.is_empty() {
            return batch.wait_until_settled();
        }
        let eager = self.eager();
        let weight: usize = left.iter().map(|(_, segment)| segment.len()).sum();
        let stage = Stage { name: "eager map side", partitions: left.len(), weight };
        let job = Job::new(batch.time(), "eager map side");
        let outcome = self.executor.run(&job, stage, |task| {
            let (index, segment) = &left[task.partition()];
            eager.iter().for_each(|side| side.collect(batch, *index, segment));
        });
        self.uncollected_bytes.fetch_sub(weight, Ordering::AcqRel);
        batch.release_claims(left.len());
        debug_assert!(outcome.is_ok(), "eager sides catch what user code does");
        batch.wait_until_settled();
    }

    /// Drops the batches up to `time`; their bytes make room for new ones.
    pub(crate) fn forget(&self, time: Time) {
        let complete = self.state().take_closed(time);
        if complete.is_empty() {
            return;
        }
        let eager = self.eager();
        for batch in &complete {
            eager.iter().for_each(|side| side.forget(batch.sequence));
            self.release(batch.forget());
            let never = batch.claim_rest().iter().map(|(_, segment)| segment.len()).sum();
            self.uncollected_bytes.fetch_sub(never, Ordering::AcqRel);
        }
    }
}

impl std::fmt::Debug for BlockTracker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockTracker").field("held_bytes", &self.held_bytes()).finish_non_exhaustive()
    }
}

impl BatchBlocks {
    fn open(sequence: u64, first: u64, time: Time) -> Arc<Self> {
        Arc::new(BatchBlocks {
            sequence,
            first,
            time: Mutex::new(time),
            segments: Mutex::default(),
            settled: Condvar::new(),
        })
    }

    fn segments(&self) -> MutexGuard<'_, Segments> {
        self.segments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which batch of the receiver this is; no two have the same.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The time of the batch; while it is open, the time it will have.
    pub fn time(&self) -> Time {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All segments in the order in which they came.
    pub fn all(&self) -> Vec<Segment> {
        self.segments().all.clone()
    }

    /// The segments in memory, the newest first: those that eager sides have collected, or the others.
    pub(super) fn in_memory(self: &Arc<Self>, collected: bool) -> Vec<(Arc<Self>, Segment)> {
        let segments = self.segments();
        let (first, second) = segments.all.split_at(segments.claimed.min(segments.all.len()));
        let wanted = if collected { first } else { second };
        let in_memory = wanted.iter().rev().filter(|segment| segment.is_in_memory());
        in_memory.map(|segment| (Arc::clone(self), segment.clone())).collect()
    }

    /// Notes that so many bytes are on disk now; those that are to be held no more for it.
    pub(super) fn spilled(&self, bytes: usize) -> usize {
        let mut segments = self.segments();
        if segments.is_forgotten {
            return 0;
        }
        segments.spilled += bytes;
        bytes
    }

    /// Notes that the batch is complete; the bytes that are to be held no more for it.
    fn forget(&self) -> usize {
        let mut segments = self.segments();
        segments.is_forgotten = true;
        segments.all.iter().map(Segment::len).sum::<usize>() - segments.spilled
    }

    /// The numbers of its segments.
    fn numbers(&self) -> Range<u64> {
        self.first..self.first + self.segments().all.len() as u64
    }

    fn is_empty(&self) -> bool {
        self.segments().all.is_empty()
    }

    fn received(&self) -> Received {
        self.segments().all.iter().fold(Received::default(), |sum, segment| Received {
            records: sum.records + segment.records(),
            bytes: sum.bytes + segment.len() as u64,
        })
    }

    fn has_unclaimed(&self) -> bool {
        let segments = self.segments();
        segments.claimed < segments.all.len()
    }

    fn claim_next(&self) -> Option<Claim> {
        let mut segments = self.segments();
        let index = segments.claimed;
        let segment = segments.all.get(index)?.clone();
        segments.claimed += 1;
        segments.working += 1;
        Some(Claim { index, segment, more: segments.claimed < segments.all.len() })
    }

    fn claim_rest(&self) -> Vec<(usize, Segment)> {
        let mut segments = self.segments();
        let rest: Vec<_> = segments.all.iter().cloned().enumerate().skip(segments.claimed).collect();
        segments.claimed = segments.all.len();
        segments.working += rest.len();
        rest
    }

    fn release_claims(&self, claims: usize) {
        let mut segments = self.segments();
        segments.working -= claims;
        if segments.working == 0 {
            self.settled.notify_all();
        }
    }

    fn wait_until_settled(&self) {
        let segments = self.segments();
        let settled = self.settled.wait_while(segments, |segments| segments.working > 0);
        drop(settled.unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests;
