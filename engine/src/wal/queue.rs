//! What the threads that append, the threads that wait and the log's own thread share. The protocol is in `README.md`.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::index::Index;
use super::segment_file::Pending;
use super::writer::Writer;
use crate::error::{Error, Result};

/// What is called when a record is durable, or never will be.
pub(super) type Callback = Box<dyn FnOnce(Result<()>) + Send>;

/// Everything that is shared.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The log's thread waits for records, a release or the end.
    pub(super) work: Condvar,
    /// Those who append wait for room.
    pub(super) room: Condvar,
    /// Those who wait for durability.
    pub(super) done: Condvar,
    /// Where the records are. Taken after `state`, or alone.
    pub(super) index: Arc<Mutex<Index>>,
    pub(super) limits: Limits,
    /// What [`State::has_room`] gave last, for those who look very often.
    has_room: AtomicBool,
}

/// What a log may take.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) queue_bytes: u64,
    pub(super) max_bytes: u64,
    /// What is left free of `max_bytes`, for what goes past the limits.
    pub(super) spare_bytes: u64,
    /// Bytes of a group at most, unless a single record has more.
    pub(super) group_bytes: u64,
}

/// The right to write, with what is to be written. One thread has it at a time: the log's, or one that waits for its record.
pub(super) struct Turn {
    pub(super) writer: Writer,
    pub(super) group: Vec<Pending>,
    pub(super) release: u64,
    pub(super) last: bool,
}

pub(super) struct State {
    /// None while a thread has its turn, and after the end.
    writer: Option<Writer>,
    /// The log's thread waits, and nobody has woken it.
    pub(super) thread_waits: bool,
    pub(super) queue: VecDeque<Pending>,
    /// Bytes of the records that were appended and are not durable: those of the queue and of the group being written.
    pub(super) queued: u64,
    /// Bytes of all segments.
    pub(super) logged: u64,
    /// The number of the next record.
    pub(super) next: u64,
    /// Records below are durable.
    pub(super) durable: u64,
    /// Records below may be deleted.
    pub(super) release: u64,
    /// Below this number the writer was asked to delete.
    pub(super) released: u64,
    /// It was told that the files are full, and not yet that they are no more.
    pub(super) is_full: bool,
    pub(super) callbacks: BTreeMap<u64, Vec<Callback>>,
    pub(super) closing: bool,
    /// Why nothing is acknowledged any more.
    pub(super) ended: Option<Error>,
    /// Why nothing is acknowledged at the moment.
    pub(super) stalled: Option<Error>,
    /// Why segments that were released are still there.
    pub(super) release_failed: Option<Error>,
    pub(super) commits: u64,
    pub(super) last_commit: Duration,
}

impl Shared {
    /// A log that takes its limits from the caller.
    pub(super) fn new(mut state: State, index: Arc<Mutex<Index>>, limits: Limits) -> Self {
        let (work, room, done) = (Condvar::new(), Condvar::new(), Condvar::new());
        let has_room = AtomicBool::new(state.has_room(&limits));
        Shared { state: Mutex::new(state), work, room, done, index, limits, has_room }
    }

    /// Whether there is room, as of the last change.
    pub(super) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Acquire)
    }

    /// To be called whenever the bytes have changed, or the log has ended.
    pub(super) fn look_for_room(&self, state: &mut State) {
        self.has_room.store(state.has_room(&self.limits), Ordering::Release);
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs while it is held.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the log: whoever waits, and whoever comes, gets the error.
    pub(super) fn end(&self, error: &Error) {
        let mut state = self.state();
        if state.ended.is_none() {
            state.ended = Some(error.clone());
        }
        state.queue.clear();
        state.queued = 0;
        self.look_for_room(&mut state);
        let callbacks = std::mem::take(&mut state.callbacks);
        drop(state);
        self.work.notify_one();
        self.room.notify_all();
        self.done.notify_all();
        callbacks.into_values().flatten().for_each(|call| call(Err(error.clone())));
    }
}

