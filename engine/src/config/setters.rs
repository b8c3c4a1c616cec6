//! The values set in code: one setter per key, each winning over every other place.

use std::path::PathBuf;
use std::time::Duration;

use super::parse::limit;
use super::{Config, Master, OnBatchFailure};
use crate::storage::StorageLevel;

impl Config {
    /// Name of the program in logs and in the UI. Key `app_name`.
    pub fn app_name(self, name: impl Into<String>) -> Self {
        self.set("app_name", |s| s.app_name = name.into())
    }

    /// On how many threads the work runs. Key `master`.
    pub fn master(self, master: Master) -> Self {
        self.set("master", |s| s.master = master)
    }

    /// Length of a batch, in whole milliseconds. Key `batch_interval`.
    pub fn batch_interval(self, interval: Duration) -> Self {
        self.set("batch_interval", |s| s.batch_interval = interval)
    }

    /// How often a receiver cuts a block; no longer than the batch interval. Key `receiver.block_interval`.
    pub fn block_interval(self, interval: Duration) -> Self {
        self.set("receiver.block_interval", |s| s.block_interval = interval)
    }

    /// Size of the segments that a receiver hands on. Key `receiver.segment_bytes`.
    pub fn segment_bytes(self, bytes: usize) -> Self {
        self.set("receiver.segment_bytes", |s| s.segment_bytes = bytes)
    }

    /// Segments that wait between a receiver and the engine, rounded up to a power of two. Key `receiver.ring_segments`.
    pub fn ring_segments(self, segments: usize) -> Self {
        self.set("receiver.ring_segments", |s| s.ring_segments = segments)
    }

    /// Unprocessed bytes per receiver before reading stops. Key `receiver.max_held_bytes`.
    pub fn max_held_bytes(self, bytes: usize) -> Self {
        self.set("receiver.max_held_bytes", |s| s.max_held_bytes = bytes)
    }

    /// Where received blocks may stand until their batch is complete. Key `receiver.storage_level`.
    pub fn receiver_level(self, level: StorageLevel) -> Self {
        self.set("receiver.storage_level", |s| s.receiver_level = level)
    }

    /// Memory that the process may occupy; 0 is 60 % of the machine's. Key `memory.max`.
    pub fn memory_max(self, bytes: usize) -> Self {
        self.set("memory.max", |s| s.memory_max = bytes)
    }

    /// Where to spill what memory cannot hold. Key `storage.dir`.
    pub fn storage_dir(self, dir: impl Into<PathBuf>) -> Self {
        self.set("storage.dir", |s| s.storage_dir = Some(dir.into()))
    }

    /// Where to spill second copies. Key `storage.replica_dir`.
    pub fn replica_dir(self, dir: impl Into<PathBuf>) -> Self {
        self.set("storage.replica_dir", |s| s.replica_dir = Some(dir.into()))
    }

    /// Bytes that may be spilled. Key `storage.max_bytes`.
    pub fn storage_max_bytes(self, bytes: usize) -> Self {
        self.set("storage.max_bytes", |s| s.storage_max_bytes = bytes)
    }

    /// Longest line of text that is one record. Key `receiver.max_line_bytes`.
    pub fn max_line_bytes(self, bytes: usize) -> Self {
        self.set("receiver.max_line_bytes", |s| s.max_line_bytes = bytes)
    }

    /// How long a receiver waits before it starts again. Key `receiver.restart_delay`.
    pub fn restart_delay(self, delay: Duration) -> Self {
        self.set("receiver.restart_delay", |s| s.restart_delay = delay)
    }

    /// Whether receivers are held to the rate at which batches are processed. Key `backpressure.enabled`.
    pub fn backpressure(self, on: bool) -> Self {
        self.set("backpressure.enabled", |s| s.backpressure = on)
    }

    /// The weights of error, backlog and change. Keys `backpressure.pid.proportional`, `.integral`, `.derived`.
    pub fn pid_weights(self, proportional: f64, integral: f64, derived: f64) -> Self {
        self.set("backpressure.pid.proportional", |s| s.pid_proportional = proportional)
            .set("backpressure.pid.integral", |s| s.pid_integral = integral)
            .set("backpressure.pid.derived", |s| s.pid_derived = derived)
    }

    /// The least rate that backpressure asks for, in records per second. Key `backpressure.pid.min_rate`.
    pub fn pid_min_rate(self, records_per_second: f64) -> Self {
        self.set("backpressure.pid.min_rate", |s| s.pid_min_rate = records_per_second)
    }

    /// Whether what receivers bring is logged before it is relied on. Key `receiver.write_ahead_log`.
    pub fn write_ahead_log(self, on: bool) -> Self {
        self.set("receiver.write_ahead_log", |s| s.write_ahead_log = on)
    }

    /// Size of the files of the write-ahead log. Key `wal.segment_bytes`.
    pub fn wal_segment_bytes(self, bytes: usize) -> Self {
        self.set("wal.segment_bytes", |s| s.wal_segment_bytes = bytes)
    }

    /// Bytes that the write-ahead log may take on the disk. Key `wal.max_bytes`.
    pub fn wal_max_bytes(self, bytes: usize) -> Self {
        self.set("wal.max_bytes", |s| s.wal_max_bytes = bytes)
    }

    /// Whether what receivers bring is compressed in the write-ahead log. Key `wal.compress`.
    pub fn wal_compress(self, on: bool) -> Self {
        self.set("wal.compress", |s| s.wal_compress = on)
    }

