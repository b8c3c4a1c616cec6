//! The process that is killed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

/// How to start the program, any number of times.
pub(crate) struct Program {
    folder: PathBuf,
    args: Vec<String>,
}

/// One life of it.
pub(crate) struct Process {
    child: Child,
    stderr: Option<BufReader<ChildStderr>>,
}

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

impl Program {
    pub(crate) fn new(folder: &Path, args: &[&str]) -> Self {
        Program { folder: folder.to_owned(), args: args.iter().map(ToString::to_string).collect() }
    }

    /// Where its results are.
    pub(crate) fn output(&self) -> PathBuf {
        self.folder.join("output")
    }

    /// Whether it has ever got so far that it would go on.
    pub(crate) fn has_begun(&self) -> bool {
        std::fs::read_dir(self.folder.join("checkpoint/checkpoints")).is_ok_and(|files| {
            files.flatten().any(|file| file.path().extension().is_some_and(|kind| kind == "manifest"))
        })
    }

    pub(crate) fn start(&self) -> Process {
        let test = std::env::current_exe().unwrap();
        let example = test.ancestors().nth(2).unwrap().join("examples/reliable_counts");
        let mut command = Command::new(example);
        command.args(&self.args).arg("--checkpoint").arg(self.folder.join("checkpoint"));
        command.arg("--output").arg(self.output()).args(["--interval", "40ms", "--window", "400ms"]);
        command.args(["--master", "local[2]"]).env("MILLSTREAM_CHECKPOINT_INTERVAL", "120ms");
        command.env("MILLSTREAM_WAL_SEGMENT_BYTES", "65536").env("MILLSTREAM_GRACEFUL_STOP_TIMEOUT", "60s");
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let stderr = child.stderr.take().map(BufReader::new);
        Process { child, stderr }
    }
}

impl Process {
    /// Where it listens; `None` when it has ended before it did.
    pub(crate) fn address(&mut self) -> Option<SocketAddr> {
        let mut told = String::new();
        for line in self.stderr.take()?.lines() {
            let line = line.ok()?;
            if let Some(address) = line.strip_prefix("listening on tcp://") {
                return address.parse().ok();
            }
            told.push_str(&line);
        }
        panic!("the program ended by itself: {told}")
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        assert!(self.child.try_wait().unwrap().is_none(), "the program ended by itself: {}", self.told());
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to finish its work and waits for that.
    pub(crate) fn stop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.told());
    }

    fn told(&mut self) -> String {
        let stderr = self.stderr.take();
        stderr
            .map(|stderr| stderr.lines().map_while(Result::ok).collect::<Vec<_>>().join("\n"))
            .unwrap_or_default()
    }
}

/// A test that fails leaves no process behind.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