impl State {
    pub(super) fn new(
        writer: Writer,
        next: u64,
        durable: u64,
        logged: u64,
        again: VecDeque<Pending>,
    ) -> Self {
        State {
            writer: Some(writer),
            thread_waits: false,
            queued: again.iter().map(Pending::bytes).sum(),
            queue: again,
            logged,
            next,
            durable,
            release: 0,
            released: 0,
            is_full: false,
            callbacks: BTreeMap::new(),
            closing: false,
            ended: None,
            stalled: None,
            release_failed: None,
            commits: 0,
            last_commit: Duration::ZERO,
        }
    }

    /// Whether the log takes records.
    pub(super) fn open(&self) -> Result<()> {
        match &self.ended {
            Some(error) => Err(error.clone()),
            None if self.closing => Err(Error::Stopped("the write-ahead log is closed".to_owned())),
            None => Ok(()),
        }
    }

    /// Whether there is something to do, and nobody is at it.
    pub(super) fn is_due(&self) -> bool {
        let calls = self.callbacks.first_key_value().is_some_and(|(number, _)| *number < self.durable);
        let due = !self.queue.is_empty() || self.release > self.released || self.closing || calls;
        self.writer.is_some() && due
    }

    /// The turn, for the log's thread.
    pub(super) fn take_turn(&mut self, bytes: u64) -> Option<Turn> {
        let writer = self.writer.take()?;
        let group = if self.queue.is_empty() { Vec::new() } else { self.take_group(bytes) };
        Some(Turn { writer, group, release: self.release, last: self.closing && self.queue.is_empty() })
    }

    /// Notes why nothing is acknowledged at the moment, and tells it once.
    pub(super) fn stall(&mut self, error: Error) {
        if self.stalled.is_none() {
            tracing::warn!(%error, "the write-ahead log waits");
        }
        self.stalled = Some(error);
    }

    /// Whether what is received may go on coming; tells once that the files are full, and once that they are at most half full again.
    /// A log that is over holds nobody up: whoever appends gets the error.
    fn has_room(&mut self, limits: &Limits) -> bool {
        let Limits { queue_bytes, max_bytes, spare_bytes, .. } = *limits;
        let bytes = self.logged + self.queued;
        let is_full = bytes + spare_bytes > max_bytes;
        if is_full && !self.is_full {
            tracing::warn!(
                bytes,
                max_bytes,
                "the write-ahead log is full: receivers wait until checkpoints let it be shortened; raise wal.max_bytes if that comes often"
            );
        } else if self.is_full && bytes <= max_bytes / 2 {
            tracing::warn!(bytes, "the write-ahead log has room again");
        }
        self.is_full = is_full || (self.is_full && bytes > max_bytes / 2);
        self.ended.is_some() || (!is_full && self.queued < queue_bytes)
    }

    /// The turn, for a thread that waits: only while there are records to write, and nothing that is left to the log's thread.
    pub(super) fn lead(&mut self, bytes: u64) -> Option<Turn> {
        let other = self.release > self.released || self.closing || !self.callbacks.is_empty();
        if other || self.queue.is_empty() || self.stalled.is_some() {
            return None;
        }
        self.take_turn(bytes)
    }

    /// Ends a turn. After the end of the log there is none to come.
    pub(super) fn end_turn(&mut self, writer: Writer) {
        self.writer = self.ended.is_none().then_some(writer);
    }

    /// Whether the log's thread is to be woken now; says so once.
    pub(super) fn wakes(&mut self) -> bool {
        let wakes = self.thread_waits && self.is_due();
        self.thread_waits &= !wakes;
        wakes
    }

    /// Puts a group back that could not be written.
    pub(super) fn put_back(&mut self, group: Vec<Pending>) {
        group.into_iter().rev().for_each(|pending| self.queue.push_front(pending));
    }

    /// Takes the next group off the queue: as many records as have `bytes` together, and at least one.
    fn take_group(&mut self, bytes: u64) -> Vec<Pending> {
        let mut sum = 0;
        let fits = |pending: &&Pending| {
            sum += pending.bytes();
            sum <= bytes
        };
        let count = self.queue.iter().take_while(fits).count().max(1).min(self.queue.len());
        self.queue.drain(..count).collect()
    }

    /// Takes out the callbacks of records below `durable`.
    pub(super) fn take_callbacks(&mut self) -> Vec<Callback> {
        let later = self.callbacks.split_off(&self.durable);
        std::mem::replace(&mut self.callbacks, later).into_values().flatten().collect()
    }
}
