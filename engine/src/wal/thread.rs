//! The log's thread: takes groups off the queue, has the writer commit them, and tells who waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{Shared, State};
use super::segment_file::Pending;
use super::trouble::Trouble;
use super::writer::Writer;
use crate::error::Error;

/// How long a full disk is left alone before the next try, at first and at most.
const BACKOFF: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Bytes that are synced together at most; a group never spans two segments.
const GROUP_BYTES: u64 = 16 << 20;

/// What to do next.
struct Work {
    group: Vec<Pending>,
    release: u64,
    last: bool,
}

/// Runs until the log is closed or over.
pub(super) fn run(shared: &Arc<Shared>, mut writer: Writer, segment_bytes: u64) {
    let guard = EndOnPanic(Arc::clone(shared));
    let group_bytes = GROUP_BYTES.min(segment_bytes);
    let mut released = 0;
    loop {
        let work = next_work(shared, released, group_bytes);
        let result = release(shared, &mut writer, &mut released, work.release)
            .and_then(|()| commit(shared, &mut writer, &mut released, &work.group));
        if let Err(error) = result {
            shared.end(&error);
            break;
        }
        if work.last {
            writer.close();
            shared.end(&Error::Stopped("the write-ahead log is closed".to_owned()));
            break;
        }
    }
    drop(guard);
}

fn next_work(shared: &Shared, released: u64, group_bytes: u64) -> Work {
    let idle = |state: &mut State| state.queue.is_empty() && state.release <= released && !state.closing;
    let state = shared.work.wait_while(shared.state(), idle);
    let mut state = state.unwrap_or_else(std::sync::PoisonError::into_inner);
    let group = if state.queue.is_empty() { Vec::new() } else { state.take_group(group_bytes) };
    Work { group, release: state.release, last: state.closing && state.queue.is_empty() }
}

/// Deletes what was released since the last time.
fn release(shared: &Shared, writer: &mut Writer, released: &mut u64, before: u64) -> Result<(), Error> {
    if before <= *released {
        return Ok(());
    }
    *released = before;
    let result = writer.release(before);
    let mut state = shared.state();
    state.logged = shared.index().bytes();
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
fn commit(shared: &Shared, writer: &mut Writer, released: &mut u64, group: &[Pending]) -> Result<(), Error> {
    if group.is_empty() {
        return Ok(());
    }
    let mut backoff = BACKOFF;
    let begin = Instant::now();
    loop {
        match writer.commit(group) {
            Ok(()) => break,
            Err(Trouble::Wait(error)) => {
                let before = stall(shared, error, backoff)?;
                // What is released now may be the space that is missing.
                release(shared, writer, released, before)?;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
            Err(Trouble::Broken(error) | Trouble::Stop(error)) => return Err(error),
        }
    }
    acknowledge(shared, group, begin.elapsed());
    Ok(())
}

/// Waits a while, less when there is a release. Gives up when the log is closed meanwhile.
fn stall(shared: &Shared, error: Error, backoff: Duration) -> Result<u64, Error> {
    let mut state = shared.state();
    let before = state.release;
    state.stalled = Some(error.clone());
    let idle = |state: &mut State| !state.closing && state.release == before;
    let waited = shared.work.wait_timeout_while(state, backoff, idle);
    let (state, _) = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
    if state.closing { Err(error) } else { Ok(state.release) }
}

fn acknowledge(shared: &Shared, group: &[Pending], took: Duration) {
    let mut state = shared.state();
    state.durable = group.last().map_or(state.durable, |last| last.number + 1);
    state.queued -= group.iter().map(Pending::bytes).sum::<u64>();
    state.logged = shared.index().bytes();
    state.stalled = None;
    state.commits += 1;
    state.last_commit = took;
    let callbacks = state.take_callbacks();
    drop(state);
    shared.room.notify_all();
    shared.done.notify_all();
    callbacks.into_iter().for_each(|call| call(Ok(())));
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
