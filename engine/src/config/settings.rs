//! The typed values, as the engine reads them.

use std::path::PathBuf;
use std::time::Duration;

use super::{Config, Key, Master, OnBatchFailure};
use crate::storage::{StorageLevel, machine_memory};

/// Every value of a [`Config`], typed; `Settings::default()` holds the defaults.
///
/// What each key means and which range it has is said once, by [`Config::keys`]. Where a default depends
/// on another value, the `effective_` method of the same name has it worked out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// `app_name`.
    pub app_name: String,
    /// `master`.
    pub master: Master,
    /// `batch_interval`.
    pub batch_interval: Duration,
    /// `receiver.block_interval`; see [`Settings::effective_block_interval`].
    pub block_interval: Duration,
    /// `receiver.segment_bytes`.
    pub segment_bytes: usize,
    /// `receiver.ring_segments`; see [`Settings::effective_ring_segments`].
    pub ring_segments: usize,
    /// `receiver.max_held_bytes`.
    pub max_held_bytes: usize,
    /// `receiver.storage_level`.
    pub receiver_level: StorageLevel,
    /// `memory.max`; see [`Settings::effective_memory_max`].
    pub memory_max: usize,
    /// `storage.dir`; see [`Settings::effective_storage_dirs`].
    pub storage_dir: Option<PathBuf>,
    /// `storage.replica_dir`.
    pub replica_dir: Option<PathBuf>,
    /// `storage.max_bytes`.
    pub storage_max_bytes: usize,
    /// `receiver.max_line_bytes`.
    pub max_line_bytes: usize,
    /// `receiver.restart_delay`.
    pub restart_delay: Duration,
    /// `receiver.max_rate`, in records per second.
    pub max_rate: Option<f64>,
    /// `receiver.initial_rate`, in records per second.
    pub initial_rate: Option<f64>,
    /// `backpressure.enabled`.
    pub backpressure: bool,
    /// `backpressure.pid.proportional`.
    pub pid_proportional: f64,
    /// `backpressure.pid.integral`.
    pub pid_integral: f64,
    /// `backpressure.pid.derived`.
    pub pid_derived: f64,
    /// `backpressure.pid.min_rate`, in records per second.
    pub pid_min_rate: f64,
    /// `receiver.pin`.
    pub pin_receivers: bool,
    /// `receiver.write_ahead_log`.
    pub write_ahead_log: bool,
    /// `wal.segment_bytes`.
    pub wal_segment_bytes: usize,
    /// `wal.max_bytes`.
    pub wal_max_bytes: usize,
    /// `wal.compress`.
    pub wal_compress: bool,
    /// `wal.skip_damage`.
    pub wal_skip_damage: bool,
    /// `checkpoint.interval`; see [`Settings::effective_checkpoint_interval`].
    pub checkpoint_interval: Duration,
    /// `checkpoint.collapse_missed`.
    pub checkpoint_collapse_missed: bool,
    /// `checkpoint.drop_state`; see [`Settings::drops_state`].
    pub drop_state: String,
    /// `task.max_failures`.
    pub max_failures: usize,
    /// `on_batch_failure`.
    pub on_batch_failure: OnBatchFailure,
    /// `concurrent_jobs`.
    pub concurrent_jobs: usize,
    /// `default_parallelism`; see [`Settings::effective_parallelism`].
    pub default_parallelism: usize,
    /// `file_stream.min_remember`.
    pub min_remember: Duration,
    /// `graceful_stop_timeout`; see [`Settings::effective_graceful_stop_timeout`].
    pub graceful_stop_timeout: Duration,
    /// `stop_gracefully_on_shutdown`.
    pub stop_gracefully_on_shutdown: bool,
    /// `stop_timeout`.
    pub stop_timeout: Duration,
    /// `inline_below_bytes`.
    pub inline_below_bytes: usize,
    /// `max_pending_batches`.
    pub max_pending_batches: usize,
    /// `file.split_bytes`.
    pub split_bytes: usize,
    /// `state.max_keys`; 0 is no limit.
    pub max_state_keys: usize,
    /// `hash_seed`.
    pub hash_seed: Option<u64>,
    /// `stats.file`.
    pub stats_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            app_name: "millstream".to_string(),
            master: Master::AllCores,
            batch_interval: Duration::from_secs(1),
            block_interval: Duration::from_millis(200),
            segment_bytes: 256 << 10,
            ring_segments: 64,
            max_held_bytes: 1 << 30,
            receiver_level: StorageLevel::MEMORY_ONLY_SER,
            memory_max: 0,
            storage_dir: None,
            replica_dir: None,
            storage_max_bytes: 16 << 30,
            max_line_bytes: 1 << 20,
            restart_delay: Duration::from_secs(2),
            max_rate: None,
            initial_rate: None,
            backpressure: false,
            pid_proportional: 1.0,
            pid_integral: 0.2,
            pid_derived: 0.0,
            pid_min_rate: 100.0,
            pin_receivers: true,
            write_ahead_log: true,
            wal_segment_bytes: 64 << 20,
            wal_max_bytes: 10 << 30,
            wal_compress: false,
            wal_skip_damage: false,
            checkpoint_interval: Duration::ZERO,
            checkpoint_collapse_missed: false,
            drop_state: "none".to_string(),
            max_failures: 4,
            on_batch_failure: OnBatchFailure::Stop,
            concurrent_jobs: 1,
            default_parallelism: 0,
            min_remember: Duration::from_secs(60),
            graceful_stop_timeout: Duration::ZERO,
            stop_gracefully_on_shutdown: true,
            stop_timeout: Duration::from_secs(10),
            inline_below_bytes: 64 << 10,
            max_pending_batches: 16,
            split_bytes: 8 << 20,
            max_state_keys: 0,
            hash_seed: None,
            stats_file: None,
        }
    }
}

