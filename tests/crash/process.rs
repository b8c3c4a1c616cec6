//! The process that is killed.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tempfile::TempDir;

/// A temporary folder that stays when the test fails.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.disable_cleanup(true);
            eprintln!("the files of the test that failed are in {}", self.0.path().display());
        }
    }
}

/// How to start the program, any number of times.
pub(crate) struct Program {
    /// Its folder, as it is seen by the program, and by us.
    folder: PathBuf,
    seen: PathBuf,
    example: &'static str,
    args: Vec<String>,
    interval: Duration,
    /// The most memory that any life has had, in KiB.
    memory: Arc<AtomicU64>,
}

/// One life of it.
pub(crate) struct Process {
    child: Child,
    memory: Arc<AtomicU64>,
    /// What it says on standard error, line by line, to its end.
    says: Receiver<String>,
}

/// What the receiver may hold that no batch has finished: reached when a slow machine makes batches more slowly than they are due.
const HELD_MAX_BYTES: u64 = 32 << 20;

/// Its `memory.max`: several times what it holds and keeps, and little beside what it has received.
const MEMORY_MAX_BYTES: u64 = 128 << 20;

/// What of `memory.max` the process may ever have, in percent.
const MEMORY_MAX_PERCENT: u64 = 110;

/// What a program says that goes on.
const GOING_ON: &str = "going on from a checkpoint";

/// The length of a batch: on a disk that takes a few milliseconds for each sync, there is time for the three outputs in it.
const INTERVAL: Duration = Duration::from_millis(100);

/// How long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long a program may take to finish its work, and how long a test waits for its end.
const GRACE: Duration = Duration::from_secs(60);
const END_PATIENCE: Duration = Duration::from_secs(120);

/// Half of all lines contain this; the others are left out.
pub(crate) const MATCHING: &str = "key-1";

/// The program that counts lines, with its window.
const COUNTS: &str = "reliable_counts";

impl Program {
    /// The program that counts lines.
    pub(crate) fn new(folder: &Path, args: &[&str]) -> Self {
        Program::of_example(COUNTS, folder, args)
    }

    /// Another example that takes the same options, but for the window.
    pub(crate) fn of_example(example: &'static str, folder: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(ToString::to_string).collect();
        let (folder, seen) = (folder.to_owned(), folder.to_owned());
        Program { folder, seen, example, args, interval: INTERVAL, memory: Arc::default() }
    }

    /// With batches that are as long as this.
    pub(crate) fn with_interval(self, interval: Duration) -> Self {
        Program { interval, ..self }
    }

    /// With a folder that is seen elsewhere by us.
    pub(crate) fn seen_at(self, seen: PathBuf) -> Self {
        Program { seen, ..self }
    }

    /// The length of a batch.
    pub(crate) fn interval(&self) -> Duration {
        self.interval
    }

    /// The length of the window.
    pub(crate) fn window(&self) -> Duration {
        self.interval * 10
    }

    /// Where its results are.
    pub(crate) fn output(&self) -> PathBuf {
        self.seen.join("output")
    }

