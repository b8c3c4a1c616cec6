use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::opening::{Opened, open};
use super::options::LogOptions;
use super::payload::{Payload, Stored};
use super::queue::{Limits, Shared, State};
use super::recovery::{self, Recovery};
use super::segment_file::Pending;
use super::{RecordId, thread};
use crate::error::{Error, Result};
use crate::fs::Fs;

/// A write-ahead log: what is appended is durable, in order, when [`wait`](Self::wait) says so.
///
/// All methods can be called from many threads. Dropping it closes it.
///
/// ```
/// use millstream_engine::fs::SimFs;
/// use millstream_engine::wal::{Log, LogOptions};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// let disk = Arc::new(SimFs::new());
/// let (log, _) = Log::open(disk.clone(), Path::new("/wal"), &LogOptions::default())?;
/// let block = log.append(1, b"a block of records".to_vec())?;
/// log.wait(block)?;
/// drop(log);
///
/// let (log, recovery) = Log::open(disk, Path::new("/wal"), &LogOptions::default())?;
/// let records = recovery.records().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!((records[0].kind, &records[0].payload[..]), (1, &b"a block of records"[..]));
/// assert_eq!(log.read(block)?, b"a block of records");
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub struct Log {
    shared: Arc<Shared>,
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    epoch: u64,
    compression: bool,
    most: u64,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// On the directory, until the log is closed.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// How a log is doing.
#[derive(Clone, Debug)]
pub struct Status {
    /// Goes up by one each time the log is opened.
    pub epoch: u64,
    /// Files of the log.
    pub segments: usize,
    /// Bytes in them.
    pub bytes: u64,
    /// Bytes that were appended and are not durable yet.
    pub queued_bytes: u64,
    /// Records that were appended and are not durable yet.
    pub lag_records: u64,
    /// Groups that were made durable.
    pub commits: u64,
    /// How long the last one took, from the first write to the end of the sync, with all waiting for space.
    pub last_commit: Duration,
    /// The files were full, and have not been half full since.
    pub is_full: bool,
    /// Why nothing is acknowledged at the moment, or any more.
    pub stalled: Option<Error>,
    /// Why segments that were released are still there.
    pub release_failed: Option<Error>,
}

impl Log {
    /// Opens the log in `dir`, or begins one, and gives what it holds.
    ///
    /// Recovered records that may stand in the page cache alone, those of the last group before a crash, are appended again before
    /// anything else.
    ///
    /// # Errors
    /// When the options contradict each other, when another process has the log, when a file cannot be read or was written by a
    /// newer version, and when something is damaged and the options say [`OnCorruption::Stop`](super::OnCorruption::Stop).
    pub fn open(fs: Arc<dyn Fs>, dir: &Path, options: &LogOptions) -> Result<(Log, Recovery)> {
        let Opened { writer, recovery, again, index, next, durable, lock } =
            open(Arc::clone(&fs), dir, options)?;
        let epoch = writer.epoch();
        let state = State::new(
            writer,
            next,
            durable,
            index.lock().unwrap_or_else(PoisonError::into_inner).bytes(),
            again,
        );
        let limits = Limits {
            queue_bytes: options.queue_bytes as u64,
            max_bytes: options.max_bytes,
            spare_bytes: options.segment_bytes,
            group_bytes: thread::group_bytes(options.segment_bytes),
        };
        let shared = Arc::new(Shared::new(state, index, limits));
        let same = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("wal".to_owned());
        let thread = thread.spawn(move || thread::run(&same));
        let thread = thread.map_err(|error| Error::io("write-ahead log: no thread can be started", error))?;
        let log = Log {
            shared,
            fs,
            dir: dir.to_owned(),
            epoch,
            compression: options.compression,
            most: options.max_bytes - options.segment_bytes,
            thread: Mutex::new(Some(thread)),
            lock: Mutex::new(Some(lock)),
        };
        Ok((log, recovery))
    }

    /// Appends a record and returns at once, with its id. It is durable later: see [`wait`](Self::wait).
    ///
    /// Waits while the queue has `queue_bytes`, and while the files have `max_bytes`, which a [`release`](Self::release) ends.
    ///
    /// # Errors
    /// When the log is closed or over, and when the record is larger than the log may be.
    pub fn append(&self, kind: u8, payload: impl Into<Payload>) -> Result<RecordId> {
        self.add(kind, payload.into(), false)
    }

    /// Appends a record that must not wait for room: room depends on it, or it was received when there [was](Self::has_room) some. It
    /// may go past the limits.
    ///
    /// # Errors
    /// When the log is closed or over, and when the record is larger than the log may be.
    pub fn append_now(&self, kind: u8, payload: impl Into<Payload>) -> Result<RecordId> {
        self.add(kind, payload.into(), true)
    }

    /// Whether what is appended by [`append_now`](Self::append_now) should go on coming: the queue has less than `queue_bytes`, and the
    /// files leave a segment's bytes free of `max_bytes`. It is also true when the log is over, so that who appends is told.
    pub fn has_room(&self) -> bool {
        self.shared.has_room()
    }

    /// What the files may take together.
    pub fn max_bytes(&self) -> u64 {
        self.shared.limits.max_bytes
    }

    /// Whether the files take more than half of what they may, so that it is time for a [`release`](Self::release).
    pub fn is_half_full(&self) -> bool {
        let state = self.shared.state();
        state.logged + state.queued > self.shared.limits.max_bytes / 2
    }

    fn add(&self, kind: u8, payload: Payload, now: bool) -> Result<RecordId> {
        let stored = Stored::new(payload, self.compression)?;
        let mut pending = Pending { number: 0, kind, stored };
        let bytes = pending.bytes();
        if bytes > self.most {
            let most = self.most;
            return Err(Error::State(format!(
                "write-ahead log: a record of {bytes} bytes can never be stored, with {most} at most; raise its max_bytes"
            )));
        }
        let Limits { queue_bytes, max_bytes, .. } = self.shared.limits;
        let full = |state: &mut State| {
            let queue = state.queued > 0 && state.queued + bytes > queue_bytes;
            !now && state.open().is_ok() && (queue || state.logged + state.queued + bytes > max_bytes)
        };
        let state = self.shared.room.wait_while(self.shared.state(), full);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.open()?;
        pending.number = state.next;
        state.next += 1;
        state.queued += bytes;
        self.shared.look_for_room(&mut state);
        let id = RecordId(pending.number);
        state.queue.push_back(pending);
        let wakes = state.wakes();
        drop(state);
        if wakes {
            self.shared.work.notify_one();
        }
        Ok(id)
    }

    /// Waits until a record, and all before it, are durable. Where nobody writes at the moment, this thread does.
    ///
    /// # Errors
    /// When it never will be: the log is over. The record may be in the log all the same, and come back when it is opened again.
    pub fn wait(&self, id: RecordId) -> Result<()> {
        let mut state = self.shared.state();
        while state.durable <= id.0 {
            if let Some(error) = &state.ended {
                return Err(error.clone());
            }
            state = if let Some(turn) = state.lead(self.shared.limits.group_bytes) {
                drop(state);
                thread::lead(&self.shared, turn);
                self.shared.state()
            } else {
                self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
        Ok(())
    }

    /// Has `call` called once, when a record and all before it are durable, or with the error when they never will be. It runs on
    /// the log's thread, or on this one if that is known already; it must be short, must not append, and must not wait for the log.
    pub fn on_durable(&self, id: RecordId, call: impl FnOnce(Result<()>) + Send + 'static) {
        let mut state = self.shared.state();
        let known = match &state.ended {
            _ if state.durable > id.0 => Some(Ok(())),
            Some(error) => Some(Err(error.clone())),
            None => None,
        };
        match known {
            None => state.callbacks.entry(id.0).or_default().push(Box::new(call)),
            Some(result) => {
                drop(state);
                call(result);
            }
        }
    }

    /// The first record that is not durable: all before it are.
    pub fn durable(&self) -> RecordId {
        RecordId(self.shared.state().durable)
    }

    /// The id that the next record will have.
    pub fn next(&self) -> RecordId {
        RecordId(self.shared.state().next)
    }

    /// Says that records before `before` are not needed any more: a checkpoint that goes without them is durable. Segments with
    /// nothing else are deleted soon.
    pub fn release(&self, before: RecordId) {
        let mut state = self.shared.state();
        // Not more than is durable, so that asking once more later has an effect.
        state.release = state.release.max(before.0.min(state.durable));
        drop(state);
        self.shared.work.notify_one();
    }

    /// The payload of a record that is durable and not released.
    ///
    /// # Errors
    /// When there is no such record, when it cannot be read, and when it is damaged.
    pub fn read(&self, id: RecordId) -> Result<Vec<u8>> {
        let found = self.shared.index().find(id.0).map(|(segment, spot)| (segment.path.clone(), spot));
        let Some((path, spot)) = found else {
            let dir = self.dir.display();
            return Err(Error::State(format!(
                "write-ahead log: {id} is not in {dir}: it is released or not durable yet"
            )));
        };
        recovery::read(&*self.fs, &path, spot)
    }

    /// How the log is doing.
    pub fn status(&self) -> Status {
        let state = self.shared.state();
        let index = self.shared.index();
        Status {
            epoch: self.epoch,
            segments: index.segments().len(),
            bytes: index.bytes(),
            queued_bytes: state.queued,
            lag_records: state.next - state.durable,
            commits: state.commits,
            last_commit: state.last_commit,
            is_full: state.is_full,
            stalled: state.ended.clone().or_else(|| state.stalled.clone()),
            release_failed: state.release_failed.clone(),
        }
    }

    /// Makes what was appended durable, seals the last segment and ends the log. While the disk is full, what is not durable is
    /// given up, and who waits for it gets the error. The directory is free then. Closing twice does no harm.
    pub fn close(&self) {
        self.shared.state().closing = true;
        self.shared.work.notify_one();
        self.shared.room.notify_all();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If it panicked, those who wait were told.
            let _ = thread.join();
        }
        self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("dir", &self.dir).field("status", &self.status()).finish()
    }
}
