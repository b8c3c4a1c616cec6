use std::marker::PhantomData;
use std::num::NonZeroU64;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::RateLimiter;
use crate::batch::BlockTracker;
use crate::block::ring::{Full, Producer};
use crate::block::{BlockFormat, Mark, Segment, SegmentLog};
use crate::text::{ChunkMut, ChunkPool};
use crate::{Error, Result, Time};

/// Fills chunks with received records, seals them into segments and hands those to the tracker: Spark's block generator.
///
/// A segment is sealed when its chunk is full and when the block interval ends. Everything is bounded: when the tracker holds too
/// much, or the log is full, nothing more is accepted until there is room again. What was accepted is sealed in any case, so that
/// batches and checkpoints, which make the room, never wait for it: of each receiver the log may get a segment more than it has room for.
pub struct BlockBuilder<F> {
    building: Mutex<Building>,
    /// True while whoever has `building` stores into it, which may take long.
    is_storing: AtomicBool,
    room: Condvar,
    tracker: Arc<BlockTracker>,
    chunks: ChunkPool,
    limiter: RateLimiter,
    closed: AtomicBool,
    replaced: AtomicU64,
    /// Where segments are written before they are relied on, if they are.
    log: OnceLock<Arc<dyn SegmentLog>>,
    format: PhantomData<F>,
}

struct Building {
    chunk: Option<ChunkMut>,
    /// Records that were encoded into `chunk`.
    counted: u64,
    /// The beginning of the current block interval.
    block: Time,
    ring: Producer<Segment>,
    /// The number of the next segment.
    number: u64,
    scratch: Vec<u8>,
}

impl Building {
    /// A record may have no bytes at all, so an empty chunk is not always nothing.
    fn is_empty(&self) -> bool {
        self.counted == 0 && self.chunk.as_ref().is_none_or(ChunkMut::is_empty)
    }
}

/// `Building` in the hands of a storing thread.
struct Storing<'a> {
    building: MutexGuard<'a, Building>,
    is_storing: &'a AtomicBool,
}

impl Deref for Storing<'_> {
    type Target = Building;

    fn deref(&self) -> &Building {
        &self.building
    }
}

impl DerefMut for Storing<'_> {
    fn deref_mut(&mut self) -> &mut Building {
        &mut self.building
    }
}

impl Drop for Storing<'_> {
    fn drop(&mut self) {
        self.is_storing.store(false, Ordering::Release);
    }
}

/// How long a storing thread sleeps before it looks for room again.
const ROOM_CHECK: Duration = Duration::from_millis(2);

impl<F: BlockFormat> BlockBuilder<F> {
    pub(crate) fn new(tracker: Arc<BlockTracker>, ring: Producer<Segment>) -> Self {
        let config = tracker.executor().config();
        let rate = |rate: Option<f64>| rate.and_then(|r| NonZeroU64::new(r.ceil() as u64));
        let limiter = RateLimiter::new(rate(config.max_rate), rate(config.initial_rate), Instant::now());
        BlockBuilder {
            building: Mutex::new(Building {
                chunk: None,
                counted: 0,
                block: Time::default(),
                ring,
                number: 0,
                scratch: Vec::new(),
            }),
            is_storing: AtomicBool::new(false),
            room: Condvar::new(),
            chunks: tracker.executor().chunks().clone(),
            tracker,
            limiter,
            closed: AtomicBool::new(false),
            replaced: AtomicU64::new(0),
            log: OnceLock::new(),
            format: PhantomData,
        }
    }

    /// Has the segments written to `log`, and numbered from `next` on. To be called before the receiver starts.
    pub(crate) fn begin(&self, log: Option<Arc<dyn SegmentLog>>, next: u64) {
        if let Some(log) = log {
            let _ = self.log.set(log);
        }
        self.building().number = next;
    }

