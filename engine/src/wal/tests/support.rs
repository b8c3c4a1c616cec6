//! What the tests of the log share.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use crate::error::Result;
use crate::fs::{Fs, SimFs};
use crate::wal::{Log, LogOptions, OnCorruption, Recovery};

pub(super) const DIR: &str = "/wal";

pub(super) fn dir() -> &'static Path {
    Path::new(DIR)
}

/// Small segments, and always the same log.
pub(super) fn options() -> LogOptions {
    LogOptions { segment_bytes: 2000, max_bytes: 1 << 30, new_log_id: 42, ..LogOptions::default() }
}

pub(super) fn skip() -> LogOptions {
    LogOptions { on_corruption: OnCorruption::Skip, ..options() }
}

pub(super) fn open(disk: &SimFs, options: &LogOptions) -> (Log, Recovery) {
    Log::open(Arc::new(disk.clone()), dir(), options).unwrap()
}

/// A payload that is known by its number: of various lengths, some empty.
pub(super) fn payload(number: u64) -> Vec<u8> {
    let len = (number * 37 % 300) as usize;
    number.to_le_bytes().iter().copied().cycle().take(len).collect()
}

pub(super) fn kind(number: u64) -> u8 {
    (number % 3) as u8
}

/// Appends the records of these numbers and waits for the last.
pub(super) fn append(log: &Log, numbers: std::ops::Range<u64>) {
    let mut last = None;
    for number in numbers {
        let id = log.append(kind(number), payload(number)).unwrap();
        assert_eq!(id.0, number);
        last = Some(id);
    }
    if let Some(last) = last {
        log.wait(last).unwrap();
    }
}

/// The numbers that were recovered; each record is checked.
pub(super) fn numbers(recovery: &Recovery) -> Vec<u64> {
    checked_numbers(recovery).unwrap()
}

/// The same, where reading may fail.
pub(super) fn checked_numbers(recovery: &Recovery) -> Result<Vec<u64>> {
    let records = recovery.records().map(|record| {
        let record = record?;
        assert_eq!(
            (record.kind, &record.payload),
            (kind(record.id.0), &payload(record.id.0)),
            "{}",
            record.id
        );
        Ok(record.id.0)
    });
    records.collect()
}

/// A log with these records in several segments, closed.
pub(super) fn closed_log(records: u64) -> SimFs {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &options());
    for number in 0..records {
        append(&log, number..number + 1);
    }
    drop(log);
    disk
}

/// The paths of the segments.
pub(super) fn segments(disk: &dyn Fs) -> Vec<std::path::PathBuf> {
    let entries = disk.list(dir()).unwrap();
    let names = entries.iter().map(|entry| entry.name.to_str().unwrap().to_owned());
    names.filter(|name| name.ends_with(".log")).map(|name| dir().join(name)).collect()
}

/// A number from the environment, for campaigns.
pub(super) fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

/// Appends what came of a test to the ledger that `CRASH_LEDGER` names, if any: how often it was made, with nothing lost or unnoticed,
/// or it would have failed.
pub(super) fn note(harness: &str, unit: &str, count: u64) {
    let Some(path) = std::env::var_os("CRASH_LEDGER") else { return };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let said_by = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).current_dir(&root).output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
    };
    let line = serde_json::json!({
        "harness": harness,
        unit: count,
        "lost": 0,
        "date": said_by("date", &["-u", "+%FT%TZ"]),
        "commit": said_by("git", &["rev-parse", "--short", "HEAD"]),
        "profile": if cfg!(debug_assertions) { "debug" } else { "release" },
        "machine": {
            "cores": std::thread::available_parallelism().map_or(0, |cores| cores.get()),
            "kernel": said_by("uname", &["-r"]),
            "file_system": "simulated",
        },
    });
    let file = std::fs::File::options().create(true).append(true).open(root.join(path));
    writeln!(file.unwrap(), "{line}").unwrap();
}