    /// Whether a damaged place in the midst of the write-ahead log is skipped. Key `wal.skip_damage`.
    pub fn wal_skip_damage(self, on: bool) -> Self {
        self.set("wal.skip_damage", |s| s.wal_skip_damage = on)
    }

    /// How often a checkpoint is due. Key `checkpoint.interval`.
    pub fn checkpoint_interval(self, interval: Duration) -> Self {
        self.set("checkpoint.interval", |s| s.checkpoint_interval = interval)
    }

    /// Whether the batches that were missed while no program ran are made as one. Key `checkpoint.collapse_missed`.
    pub fn checkpoint_collapse_missed(self, on: bool) -> Self {
        self.set("checkpoint.collapse_missed", |s| s.checkpoint_collapse_missed = on)
    }

    /// Operators whose state in the checkpoint may be lost, and outputs that are gone, with commas between. Key `checkpoint.drop_state`.
    pub fn drop_state(self, operators: impl Into<String>) -> Self {
        self.set("checkpoint.drop_state", |s| s.drop_state = operators.into())
    }

    /// Most records per second of a receiver; `None`, 0 and less are no limit. Key `receiver.max_rate`.
    pub fn max_rate(self, records_per_second: impl Into<Option<f64>>) -> Self {
        self.set("receiver.max_rate", |s| s.max_rate = limit(records_per_second.into()))
    }

    /// Records per second of a receiver before the first estimate. Key `receiver.initial_rate`.
    pub fn initial_rate(self, records_per_second: impl Into<Option<f64>>) -> Self {
        self.set("receiver.initial_rate", |s| s.initial_rate = limit(records_per_second.into()))
    }

    /// Whether each receiver thread stays on a core of its own. Key `receiver.pin`.
    pub fn pin_receivers(self, pin: bool) -> Self {
        self.set("receiver.pin", |s| s.pin_receivers = pin)
    }

    /// How often a task may fail before its batch fails. Key `task.max_failures`.
    pub fn max_failures(self, failures: usize) -> Self {
        self.set("task.max_failures", |s| s.max_failures = failures)
    }

    /// What a failed batch leads to. Key `on_batch_failure`.
    pub fn on_batch_failure(self, reaction: OnBatchFailure) -> Self {
        self.set("on_batch_failure", |s| s.on_batch_failure = reaction)
    }

    /// Output operations that run at the same time. Key `concurrent_jobs`.
    pub fn concurrent_jobs(self, jobs: usize) -> Self {
        self.set("concurrent_jobs", |s| s.concurrent_jobs = jobs)
    }

    /// Partitions after a shuffle where the program names no number; 0 is one per thread. Key `default_parallelism`.
    pub fn default_parallelism(self, partitions: usize) -> Self {
        self.set("default_parallelism", |s| s.default_parallelism = partitions)
    }

    /// How far back a file stream looks for new files, at least. Key `file_stream.min_remember`.
    pub fn min_remember(self, duration: Duration) -> Self {
        self.set("file_stream.min_remember", |s| s.min_remember = duration)
    }

    /// How long a graceful stop may take; zero is ten batch intervals. Key `graceful_stop_timeout`.
    pub fn graceful_stop_timeout(self, timeout: Duration) -> Self {
        self.set("graceful_stop_timeout", |s| s.graceful_stop_timeout = timeout)
    }

    /// Whether SIGTERM and Ctrl-C let the received data be processed first. Key `stop_gracefully_on_shutdown`.
    pub fn stop_gracefully_on_shutdown(self, graceful: bool) -> Self {
        self.set("stop_gracefully_on_shutdown", |s| s.stop_gracefully_on_shutdown = graceful)
    }

    /// How long a receiver may take to stop. Key `stop_timeout`.
    pub fn stop_timeout(self, timeout: Duration) -> Self {
        self.set("stop_timeout", |s| s.stop_timeout = timeout)
    }

    /// Batches with fewer bytes run on the scheduling thread. Key `inline_below_bytes`.
    pub fn inline_below_bytes(self, bytes: usize) -> Self {
        self.set("inline_below_bytes", |s| s.inline_below_bytes = bytes)
    }

    /// Unprocessed batches before receivers are slowed. Key `max_pending_batches`.
    pub fn max_pending_batches(self, batches: usize) -> Self {
        self.set("max_pending_batches", |s| s.max_pending_batches = batches)
    }

    /// Size of the partitions into which a file is cut. Key `file.split_bytes`.
    pub fn split_bytes(self, bytes: usize) -> Self {
        self.set("file.split_bytes", |s| s.split_bytes = bytes)
    }

    /// Keys that one stateful or windowed operator may hold; 0 is no limit. Key `state.max_keys`.
    pub fn max_state_keys(self, keys: usize) -> Self {
        self.set("state.max_keys", |s| s.max_state_keys = keys)
    }

    /// Seed of the hash functions; `None` draws one per process. Key `hash_seed`.
    pub fn hash_seed(self, seed: impl Into<Option<u64>>) -> Self {
        self.set("hash_seed", |s| s.hash_seed = seed.into())
    }

    /// A file to which a JSON line is appended per completed batch; `None` writes none. Key `stats.file`.
    pub fn stats_file(self, path: impl Into<Option<PathBuf>>) -> Self {
        self.set("stats.file", |s| s.stats_file = path.into())
    }
}
