//! Who has the turn takes a group off the queue, has the writer commit it, and tells who waits. The log's thread does so, and those
//! that wait for a record do it themselves where nobody else is at it: that spares them two changes of threads.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Shared, State, Turn};
use super::segment_file::Pending;
use super::trouble::Trouble;
use super::writer::Writer;
use crate::error::Error;

/// How long a full disk is left alone before the next try, at first and at most.
const BACKOFF: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Bytes that are synced together at most.
const GROUP_BYTES: u64 = 16 << 20;

/// Bytes of a group in a log with such segments: it never spans two of them.
pub(super) fn group_bytes(segment_bytes: u64) -> u64 {
    GROUP_BYTES.min(segment_bytes)
}

/// The log's thread: runs until the log is closed or over.
pub(super) fn run(shared: &Arc<Shared>) {
    let guard = EndOnPanic(Arc::clone(shared));
    while let Some(turn) = next_turn(shared) {
        if let Err(error) = work(shared, turn) {
            shared.end(&error);
        }
    }
    drop(guard);
}

/// Waits for the turn and for something to do; `None` after the end.
fn next_turn(shared: &Shared) -> Option<Turn> {
    let mut state = shared.state();
    while state.ended.is_none() && !state.is_due() {
        state.thread_waits = true;
        state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
    }
    state.thread_waits = false;
    if state.ended.is_some() { None } else { state.take_turn(shared.limits.group_bytes) }
}

fn work(shared: &Shared, turn: Turn) -> Result<(), Error> {
    let Turn { mut writer, group, release: before, last } = turn;
    release(shared, &mut writer, before)?;
    let begin = Instant::now();
    commit(shared, &mut writer, &group)?;
    let took = begin.elapsed();
    if last {
        writer.close();
    }
    let mut state = acknowledge(shared, writer, &group, took);
    let callbacks = state.take_callbacks();
    drop(state);
    callbacks.into_iter().for_each(|call| call(Ok(())));
    if last { Err(Error::Stopped("the write-ahead log is closed".to_owned())) } else { Ok(()) }
}

/// A turn of a thread that waits for a record of the group. What takes longer than a sync is left to the log's thread.
pub(super) fn lead(shared: &Arc<Shared>, turn: Turn) {
    let guard = EndOnPanic(Arc::clone(shared));
    let Turn { mut writer, group, .. } = turn;
    let begin = Instant::now();
    match writer.commit(&group) {
        Ok(()) => {
            let mut state = acknowledge(shared, writer, &group, begin.elapsed());
            let wakes = state.wakes();
            drop(state);
            if wakes {
                shared.work.notify_one();
            }
        }
        Err(Trouble::Wait(error)) => {
            let mut state = shared.state();
            state.stall(error);
            state.put_back(group);
            state.end_turn(writer);
            drop(state);
            shared.work.notify_one();
        }
        Err(Trouble::Broken(error) | Trouble::Stop(error)) => shared.end(&error),
    }
    drop(guard);
}

/// Deletes what was released since the last time.
fn release(shared: &Shared, writer: &mut Writer, before: u64) -> Result<(), Error> {
    if before <= std::mem::replace(&mut shared.state().released, before) {
        return Ok(());
    }
    let result = writer.release(before);
    let mut state = shared.state();
    state.logged = shared.index().bytes();
    shared.look_for_room(&mut state);
    state.release_failed = match result {
        Ok(()) => None,
        Err(Trouble::Stop(error)) => return Err(error),
        Err(Trouble::Wait(error) | Trouble::Broken(error)) => Some(error),
    };
    drop(state);
    shared.room.notify_all();
    Ok(())
}

/// Makes a group durable, however long the disk is full.
fn commit(shared: &Shared, writer: &mut Writer, group: &[Pending]) -> Result<(), Error> {
    if group.is_empty() {
        return Ok(());
    }
    let mut backoff = BACKOFF;
    loop {
        match writer.commit(group) {
            Ok(()) => return Ok(()),
            Err(Trouble::Wait(error)) => {
                let before = stall(shared, error, backoff)?;
                // What is released now may be the space that is missing.
                release(shared, writer, before)?;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            Err(Trouble::Broken(error) | Trouble::Stop(error)) => return Err(error),
        }
    }
}

/// Waits a while, less when there is a release. Gives up when the log is closed meanwhile.
fn stall(shared: &Shared, error: Error, backoff: Duration) -> Result<u64, Error> {
    let mut state = shared.state();
    let before = state.release;
    state.stall(error.clone());
    let idle = |state: &mut State| !state.closing && state.release == before;
    let waited = shared.work.wait_timeout_while(state, backoff, idle);
    let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if state.closing { Err(error) } else { Ok(state.release) }
}

/// Ends a turn: what was written is durable. Gives the state, for what else there is to do with it.
fn acknowledge<'a>(
    shared: &'a Shared,
    writer: Writer,
    group: &[Pending],
    took: Duration,
) -> MutexGuard<'a, State> {
    let mut state = shared.state();
    if let Some(last) = group.last() {
        state.durable = last.number + 1;
        // The end of the log may have set it to zero meanwhile.
        state.queued = state.queued.saturating_sub(group.iter().map(Pending::bytes).sum());
        state.logged = shared.index().bytes();
        shared.look_for_room(&mut state);
        if state.stalled.take().is_some() {
            tracing::warn!("the write-ahead log goes on");
        }
        state.commits += 1;
        state.last_commit = took;
    }
    state.end_turn(writer);
    shared.room.notify_all();
    shared.done.notify_all();
    state
}

/// Lets nobody wait for a thread that is gone because a callback or a payload of the caller's panicked.
struct EndOnPanic(Arc<Shared>);

impl Drop for EndOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.end(&Error::Stopped(
                "the write-ahead log's thread panicked in a callback or payload".to_owned(),
            ));
        }
    }
}
