//! The table of all keys. A new knob is one row here, one field in `settings.rs`, one setter.

use std::fmt;
use std::time::Duration;

use super::{Config, Settings, kind::Kind};

/// One knob: its name, what it means, and what may be written for it.
pub struct Key {
    name: &'static str,
    kind: Kind,
    doc: &'static str,
}

const fn key(name: &'static str, kind: Kind, doc: &'static str) -> Key {
    Key { name, kind, doc }
}

const NONE: Duration = Duration::ZERO;
const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const TIB: usize = 1 << 40;

/// Every key, in the order of the way of a record. The defaults are `Settings::default()`.
static KEYS: [Key; 44] = [
    key("app_name", Kind::Text(|s| &mut s.app_name), "Name of the program in logs and in the UI."),
    key(
        "master",
        Kind::Master(|s| &mut s.master),
        "On how many threads the work runs; each receiver takes one of them for itself.",
    ),
    key(
        "batch_interval",
        Kind::Duration(|s| &mut s.batch_interval, MS..=MONTH),
        "Length of a batch. Batch times are multiples of it.",
    ),
    key(
        "receiver.block_interval",
        Kind::Duration(|s| &mut s.block_interval, MS..=MONTH),
        "How often a receiver cuts a block; the blocks of a batch are its partitions. \
         The default shrinks to the batch interval.",
    ),
    key(
        "receiver.segment_bytes",
        Kind::Bytes(|s| &mut s.segment_bytes, 4 * KIB..=64 * MIB),
        "Size of the segments that a receiver hands on while a block is still open.",
    ),
    key(
        "receiver.ring_segments",
        Kind::Count(|s| &mut s.ring_segments, 2..=65_536),
        "Segments that wait between a receiver and the engine, rounded up to a power of two. \
         When so many wait, the receiver stops reading.",
    ),
    key(
        "receiver.max_held_bytes",
        Kind::Bytes(|s| &mut s.max_held_bytes, 4 * KIB..=TIB),
        "Bytes per receiver that are received but not yet processed, before reading stops.",
    ),
    key(
        "receiver.storage_level",
        Kind::StorageLevel(|s| &mut s.receiver_level),
        "Where received blocks may stand until their batch is complete. Without disk a receiver stops reading when memory \
         is short; with it, blocks are spilled first.",
    ),
    key(
        "memory.max",
        Kind::Bytes(|s| &mut s.memory_max, 0..=TIB),
        "Memory that the process may occupy before kept streams are evicted, blocks spilled and receivers slowed; 0 is \
         60 % of the machine's, or of its control group's.",
    ),
    key(
        "storage.dir",
        Kind::Path(|s| &mut s.storage_dir),
        "Directory for what memory cannot hold; none is the system's for temporary files. Nothing in it outlives the \
         process.",
    ),
    key(
        "storage.replica_dir",
        Kind::Path(|s| &mut s.replica_dir),
        "Directory, on another disk, for second copies: those of storage levels that end in _2.",
    ),
    key(
        "storage.max_bytes",
        Kind::Bytes(|s| &mut s.storage_max_bytes, MIB..=64 * TIB),
        "Bytes that may be spilled to disk before receivers are slowed.",
    ),
    key(
        "receiver.max_line_bytes",
        Kind::Bytes(|s| &mut s.max_line_bytes, 16..=16 * MIB - 1),
        "Longest line of text that is taken as one record.",
    ),
    key(
        "receiver.restart_delay",
        Kind::Duration(|s| &mut s.restart_delay, NONE..=HOUR),
        "How long a receiver that lost its source waits before it starts again.",
    ),
    key(
        "receiver.max_rate",
        Kind::Rate(|s| &mut s.max_rate),
        "Records per second that a receiver takes at most; none, 0 and less are no limit.",
    ),
    key(
        "receiver.initial_rate",
        Kind::Rate(|s| &mut s.initial_rate),
        "Records per second that a receiver takes before the first estimate of the right rate.",
    ),
    key(
        "backpressure.enabled",
        Kind::Flag(|s| &mut s.backpressure),
        "Whether receivers are held to the rate at which batches are processed (a PID controller). Without it they are \
         held up only when a limit is reached: pending batches, held bytes.",
    ),
    key(
        "backpressure.pid.proportional",
        Kind::Factor(|s| &mut s.pid_proportional),
        "Weight of the error: the last rate less the rate of processing.",
    ),
    key(
        "backpressure.pid.integral",
        Kind::Factor(|s| &mut s.pid_integral),
        "Weight of what has piled up: the records that waited.",
    ),
    key(
        "backpressure.pid.derived",
        Kind::Factor(|s| &mut s.pid_derived),
        "Weight of the change of the error. More than 0 reacts to noise.",
    ),
    key(
        "backpressure.pid.min_rate",
        Kind::Factor(|s| &mut s.pid_min_rate),
        "The least rate that backpressure asks for, in records per second; more than 0.",
    ),
    key(
        "receiver.pin",
        Kind::Flag(|s| &mut s.pin_receivers),
        "Whether each receiver thread stays on a core of its own.",
    ),
    key(
        "receiver.write_ahead_log",
        Kind::Flag(|s| &mut s.write_ahead_log),
        "Whether what receivers bring is written to the log of the checkpoint directory before it is relied on. \
         Without such a directory it means nothing.",
    ),
    key(
        "wal.segment_bytes",
        Kind::Bytes(|s| &mut s.wal_segment_bytes, 64 * KIB..=4 * GIB),
        "Size of the files of the write-ahead log. A file is removed when no batch needs anything in it.",
    ),
    key(
        "wal.max_bytes",
        Kind::Bytes(|s| &mut s.wal_max_bytes, MIB..=TIB),
        "Bytes that the write-ahead log may take on the disk. Receivers stop reading while less than a segment of it is left; \
         each may add what it has built by then. When half is taken, checkpoints come earlier than by \
         checkpoint.interval, if that frees much.",
    ),
    key(
        "wal.compress",
        Kind::Flag(|s| &mut s.wal_compress),
        "Whether what receivers bring is compressed (lz4) in the write-ahead log: fewer bytes for more work.",
    ),
    key(
        "wal.skip_damage",
        Kind::Flag(|s| &mut s.wal_skip_damage),
        "Whether a damaged place in the midst of the write-ahead log is skipped, counted and put aside, instead of \
         stopping the start.",
    ),
    key(
        "checkpoint.interval",
        Kind::Duration(|s| &mut s.checkpoint_interval, NONE..=MONTH),
        "How often windows, states and positions are written to the checkpoint directory, rounded up to whole \
         batches; 0 is 10 s. It is more often while the write-ahead log is more than half full (wal.max_bytes). After a crash, \
         the batches since are made again.",
    ),
    key(
        "checkpoint.collapse_missed",
        Kind::Flag(|s| &mut s.checkpoint_collapse_missed),
        "Whether the batches that were missed while no program ran are made as one when it goes on: the first one has all \
         that has come since. Otherwise each is made, on the time grid of the first run.",
    ),
    key(
        "checkpoint.drop_state",
        Kind::Text(|s| &mut s.drop_state),
        "Names of operators, with commas between, whose state in the checkpoint may be lost at the start: they are \
         not in the program any more, or have other types. Also of outputs that are gone: what they have prepared is given up, \
         and an output that may be the same does their batches again.",
    ),
    key(
        "file.split_bytes",
        Kind::Bytes(|s| &mut s.split_bytes, KIB..=GIB),
        "Size of the partitions into which a file is cut.",
    ),
    key(
        "file_stream.min_remember",
        Kind::Duration(|s| &mut s.min_remember, MS..=MONTH),
        "How far back a file stream looks for new files, at least; rounded up to whole batches.",
    ),
    key(
        "max_pending_batches",
        Kind::Count(|s| &mut s.max_pending_batches, 1..=100_000),
        "Batches that are generated but not yet processed, before receivers are slowed.",
    ),
    key(
        "concurrent_jobs",
        Kind::Count(|s| &mut s.concurrent_jobs, 1..=1_024),
        "Output operations that run at the same time. With more than one, batches may end out of order.",
    ),
    key(
        "default_parallelism",
        Kind::Count(|s| &mut s.default_parallelism, 0..=65_536),
        "Partitions after a shuffle where the program names no number; 0 is one per compute thread.",
    ),
    key(
        "inline_below_bytes",
        Kind::Bytes(|s| &mut s.inline_below_bytes, 0..=GIB),
        "Batches with fewer bytes run on the scheduling thread, where waking others would cost more.",
    ),
    key(
        "state.max_keys",
        Kind::Count(|s| &mut s.max_state_keys, 0..=1 << 40),
        "Keys that one stateful or windowed operator may hold. A batch that would bring more fails; 0 is no limit.",
    ),
    key(
        "hash_seed",
        Kind::Seed(|s| &mut s.hash_seed),
        "Seed of the hash functions, to repeat a run; none draws one per process.",
    ),
    key(
        "task.max_failures",
        Kind::Count(|s| &mut s.max_failures, 1..=1_000),
        "How often a task may fail before its batch fails.",
    ),
    key(
        "on_batch_failure",
        Kind::OnBatchFailure(|s| &mut s.on_batch_failure),
        "What a failed batch leads to: the program stops, the batch runs again, or it is left out.",
    ),
    key(
        "stop_gracefully_on_shutdown",
        Kind::Flag(|s| &mut s.stop_gracefully_on_shutdown),
        "Whether SIGTERM and Ctrl-C let the received data be processed first. Spark's default is false.",
    ),
    key(
        "graceful_stop_timeout",
        Kind::Duration(|s| &mut s.graceful_stop_timeout, NONE..=MONTH),
        "How long a graceful stop may take; 0 is ten batch intervals.",
    ),
    key(
        "stop_timeout",
        Kind::Duration(|s| &mut s.stop_timeout, NONE..=HOUR),
        "How long a receiver may take to stop.",
    ),
    key(
        "stats.file",
        Kind::Path(|s| &mut s.stats_file),
        "A file to which a JSON line is appended per completed batch, for programs that watch the lag.",
    ),
];

