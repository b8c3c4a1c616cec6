//! Where campaigns write down what came of them: one line of JSON per test and run.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

/// A line in the making.
pub(crate) struct Ledger {
    line: Map<String, Value>,
    begin: SystemTime,
}

impl Ledger {
    /// `cycles` is how often the harness does to the program, or to its files, what it does.
    pub(crate) fn new(harness: &str, cycles: usize) -> Self {
        let mut ledger = Ledger { line: Map::new(), begin: SystemTime::now() };
        ledger.set("harness", harness);
        ledger.set("cycles", cycles);
        ledger
    }

    /// Adds what only this harness has to say.
    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.line.insert(name.to_owned(), value.into());
    }

    /// Appends the line to the file that `CRASH_LEDGER` names, if any, with where and when: the files were in `folder`, or on a
    /// simulated disk.
    pub(crate) fn note(mut self, folder: Option<&Path>) {
        let Some(path) = path() else { return };
        self.set("seconds", self.begin.elapsed().unwrap_or_default().as_secs());
        self.set("machine", machine(folder));
        let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        self.set("unix_time", since_1970.as_secs());
        self.set("date", said_by("date", &["-u", "+%FT%TZ"]));
        self.set("commit", said_by("git", &["rev-parse", "--short", "HEAD"]));
        self.set("profile", if cfg!(debug_assertions) { "debug" } else { "release" });
        let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
        writeln!(file, "{}", Value::Object(self.line)).unwrap();
    }
}

fn path() -> Option<PathBuf> {
    let path = std::env::var_os("CRASH_LEDGER")?;
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// What matters of the machine for a test of files.
fn machine(folder: Option<&Path>) -> Value {
    let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let file_system = folder.map_or("simulated".to_owned(), |folder| {
        said_by("stat", &["-f", "-c", "%T", &folder.display().to_string()])
    });
    json!({ "cores": cores, "kernel": kernel.trim(), "file_system": file_system })
}

/// The first line that a program says; nothing if there is no such program.
fn said_by(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.lines().next().unwrap_or_default().to_owned()
}