    /// The most memory that it has had so far (`VmHWM`), in KiB.
    pub(crate) fn memory_kib(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// Fails when it has ever had more memory than its `memory.max` and a tenth.
    pub(crate) fn assert_memory_is_bounded(&self) {
        let (memory, max) = (self.memory_kib(), MEMORY_MAX_BYTES / 1024 * MEMORY_MAX_PERCENT / 100);
        assert!((1..=max).contains(&memory), "the program has had {memory} KiB of memory, of {max}");
    }

    /// Whether it has ever got so far that it would go on.
    pub(crate) fn has_begun(&self) -> bool {
        std::fs::read_dir(self.seen.join("checkpoint/checkpoints")).is_ok_and(|files| {
            files.flatten().any(|file| file.path().extension().is_some_and(|kind| kind == "manifest"))
        })
    }

    pub(crate) fn start(&self) -> Process {
        self.start_under(&[])
    }

    /// Starts it as the argument of another program, which becomes it.
    pub(crate) fn start_under(&self, other: &[String]) -> Process {
        let test = std::env::current_exe().unwrap();
        let example = test.ancestors().nth(2).unwrap().join("examples").join(self.example);
        let mut words = other.iter().map(OsString::from).chain([example.into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        let millis = |time: Duration| format!("{}ms", time.as_millis());
        command.args(words).args(&self.args).arg("--checkpoint").arg(self.folder.join("checkpoint"));
        command.arg("--output").arg(self.folder.join("output")).args(["--master", "local[2]"]);
        command.args(["--interval", &millis(self.interval)]);
        if self.example == COUNTS {
            command.args(["--window", &millis(self.window()), "--matching", MATCHING]);
        }
        command.env("MILLSTREAM_CHECKPOINT_INTERVAL", millis(self.interval * 3));
        command.env("RUST_LOG", "warn,millstream_engine::context::resumption=info");
        command.env("MILLSTREAM_MEMORY_MAX", MEMORY_MAX_BYTES.to_string());
        command.env("MILLSTREAM_RECEIVER_MAX_HELD_BYTES", HELD_MAX_BYTES.to_string());
        command.env("MILLSTREAM_WAL_SEGMENT_BYTES", "65536");
        command.env("MILLSTREAM_GRACEFUL_STOP_TIMEOUT", millis(GRACE));
        let child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn();
        let mut child = child.expect("the program is there: cargo build --examples");
        let (to_us, says) = channel();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        // However much it says, it must not wait for us.
        thread::spawn(move || stderr.lines().map_while(Result::ok).try_for_each(|line| to_us.send(line)));
        Process { child, memory: Arc::clone(&self.memory), says }
    }
}

impl Process {
    /// Waits until it goes on where an earlier one has ended: from then on it does what signals tell it.
    pub(crate) fn await_going_on(&mut self) {
        let mut told = Vec::new();
        while let Some(line) = self.next_word() {
            if line.contains(GOING_ON) {
                return;
            }
            told.push(line);
        }
        panic!("the program does not go on: {}", told.join("\n"));
    }

    /// Where it listens; `None` when it has ended before it did.
    pub(crate) fn address(&mut self) -> Option<SocketAddr> {
        let mut told = Vec::new();
        while let Some(line) = self.next_word() {
            if let Some(address) = line.strip_prefix("listening on tcp://") {
                return address.parse().ok();
            }
            told.push(line);
        }
        panic!("the program does not listen: {}", told.join("\n"))
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        assert!(!self.has_ended(), "the program ended by itself: {}", self.told());
        self.child.kill().unwrap();
        self.await_end();
    }

    /// Asks it to finish its work and waits for that.
    pub(crate) fn stop(&mut self) {
        let (status, told) = self.end();
        assert!(status.success(), "{status}: {told}");
    }

    /// Asks it to finish its work, unless it has ended already, and waits for its end: how it ended, and what it has said.
    pub(crate) fn end(&mut self) -> (ExitStatus, String) {
        if !self.has_ended() {
            let pid = rustix::process::Pid::from_child(&self.child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        }
        (self.await_end(), self.told())
    }

    /// Whether it has ended, by itself or by a signal.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.look_at_memory();
        self.child.try_wait().unwrap().is_some()
    }

    fn await_end(&mut self) -> ExitStatus {
        let end = Instant::now() + END_PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("the program does not end. Its threads: {}\nIt said: {}", self.threads(), self.told_so_far());
    }

    /// What its threads do, as the system sees it.
    fn threads(&self) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).into_iter().flatten();
        let told = tasks.flatten().map(|task| {
            let read = |file| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            let status = read("status");
            let of_interest = status
                .lines()
                .filter(|line| ["Name:", "State:", "TracerPid:"].iter().any(|field| line.starts_with(field)));
            format!("{}, in {}", of_interest.collect::<Vec<_>>().join(" "), read("wchan"))
        });
        told.collect::<Vec<_>>().join("\n")
    }

    fn look_at_memory(&self) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).unwrap_or(0);
        self.memory.fetch_max(kib, Ordering::Relaxed);
    }

    /// The next line that it says; `None` when there is none to come, or none comes.
    fn next_word(&self) -> Option<String> {
        self.says.recv_timeout(PATIENCE).ok()
    }

    /// What it has said; to be asked when it has ended. Whoever traces it has the same standard error, and must end soon, too.
    fn told(&self) -> String {
        let mut told = Vec::new();
        loop {
            match self.says.recv_timeout(PATIENCE) {
                Ok(line) => told.push(line),
                Err(RecvTimeoutError::Disconnected) => return told.join("\n"),
                Err(RecvTimeoutError::Timeout) => panic!(
                    "the program has ended, and somebody has still its standard error. It said: {}",
                    told.join("\n")
                ),
            }
        }
    }

    fn told_so_far(&self) -> String {
        self.says.try_iter().collect::<Vec<_>>().join("\n")
    }
}

/// A test that fails leaves no process behind, unless not even a kill ends it.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let end = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Puts a file into a directory, complete when it appears. The time that the system gives it may be some milliseconds ago: before
/// the program has begun, and such files are not its own. So it is given the right one.
pub(crate) fn put_file(directory: &Path, name: &str, text: &str) {
    let hidden = directory.join(format!(".{name}"));
    std::fs::write(&hidden, text).unwrap();
    let file = std::fs::File::options().write(true).open(&hidden).unwrap();
    file.set_modified(SystemTime::now()).unwrap();
    std::fs::rename(&hidden, directory.join(name)).unwrap();
}

/// Waits until `done` holds.
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it did not come to pass that {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until `state` says that it is done, as long as what it gives beside goes on changing: after many kills there are many missed
/// batches to be made.
pub(crate) fn eventually_by_steps<S: Copy + PartialEq>(what: &str, mut state: impl FnMut() -> (bool, S)) {
    let (mut is_done, mut step) = state();
    while !is_done {
        let before = step;
        eventually(&format!("there is a step on the way to this: {what}"), || {
            (is_done, step) = state();
            is_done || step != before
        });
    }
}

/// Numbers that are the same in every run (xorshift).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}
