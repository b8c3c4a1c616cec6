//! What the threads that append, the threads that wait and the log's own thread share. The protocol is in `README.md`.

use std::collections::{BTreeMap, VecDeque};
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
    pub(super) queue_bytes: u64,
    pub(super) max_bytes: u64,
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
    pub(super) fn new(
        state: State,
        index: Arc<Mutex<Index>>,
        [queue_bytes, max_bytes, group_bytes]: [u64; 3],
    ) -> Self {
        let (work, room, done) = (Condvar::new(), Condvar::new(), Condvar::new());
        Shared { state: Mutex::new(state), work, room, done, index, queue_bytes, max_bytes, group_bytes }
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