impl Settings {
    /// How often a receiver cuts a block: `receiver.block_interval`, but never longer than a batch.
    pub fn effective_block_interval(&self) -> Duration {
        self.block_interval.min(self.batch_interval)
    }

    /// The memory that the process may occupy, in bytes.
    pub fn effective_memory_max(&self) -> usize {
        match self.memory_max {
            0 => usize::try_from(machine_memory() / 10 * 6).unwrap_or(usize::MAX),
            max => max,
        }
    }

    /// Where to spill, and second copies where there is a directory for them.
    pub fn effective_storage_dirs(&self) -> Vec<PathBuf> {
        let first = self.storage_dir.clone().unwrap_or_else(std::env::temp_dir);
        [first].into_iter().chain(self.replica_dir.clone()).collect()
    }

    /// Whether `level` asks for a second copy on disk, for which there is no directory.
    pub(crate) fn lacks_replica(&self, level: StorageLevel) -> bool {
        level.copies() > 1 && level.uses_disk() && self.replica_dir.is_none()
    }

    /// How many segments a receiver's ring holds: `receiver.ring_segments`, rounded up to a power of two.
    pub fn effective_ring_segments(&self) -> usize {
        self.ring_segments.next_power_of_two()
    }

    /// Number of reduce partitions: `default_parallelism`, or one per compute thread.
    pub fn effective_parallelism(&self) -> usize {
        match self.default_parallelism {
            0 => self.master.threads(),
            given => given,
        }
    }

    /// How often a checkpoint is due: `checkpoint.interval`, or ten seconds, in whole batches.
    pub fn effective_checkpoint_interval(&self) -> Duration {
        let wanted = match self.checkpoint_interval {
            Duration::ZERO => Duration::from_secs(10),
            given => given,
        };
        let batches = wanted.as_millis().div_ceil(self.batch_interval.as_millis().max(1)).max(1);
        self.batch_interval * u32::try_from(batches).unwrap_or(u32::MAX)
    }

    /// Whether the state of the operator of this name may be lost at the start: `checkpoint.drop_state`.
    pub fn drops_state(&self, operator: &str) -> bool {
        self.drop_state.split(',').any(|name| name.trim() == operator)
    }

    /// How long a graceful stop may take: `graceful_stop_timeout`, or ten batches.
    pub fn effective_graceful_stop_timeout(&self) -> Duration {
        match self.graceful_stop_timeout {
            Duration::ZERO => self.batch_interval * 10,
            given => given,
        }
    }
}

impl Config {
    /// Every key with its present value as text and the place that it came from, as a UI shows it.
    ///
    /// ```
    /// use millstream_engine::config::Config;
    /// let config = Config::new().with_args(["master=local[2]"])?;
    /// let (key, value, place) = config.entries().find(|(key, ..)| key.name() == "master").unwrap();
    /// assert_eq!((key.default().as_str(), value.as_str()), ("local[*]", "local[2]"));
    /// assert_eq!(place.to_string(), "argument \"master=local[2]\"");
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    pub fn entries(&self) -> impl Iterator<Item = (&'static Key, String, &super::Place)> {
        Config::keys().map(|key| (key, key.show(self), self.place(key.name())))
    }
}
