//! What must be in the folders, by a program that knows nothing of the engine.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::ledger::Ledger;
use crate::process::{MATCHING, PATIENCE, Process, Program, eventually_by_steps};

/// What was found in the results.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Lines that were sent and are not left out.
    pub(crate) sent: usize,
    /// Lines that were sent and are left out.
    pub(crate) left_out: usize,
    pub(crate) batches: usize,
    /// Lines that were sent and are in no batch.
    pub(crate) lost: usize,
    /// Lines that are in more batches than they should be.
    pub(crate) duplicated: usize,
    /// Lines that nobody sent.
    pub(crate) invented: usize,
    /// Batches whose totals are not those of the lines up to there.
    pub(crate) wrong_totals: Vec<i64>,
    /// Batches whose window is not that of the lines in it.
    pub(crate) wrong_windows: Vec<i64>,
    /// What a kill has left beside the results.
    pub(crate) remains: Vec<String>,
}

impl Found {
    /// Adds what was found in the results of another run.
    pub(crate) fn add(&mut self, other: Found) {
        self.sent += other.sent;
        self.left_out += other.left_out;
        self.batches += other.batches;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.invented += other.invented;
        self.wrong_totals.extend(other.wrong_totals);
        self.wrong_windows.extend(other.wrong_windows);
        self.remains.extend(other.remains);
    }

    /// Puts it into a line of the ledger. The results are under `folder`.
    pub(crate) fn note(&self, mut ledger: Ledger, folder: &Path) {
        ledger.set("records", self.sent);
        ledger.set("left_out", self.left_out);
        ledger.set("batches", self.batches);
        ledger.set("lost", self.lost);
        ledger.set("duplicated", self.duplicated);
        ledger.set("invented", self.invented);
        ledger.set("wrong_totals", self.wrong_totals.len());
        ledger.set("wrong_windows", self.wrong_windows.len());
        ledger.note(Some(folder));
    }

    pub(crate) fn is_exact(&self) -> bool {
        self.sent > 0
            && self.lost + self.duplicated + self.invented == 0
            && self.wrong_totals.is_empty()
            && self.wrong_windows.is_empty()
    }
}

/// The lines of each batch that an output has written.
pub(crate) fn batches(output: &Path, name: &str) -> BTreeMap<i64, Vec<String>> {
    let mut batches = BTreeMap::new();
    for entry in fs::read_dir(output).into_iter().flatten().flatten() {
        let folder = entry.file_name().into_string().unwrap();
        let Some(time) = folder.strip_prefix(name).and_then(|time| time.strip_prefix('-')) else { continue };
        let mut lines = Vec::new();
        assert!(entry.path().join("_SUCCESS").exists(), "{folder} is not complete");
        for part in fs::read_dir(entry.path()).unwrap() {
            let part = part.unwrap();
            if part.file_name() != "_SUCCESS" {
                lines.extend(fs::read_to_string(part.path()).unwrap().lines().map(str::to_owned));
            }
        }
        batches.insert(time.parse().unwrap(), lines);
    }
    batches
}

/// How many lines have been put out so far. A folder appears whole, and its lines stay the same when it is written again; so each is
/// read once.
#[derive(Default)]
pub(crate) struct PutOut {
    folders: HashSet<OsString>,
    lines: usize,
    /// The time of the last batch, in ms since 1970.
    last: i64,
}

impl PutOut {
    /// Waits until all lines are put out that were sent and are not left out, or the process has ended. After many kills many batches are to be made, so it waits as
    /// long as there are new ones; but lines that are there now are not missing in batches of [`PATIENCE`] later.
    pub(crate) fn await_lines(&mut self, program: &Program, process: &mut Process, sent: &[String]) {
        let lines = matching(sent).len();
        let output = program.output();
        let due = UNIX_EPOCH.elapsed().unwrap() + PATIENCE;
        eventually_by_steps("all lines are put out", || {
            self.look_at(&output);
            let is_complete = self.lines >= lines;
            assert!(
                is_complete || self.last < due.as_millis() as i64,
                "{} of {lines} lines are put out",
                self.lines
            );
            (process.has_ended() || is_complete, self.folders.len())
        });
    }