impl Config {
    /// Every key, in the order in which a record meets them.
    ///
    /// ```
    /// use millstream_engine::config::Config;
    /// for key in Config::keys() {
    ///     println!("{key}");
    /// }
    /// assert!(Config::keys().any(|key| key.env_name() == "MILLSTREAM_RECEIVER_BLOCK_INTERVAL"));
    /// ```
    pub fn keys() -> impl Iterator<Item = &'static Key> {
        KEYS.iter()
    }
}

impl Key {
    /// The name in files, arguments and errors, such as `receiver.block_interval`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What the value means, in a sentence or two.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// The default, as it would be written.
    pub fn default(&self) -> String {
        self.show(&Settings::default())
    }

    /// What may be written, in words.
    pub fn allowed(&self) -> String {
        self.kind.allowed()
    }

    /// A value that would be accepted.
    pub fn example(&self) -> String {
        self.kind.example().map_or_else(|| self.default(), str::to_string)
    }

    /// The environment variable that sets this key, such as `MILLSTREAM_RECEIVER_BLOCK_INTERVAL`.
    pub fn env_name(&self) -> String {
        format!("{}{}", Config::ENV_PREFIX, self.name.replace('.', "_").to_uppercase())
    }

    /// Reads `text` into `settings`, or says why it cannot stand there.
    pub(super) fn read(&self, settings: &mut Settings, text: &str) -> Result<(), String> {
        self.kind.read(settings, text)?;
        if self.fits(settings) { Ok(()) } else { Err("out of range".to_string()) }
    }

    /// Whether the value in `settings` lies in this key's range.
    pub(super) fn fits(&self, settings: &Settings) -> bool {
        self.kind.fits(&mut settings.clone())
    }

    /// The value in `settings`, as it would be written.
    pub(super) fn show(&self, settings: &Settings) -> String {
        self.kind.show(&mut settings.clone())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.name)
    }
}

/// Two lines of a listing: the name with default and range, and the meaning below.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} = {}  ({})", self.name, self.default(), self.allowed())?;
        write!(f, "    {}", self.doc)
    }
}