    fn building(&self) -> MutexGuard<'_, Building> {
        self.building.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn storing<'a>(&'a self, building: MutexGuard<'a, Building>) -> Storing<'a> {
        self.is_storing.store(true, Ordering::Release);
        Storing { building, is_storing: &self.is_storing }
    }

    /// The limit on records per second.
    pub fn limiter(&self) -> &RateLimiter {
        &self.limiter
    }

    /// Invalid UTF-8 sequences that were replaced by U+FFFD so far.
    pub fn replaced(&self) -> u64 {
        self.replaced.load(Ordering::Relaxed)
    }

    /// True while something can be stored without waiting for batches to be processed, or for the log to be shortened. A receiver that stores from its
    /// [`poll`](super::Receiver::poll) asks first, so that it does not hold up its supervisor.
    pub fn has_room(&self) -> bool {
        !self.closed.load(Ordering::Acquire) && self.finds_room()
    }

    /// Looks for room, and makes some where there is none.
    fn finds_room(&self) -> bool {
        self.log.get().is_none_or(|log| log.has_room())
            && (self.tracker.has_room() || self.tracker.make_room())
    }

    /// Accepts nothing more; what was accepted is sealed by the next [`tick`](Self::tick).
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.room.notify_all();
    }

    pub(crate) fn reopen(&self) {
        self.closed.store(false, Ordering::Release);
    }

    /// Stores one record: it waits for the rate limit and for room, and joins the current block.
    ///
    /// # Errors
    /// When the receiver is being stopped, or the record cannot be encoded.
    pub fn store(&self, item: &F::Item) -> Result<()> {
        self.limit(1)?;
        let mut building = self.wait_for_room()?;
        self.append(&mut building, item)
    }

    /// Stores records as a block of their own and returns when it is registered with its batch and, with a write-ahead log, durable.
    /// The block is one segment, so that no end of a batch divides it.
    ///
    /// # Errors
    /// As [`store`](Self::store); then none of the records is stored. When the log has failed, nobody knows whether they are.
    pub fn store_block(&self, items: impl IntoIterator<Item = F::Item>, block: Time) -> Result<()> {
        self.store_marked(items, block, None)
    }

    /// The same, with how far the records' source is when they are stored.
    pub(crate) fn store_marked(
        &self,
        items: impl IntoIterator<Item = F::Item>,
        block: Time,
        mark: Option<Mark>,
    ) -> Result<()> {
        drop(self.wait_for_room()?);
        let (mut bytes, mut records) = (Vec::new(), 0);
        for item in items {
            F::encode(&item, &mut bytes)?;
            records += 1;
        }
        let mut building = self.wait_for_room()?;
        self.hand_over(&mut building);
        self.chunk_with(&mut building, bytes.len())?.extend_from_slice(&bytes);
        building.counted = records;
        let interval = std::mem::replace(&mut building.block, block);
        let logged = self.seal(&mut building, mark);
        building.block = interval;
        drop(building);
        match (self.log.get(), logged?) {
            (Some(log), Some(ticket)) => log.wait(ticket),
            _ => Ok(()),
        }
    }

    /// Lets `fill` append whole records to the current chunk, which has at least `spare` bytes left; `None` when there is no
    /// room: read again later, nothing is dropped.
    ///
    /// # Errors
    /// When a chunk of that size cannot be had.
    pub fn fill<T>(&self, spare: usize, fill: impl FnOnce(&mut ChunkMut) -> T) -> Result<Option<T>> {
        let mut building = self.storing(self.building());
        if !self.has_room() {
            return Ok(None);
        }
        let chunk = self.chunk_with(&mut building, spare)?;
        let result = fill(chunk);
        if chunk.remaining() == 0 {
            self.hand_over(&mut building);
        }
        Ok(Some(result))
    }

    /// Seals what there is and stays in the block interval, so that a batch that ends now has it. Does not wait for who is
    /// storing: that is left to the end of the interval.
    pub(crate) fn cut(&self) {
        if !self.is_storing.load(Ordering::Acquire) {
            self.hand_over(&mut self.building());
        }
    }

    /// True while there is nothing to seal.
    pub(crate) fn is_empty(&self) -> bool {
        self.building().is_empty()
    }

    /// Ends the block interval: seals what there is and begins the block of `block`. Never waits.
    pub(crate) fn tick(&self, block: Time) {
        let mut building = self.building();
        self.hand_over(&mut building);
        building.block = block;
        self.room.notify_all();
    }

    fn limit(&self, records: u64) -> Result<()> {
        let mut wait = self.limiter.acquire(records, Instant::now());
        while !wait.is_zero() {
            self.ensure_open()?;
            let nap = wait.min(Duration::from_millis(20));
            std::thread::sleep(nap);
            wait -= nap;
        }
        self.ensure_open()
    }

    fn ensure_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Error::Stopped("the receiver is stopped and accepts no records".to_owned())),
        }
    }

    fn wait_for_room(&self) -> Result<Storing<'_>> {
        let mut building = self.building();
        self.ensure_open()?;
        while !self.finds_room() {
            let waited = self.room.wait_timeout(building, ROOM_CHECK);
            building = waited.unwrap_or_else(PoisonError::into_inner).0;
            self.ensure_open()?;
        }
        Ok(self.storing(building))
    }

    fn append(&self, building: &mut Building, item: &F::Item) -> Result<()> {
        let mut scratch = std::mem::take(&mut building.scratch);
        scratch.clear();
        F::encode(item, &mut scratch)?;
        self.chunk_with(building, scratch.len())?.extend_from_slice(&scratch);
        building.counted += 1;
        building.scratch = scratch;
        Ok(())
    }

    /// The current chunk, or a fresh one when `spare` bytes do not fit.
    fn chunk_with<'a>(&self, building: &'a mut Building, spare: usize) -> Result<&'a mut ChunkMut> {
        if building.chunk.as_ref().is_some_and(|chunk| chunk.remaining() < spare) {
            self.hand_over(building);
        }
        // An empty chunk is not sealed, and may still be too small.
        let chunk = match building.chunk.take().filter(|chunk| chunk.remaining() >= spare) {
            Some(chunk) => chunk,
            None => self.chunks.take_at_least(spare).map_err(|e| Error::Codec(e.to_string()))?,
        };
        Ok(building.chunk.insert(chunk))
    }

    /// Seals what there is; the log's ticket of it, if there is a log.
    ///
    /// # Errors
    /// When the log has failed: the segment is in its batch all the same, and the batch will fail of it.
    fn seal(&self, building: &mut Building, mark: Option<Mark>) -> Result<Option<u64>> {
        if building.is_empty() {
            return Ok(None);
        }
        let Some(chunk) = building.chunk.take() else { return Ok(None) };
        let sealed = F::seal(chunk, std::mem::take(&mut building.counted))
            .inspect_err(|error| tracing::error!(%error, "a segment could not be sealed and is dropped"))?;
        self.replaced.fetch_add(sealed.replaced, Ordering::Relaxed);
        let segment = Segment::new(sealed.content.clone(), sealed.records, building.block);
        let logged =
            self.log.get().map(|log| log.append(building.number, &segment, sealed.content, mark)).transpose();
        building.number += 1;
        self.tracker.hold(segment.len());
        self.tracker.executor().memory().look();
        self.push(building, segment);
        logged
    }

    /// Seals what there is where nobody waits for it to be safe: the log's failure is told by the batch.
    fn hand_over(&self, building: &mut Building) {
        let _ = self.seal(building, None);
    }

    /// Pushes into the ring; one that is full is emptied into the open batch first.
    fn push(&self, building: &mut Building, mut segment: Segment) {
        let bytes = segment.len();
        while let Err(Full(back)) = building.ring.try_push(segment) {
            segment = back;
            self.tracker.take_ring();
        }
        self.tracker.arrived(bytes);
    }
}

#[cfg(test)]
mod tests;
