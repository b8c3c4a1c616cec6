use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::generations::{Generations, Snapshot, Written};
use super::manifest::Manifest;
use crate::{Error, Result, Time};

/// Writes checkpoints beside the work, on a thread of its own, one at a time.
pub(crate) struct Checkpointer {
    work: Mutex<Option<SyncSender<Snapshot>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    status: Arc<Mutex<CheckpointStatus>>,
    /// Checkpoints that were handed over and are not written.
    under_way: Arc<AtomicUsize>,
    /// Why there will be no more checkpoints, if another program has taken over.
    taken_over: Arc<Mutex<Option<Error>>>,
}

/// How checkpointing goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointStatus {
    /// The number of the newest checkpoint.
    pub generation: u64,
    /// The last batch that is in it.
    pub time: Option<Time>,
    /// Checkpoints that were written since the start.
    pub written: u64,
    /// Those that could not be written.
    pub failed: u64,
    /// Those that were left out because the one before was still being written.
    pub skipped: u64,
    /// Bytes of what had changed, in the newest.
    pub bytes: u64,
    /// How long it took to write the newest.
    pub duration: Duration,
    /// Why the last attempt failed, if it did.
    pub last_error: Option<String>,
    /// Bytes of the write-ahead log, which checkpoints shorten, with those that are about to be written.
    pub log_bytes: u64,
    /// The log was as full as `wal.max_bytes` allows, so that receivers have waited, and it has not been half full since.
    pub is_log_full: bool,
}

/// Told, after every checkpoint that is durable, of the oldest one that is kept.
pub(crate) type OnWritten = Box<dyn Fn(&Manifest) + Send>;

impl Checkpointer {
    /// Starts the thread.
    ///
    /// # Errors
    /// When there can be no more threads.
    pub(crate) fn start(generations: Generations, on_written: OnWritten) -> Result<Self> {
        let status = Arc::<Mutex<CheckpointStatus>>::default();
        let (work, inbox) = sync_channel(1);
        let told = Arc::clone(&status);
        let taken_over = Arc::<Mutex<Option<Error>>>::default();
        let taken = Arc::clone(&taken_over);
        let under_way = Arc::<AtomicUsize>::default();
        let left = Arc::clone(&under_way);
        let mut generations = generations;
        let run = move || {
            while let Ok(snapshot) = inbox.recv() {
                write(&mut generations, snapshot, &told, &on_written);
                left.fetch_sub(1, Ordering::AcqRel);
                lock(&taken).clone_from(&generations.taken_over().cloned());
            }
        };
        let thread = std::thread::Builder::new().name("checkpoints".to_owned()).spawn(run);
        let thread = thread.map_err(|e| Error::io("starting the thread that writes checkpoints", e))?;
        Ok(Checkpointer {
            work: Mutex::new(Some(work)),
            thread: Mutex::new(Some(thread)),
            status,
            under_way,
            taken_over,
        })
    }

    /// Checks that no other program has been found to have taken over.
    pub(crate) fn check_not_taken_over(&self) -> Result<()> {
        lock(&self.taken_over).clone().map_or(Ok(()), Err)
    }

    pub(crate) fn status(&self) -> CheckpointStatus {
        lock(&self.status).clone()
    }

    /// True while nothing is being written and the last attempt has not failed: one more checkpoint than by the clock does no harm.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.under_way.load(Ordering::Acquire) == 0 && lock(&self.status).last_error.is_none()
    }

    /// Hands a checkpoint over, unless two are under way.
    pub(crate) fn submit(&self, snapshot: Snapshot) {
        let work = lock(&self.work);
        let Some(work) = &*work else { return };
        self.under_way.fetch_add(1, Ordering::AcqRel);
        if let Err(TrySendError::Full(_)) = work.try_send(snapshot) {
            self.under_way.fetch_sub(1, Ordering::AcqRel);
            tracing::warn!("the checkpoint before is still being written: this one is left out");
            lock(&self.status).skipped += 1;
        }
    }

    /// Hands the last checkpoint over, and ends the thread when all are written.
    pub(crate) fn finish(&self, last: Option<Snapshot>) {
        let work = lock(&self.work).take();
        if let (Some(work), Some(last)) = (&work, last)
            && work.send(last).is_err()
        {
            tracing::error!("the thread that writes checkpoints is gone: the last checkpoint is not written");
        }
        drop(work);
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that writes checkpoints had died of a panic");
        }
    }
}

/// Writes one checkpoint. After a failure the next one has what this one would have had.
fn write(
    generations: &mut Generations,
    snapshot: Snapshot,
    status: &Mutex<CheckpointStatus>,
    on_written: &OnWritten,
) {
    let (time, begin) = (snapshot.manifest.time, Instant::now());
    match generations.write(snapshot) {
        Ok(Written { generation, bytes, units }) => {
            let duration = begin.elapsed();
            tracing::debug!(%time, generation, bytes, units, ?duration, "checkpoint written");
            let mut status = lock(status);
            status.written += 1;
            (status.generation, status.time) = (generation, Some(time));
            (status.bytes, status.duration, status.last_error) = (bytes, duration, None);
            drop(status);
            if let Some(oldest) = generations.oldest() {
                on_written(oldest);
            }
        }
        Err(error) => {
            tracing::error!(%time, %error, "the checkpoint could not be written; the one before remains");
            let mut status = lock(status);
            status.failed += 1;
            status.last_error = Some(error.to_string());
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