    fn look_at(&mut self, output: &Path) {
        for folder in fs::read_dir(output).into_iter().flatten().flatten() {
            let name = folder.file_name();
            let Some(time) = name.to_str().and_then(|name| name.strip_prefix("lines-")?.parse().ok()) else {
                continue;
            };
            // Nothing while it is being replaced.
            if !self.folders.contains(&name)
                && let Ok(Some(lines)) = lines_in(&folder.path())
            {
                self.lines += lines;
                self.folders.insert(name);
                self.last = self.last.max(time);
            }
        }
    }
}

/// The lines of a batch; `None` when its folder was replaced meanwhile.
fn lines_in(folder: &Path) -> io::Result<Option<usize>> {
    let before = fs::metadata(folder)?.ino();
    let lines = fs::read_dir(folder)?.map(|part| Ok(fs::read_to_string(part?.path())?.lines().count()));
    let lines = lines.sum::<io::Result<usize>>()?;
    Ok((fs::metadata(folder)?.ino() == before).then_some(lines))
}

/// Compares the lines of all batches of an output with those that were sent.
pub(crate) fn check_lines(batches: &BTreeMap<i64, Vec<String>>, sent: &[String]) -> Found {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for line in batches.values().flatten() {
        *seen.entry(line).or_default() += 1;
    }
    let known: HashSet<&str> = sent.iter().map(String::as_str).collect();
    Found {
        sent: sent.len(),
        batches: batches.len(),
        lost: sent.iter().filter(|line| !seen.contains_key(line.as_str())).count(),
        duplicated: seen.values().map(|times| times - 1).sum(),
        invented: seen.keys().filter(|line| !known.contains(*line)).count(),
        ..Found::default()
    }
}

fn counts<'a>(lines: impl Iterator<Item = &'a String>) -> HashMap<String, u64> {
    let mut counts = HashMap::new();
    for line in lines {
        *counts.entry(line.split(' ').next().unwrap().to_owned()).or_insert(0) += 1;
    }
    counts
}

fn written(lines: &[String]) -> HashMap<String, u64> {
    let pairs = lines.iter().map(|line| line.split_once(' ').unwrap());
    let counts: HashMap<_, _> = pairs.map(|(key, count)| (key.to_owned(), count.parse().unwrap())).collect();
    assert_eq!(counts.len(), lines.len(), "a key stands twice");
    counts
}

/// The lines that are not left out.
fn matching(sent: &[String]) -> Vec<String> {
    sent.iter().filter(|line| line.contains(MATCHING)).cloned().collect()
}

/// Compares all results with what was sent.
pub(crate) fn check(program: &Program, sent: &[String]) -> Found {
    let output = &program.output();
    let lines = batches(output, "lines");
    let matching = matching(sent);
    let mut found = check_lines(&lines, &matching);
    found.left_out = sent.len() - matching.len();

    let mut total: HashMap<String, u64> = HashMap::new();
    let (totals, windows) = (batches(output, "totals"), batches(output, "window"));
    for (time, batch) in &lines {
        let came = counts(batch.iter());
        for (key, count) in &came {
            *total.entry(key.clone()).or_default() += count;
        }
        let expected: HashMap<_, _> = came.keys().map(|key| (key.clone(), total[key])).collect();
        if totals.get(time).map(|lines| written(lines)) != Some(expected) {
            found.wrong_totals.push(*time);
        }
        let begin = *time - program.window().as_millis() as i64;
        let in_window = counts(lines.range(begin + 1..=*time).flat_map(|(_, lines)| lines));
        if windows.get(time).map(|lines| written(lines)) != Some(in_window) {
            found.wrong_windows.push(*time);
        }
    }
    found.check_grid(lines.keys().copied(), program.interval());
    let names = fs::read_dir(output).into_iter().flatten().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    found.remains = names.filter(|name| name.starts_with('.')).collect();
    found
}

impl Found {
    /// No batch is missing, whatever time the process was dead.
    fn check_grid(&self, times: impl Iterator<Item = i64>, interval: Duration) {
        let times: Vec<i64> = times.collect();
        for pair in times.windows(2) {
            assert_eq!(
                pair[1] - pair[0],
                interval.as_millis() as i64,
                "a batch is missing behind {}",
                pair[0]
            );
        }
    }
}
