//! Kills the process at its system calls, one after the other, and lets single ones fail: strace does it to the real program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::ledger::Ledger;
use crate::oracle::{Found, PutOut, check};
use crate::process::{Folder, Process, Program, Random, eventually, put_file};
use crate::sender::line;

/// The files whose calls are counted. strace counts for each thread, and hits the first one that comes to its k-th call; so
/// what the threads write that have less to do has sweeps of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Files {
    All,
    Log,
    Checkpoints,
}

/// The `number`-th of the calls of one kind.
#[derive(Clone, Copy, Debug)]
struct Site {
    files: Files,
    call: &'static str,
    number: usize,
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// The process is killed when it makes it.
    Killed,
    /// The same, to a process that goes on where a killed one was: before it has put out what there is for it, and again and again.
    KilledInRecovery,
    /// It does nothing and gives this error.
    Fails(&'static str),
    /// It takes longer, for [`DELAY`].
    Slow,
}

impl Fate {
    /// What strace is told to do to the `number`-th call.
    fn injected(self, number: usize) -> String {
        match self {
            Fate::Killed | Fate::KilledInRecovery => format!("signal=SIGKILL:when={number}"),
            Fate::Fails(error) => format!("error={error}:when={number}"),
            Fate::Slow => format!("delay_enter={}:when={number}", DELAY.as_micros()),
        }
    }
}

/// The calls that change something that a later process finds, and those that open files.
const CALLS: [&str; 11] = [
    "openat",
    "write",
    "writev",
    "fdatasync",
    "fsync",
    "rename",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
    "ftruncate",
];

/// The calls that fail, each with what a full or a broken disk says. `write` is that of files that have a sweep of their own and of part
/// files; standard error is one of the others.
const FAILURES: [(Files, &str, &str); 13] = [
    (Files::All, "write", "ENOSPC"),
    (Files::All, "mkdir", "ENOSPC"),
    (Files::All, "fsync", "EIO"),
    (Files::All, "rename", "EIO"),
    (Files::Log, "write", "ENOSPC"),
    (Files::Log, "writev", "ENOSPC"),
    (Files::Log, "fdatasync", "EIO"),
    (Files::Log, "fsync", "EIO"),
    (Files::Log, "rename", "EIO"),
    (Files::Checkpoints, "write", "ENOSPC"),
    (Files::Checkpoints, "fdatasync", "EIO"),
    (Files::Checkpoints, "fsync", "EIO"),
    (Files::Checkpoints, "rename", "EIO"),
];

/// The calls that take long on a slow disk.
const SLOW: [(Files, &str); 4] = [
    (Files::All, "fsync"),
    (Files::Log, "fdatasync"),
    (Files::Checkpoints, "fdatasync"),
    (Files::Checkpoints, "fsync"),
];

/// How much longer they take: as long as several batches.
const DELAY: Duration = Duration::from_secs(1);

/// Names of segments and of checkpoints for which strace looks: more than the job makes.
const NAMES: usize = 24;

/// The length of a batch: the process is slower under strace.
const INTERVAL: Duration = Duration::from_millis(150);

/// The files of the job, and the lines of each.
const FILES: usize = 5;
const LINES: usize = 40;

/// The files of the life that a recovery goes on from. Before each one there is another file, so that there is something to be put out.
const BEGUN: usize = 2;

/// How often a process is killed that goes on, each time at the same call.
const NESTED: usize = 3;

/// Runs at one time: they mostly wait.
const WORKERS: usize = 4;

impl Files {
    /// Their paths, for strace; none for all.
    fn paths(self, folder: &Path) -> Vec<String> {
        let (dir, names): (_, Vec<String>) = match self {
            Files::All => return Vec::new(),
            Files::Log => {
                let segments = (0..NAMES).map(|n| format!("wal-{n:016x}.log"));
                (
                    "checkpoint/log",
                    segments.chain(["wal-manifest", "wal-manifest.tmp"].map(str::to_owned)).collect(),
                )
            }
            Files::Checkpoints => {
                let of = |n| ["data", "manifest", "manifest.tmp"].map(|kind| format!("{n:016x}.{kind}"));
                ("checkpoint/checkpoints", (0..NAMES).flat_map(of).collect())
            }
        };
        let dir = folder.join(dir);
        let paths = names.iter().map(|name| dir.join(name)).chain([dir.clone()]);
        paths.map(|path| path.display().to_string()).collect()
    }
}

/// The fixed job: so many files, each put into the directory when the lines of those before are put out.
struct Job {
    folder: Folder,
    program: Program,
    sent: Vec<String>,
    put_out: PutOut,
}

impl Job {
    fn new() -> Self {
        let folder = Folder::new();
        let spool = folder.path().join("spool");
        fs::create_dir(&spool).unwrap();
        let program = Program::new(folder.path(), &["--dir", spool.to_str().unwrap()]);
        Job { folder, program: program.with_interval(INTERVAL), sent: Vec::new(), put_out: PutOut::default() }
    }

    /// One life, killed in the midst of its work.
    fn begin_and_be_killed(&mut self) {
        let mut process = self.program.start();
        eventually("the program has begun", || self.program.has_begun());
        for _ in 0..BEGUN {
            self.drop_file();
            self.put_out.await_lines(&self.program, &mut process, &self.sent);
        }
        process.kill();
    }

    /// Starts it under strace, which does something to the calls `calls`.
    fn start_under_strace(&self, files: Files, calls: &str, inject: Option<String>) -> Process {
        let mut words = ["strace", "-D", "-f", "-qq", "-e", "signal=none", "-o"].map(str::to_owned).to_vec();
        words.push(self.trace().display().to_string());
        words.extend(["-e".to_owned(), format!("trace={calls}")]);
        words.extend(
            inject.into_iter().flat_map(|inject| ["-e".to_owned(), format!("inject={calls}:{inject}")]),
        );
        words.extend(files.paths(self.folder.path()).into_iter().flat_map(|path| ["-P".to_owned(), path]));
        self.program.start_under(&words)
    }

    /// What strace has seen.
    fn trace(&self) -> std::path::PathBuf {
        self.folder.path().join("trace")
    }

    /// Goes on with the job until so many files are taken and the process has ended in order, or it has ended by itself.
    fn run(&mut self, process: &mut Process, files: usize) -> (ExitStatus, String) {
        // Files that are older than the program are not its own.
        eventually("the program has begun", || process.has_ended() || self.program.has_begun());
        while self.sent.len() < files * LINES && !process.has_ended() {
            self.drop_file();
            self.put_out.await_lines(&self.program, process, &self.sent);
        }
        self.put_out.await_lines(&self.program, process, &self.sent);
        process.end()
    }

    fn drop_file(&mut self) {
        let (begin, spool) = (self.sent.len(), self.folder.path().join("spool"));
        self.sent.extend((begin..begin + LINES).map(line));
        let lines: String = self.sent[begin..].iter().map(|line| format!("{line}\n")).collect();
        put_file(&spool, &begin.to_string(), &lines);
    }

    /// Does what is left, and one file more, with a process that nothing happens to, and looks at the results.
    fn finish(mut self) -> Outcome {
        let mut process = self.program.start();
        let (status, told) = self.run(&mut process, FILES + 1);
        assert!(status.success(), "{status}: {told}");
        let found = check(&self.program, &self.sent);
        assert!(found.is_exact(), "{found:?}");
        self.program.assert_memory_is_bounded();
        Outcome { found, memory_kib: self.program.memory_kib(), ..Outcome::default() }
    }
}

/// What came of one run, or of many.
#[derive(Debug, Default)]
struct Outcome {
    runs: usize,
    found: Found,
    memory_kib: u64,
    /// How often something happened to the process, by call.
    hits: BTreeMap<String, usize>,
    /// Processes that went on after a failure, or ended with a message.
    went_on: usize,
    ended: usize,
}

impl Outcome {
    fn add(&mut self, other: Outcome) {
        self.runs += 1;
        self.found.add(other.found);
        self.memory_kib = self.memory_kib.max(other.memory_kib);
        other.hits.into_iter().for_each(|(call, hits)| *self.hits.entry(call).or_default() += hits);
        self.went_on += other.went_on;
        self.ended += other.ended;
    }

    fn hits(&self) -> usize {
        self.hits.values().sum()
    }
}

/// Kills the recovery of a job, again and again; of the outcome, `hits` is empty when the process had fewer such calls.
fn recover_once(site: Site, fate: Fate) -> Outcome {
    let mut job = Job::new();
    let Site { files, call, number } = site;
    job.begin_and_be_killed();
    let mut kills = 0;
    for recovery in 1..=NESTED {
        job.drop_file();
        let mut process = job.start_under_strace(files, call, Some(fate.injected(number)));
        let (status, told) = job.run(&mut process, BEGUN + recovery);
        let is_killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        assert!(is_killed || status.success(), "{site:?}, in recovery: {status}: {told}");
        kills += usize::from(is_killed);
        if !is_killed {
            break;
        }
    }
    let mut outcome = job.finish();
    if kills > 0 {
        outcome.hits.insert(format!("{files:?} {call}"), kills);
    }
    outcome
}

/// Runs the job once; of the outcome, `hits` is empty when the process had fewer such calls.
fn run_once(site: Site, fate: Fate) -> Outcome {
    if matches!(fate, Fate::KilledInRecovery) {
        return recover_once(site, fate);
    }
    let mut job = Job::new();
    let Site { files, call, number } = site;
    let mut process = job.start_under_strace(files, call, Some(fate.injected(number)));
    let (status, told) = job.run(&mut process, FILES);
    let is_killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
    let is_traced = |mark| fs::read_to_string(job.trace()).unwrap_or_default().contains(mark);
    let is_hit = match fate {
        Fate::Killed | Fate::KilledInRecovery => is_killed,
        Fate::Fails(_) => is_traced("(INJECTED)"),
        Fate::Slow => is_traced("(DELAYED)"),
    };
    let ends_well = status.success() || (matches!(fate, Fate::Fails(_)) && is_told(status, &told));
    let may_be_killed = matches!(fate, Fate::Killed) && is_killed;
    assert!(ends_well || may_be_killed, "{site:?}, {fate:?}: {status}: {told}");
    let mut outcome = job.finish();
    if is_hit {
        outcome.hits.insert(format!("{files:?} {call}"), 1);
        outcome.went_on = usize::from(status.success());
        outcome.ended = usize::from(status.code() == Some(1));
    }
    outcome
}

/// Whether a process has ended as it should when it cannot go on: with a message that names what the system has said.
fn is_told(status: ExitStatus, told: &str) -> bool {
    status.code() == Some(1) && told.contains("error: ") && told.contains("(os error ")
}

/// How often one thread makes each of the calls in an undisturbed run, or recovery, at the most.
fn counted(files: Files, calls: &[&'static str], in_recovery: bool) -> Vec<(&'static str, usize)> {
    let mut job = Job::new();
    if in_recovery {
        job.begin_and_be_killed();
        job.drop_file();
    }
    let mut process = job.start_under_strace(files, &calls.join(","), None);
    let (status, told) = job.run(&mut process, if in_recovery { BEGUN + 1 } else { FILES });
    assert!(status.success(), "{status}: {told}");
    let trace = fs::read_to_string(job.trace()).unwrap();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        *counts.entry((call.trim_start().split('(').next().unwrap_or_default(), thread)).or_default() += 1;
    }
    let most = |call: &str| counts.iter().filter(|((of, _), _)| *of == call).map(|(_, count)| *count).max();
    calls.iter().map(|call| (*call, most(call).unwrap_or(0))).collect()
}

/// How many runs are to be made: `CRASH_SYSTEM_CALLS`, a number or `all`.
enum Runs {
    Some(usize),
    All,
}

fn runs(quick: usize) -> Runs {
    match std::env::var("CRASH_SYSTEM_CALLS").ok() {
        None => Runs::Some(quick),
        Some(all) if all == "all" => Runs::All,
        Some(number) => Runs::Some(number.parse().unwrap()),
    }
}

/// A kind of call is through when so many numbers in a row were not reached: how many calls there are differs from run to run.
const MISSES: usize = 3;

/// Makes `runs` of the runs, or all: each kind of call until there are no more of it.
fn sweep(kinds: &[(Files, &'static str, Fate)], runs: &Runs) -> Outcome {
    match runs {
        Runs::Some(runs) => in_parallel(&sample(kinds, *runs), |(site, fate), sum| sum(run_once(site, fate))),
        Runs::All => in_parallel(kinds, |(files, call, fate), sum| {
            until_missed(|number| {
                let outcome = run_once(Site { files, call, number }, fate);
                let is_hit = !outcome.hits.is_empty();
                sum(outcome);
                is_hit
            });
        }),
    }
}

/// Calls `hits` with 1, 2, 3 and so on, until it has said often enough in a row that nothing was hit.
fn until_missed(mut hits: impl FnMut(usize) -> bool) {
    let (mut number, mut misses) = (0, 0);
    while misses < MISSES {
        number += 1;
        misses = if hits(number) { 0 } else { misses + 1 };
    }
}

#[test]
fn a_number_that_was_missed_once_does_not_end_a_sweep() {
    let mut asked = Vec::new();
    until_missed(|number| {
        asked.push(number);
        [1, 3, 6].contains(&number)
    });
    assert_eq!(asked, (1..=9).collect::<Vec<_>>());
}

/// So many of all runs, at random.
fn sample(kinds: &[(Files, &'static str, Fate)], runs: usize) -> Vec<(Site, Fate)> {
    let mut all = Vec::new();
    for files in [Files::All, Files::Log, Files::Checkpoints] {
        let of_files = kinds.iter().filter(|(of, ..)| *of == files);
        let calls: Vec<&'static str> = of_files.clone().map(|(_, call, _)| *call).collect();
        let in_recovery = of_files.clone().any(|(.., fate)| matches!(fate, Fate::KilledInRecovery));
        for ((call, count), (.., fate)) in counted(files, &calls, in_recovery).into_iter().zip(of_files) {
            all.extend((1..=count).map(|number| (Site { files, call, number }, *fate)));
        }
    }
    let mut random = Random::new(3);
    (0..runs.min(all.len())).map(|_| all.swap_remove(random.below(all.len() as u64) as usize)).collect()
}

/// Has several threads do the work, and adds up what they hand over.
fn in_parallel<W: Copy + Sync>(work: &[W], each: impl Fn(W, &mut dyn FnMut(Outcome)) + Sync) -> Outcome {
    let (next, sum) = (AtomicUsize::new(0), Mutex::new(Outcome::default()));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(piece) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    each(*piece, &mut |outcome| sum.lock().unwrap().add(outcome));
                }
            });
        }
    });
    sum.into_inner().unwrap()
}

/// Whether strace is there. Without it these tests are left out, and say so, unless `CRASH_WITH_STRACE` says that they must not be.
fn has_strace(harness: &str) -> bool {
    let traced = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).output();
    if traced.is_ok_and(|output| output.status.success()) {
        return true;
    }
    let reason =
        "strace is not installed, or may not trace: install it (apt-get install strace), and allow ptrace";
    assert!(std::env::var_os("CRASH_WITH_STRACE").is_none(), "{harness}: {reason}");
    eprintln!("LEFT OUT: {harness}: {reason}");
    let mut ledger = Ledger::new(harness, 0);
    ledger.set("left_out", reason);
    ledger.note(Some(&std::env::temp_dir()));
    false
}

fn note(mut ledger: Ledger, outcome: &Outcome) {
    ledger.set("cycles", outcome.runs);
    ledger.set("hits", outcome.hits());
    ledger.set("hits_by_call", serde_json::to_value(&outcome.hits).unwrap());
    if outcome.went_on + outcome.ended > 0 {
        ledger.set("went_on", outcome.went_on);
        ledger.set("ended_with_a_message", outcome.ended);
    }
    ledger.set("memory_max_kib", outcome.memory_kib);
    outcome.found.note(ledger, &std::env::temp_dir());
}

/// A kill at a system call: what was done before it is there, what comes after it is not.
#[test]
fn a_kill_at_any_system_call_loses_nothing() {
    let harness = "kill at system calls, directory to files";
    if !has_strace(harness) {
        return;
    }
    let files = [Files::All, Files::Log, Files::Checkpoints];
    let kinds: Vec<_> =
        files.iter().flat_map(|files| CALLS.map(|call| (*files, call, Fate::Killed))).collect();
    let ledger = Ledger::new(harness, 0);
    let outcome = sweep(&kinds, &runs(24));
    note(ledger, &outcome);
    // How many calls there are differs a little from run to run.
    // On a slow machine more comes together in a batch, and there are fewer calls than were counted.
    assert!(outcome.hits() * 4 >= outcome.runs, "{outcome:?}");
}

/// A kill at a system call of a process that goes on where a killed one was, three times over: recovery is begun again and again, and
/// comes to the same.
#[test]
fn a_kill_at_any_system_call_of_a_recovery_loses_nothing() {
    let harness = "kill at system calls of a recovery, directory to files";
    if !has_strace(harness) {
        return;
    }
    let files = [Files::All, Files::Log, Files::Checkpoints];
    let kinds: Vec<_> =
        files.iter().flat_map(|files| CALLS.map(|call| (*files, call, Fate::KilledInRecovery))).collect();
    let ledger = Ledger::new(harness, 0);
    let outcome = sweep(&kinds, &runs(12));
    note(ledger, &outcome);
    // How many calls there are differs a little from run to run.
    assert!(outcome.hits() * 4 >= outcome.runs, "{outcome:?}");
}

/// A system call that fails: the process goes on, or ends with a message; then the next one goes on.
#[test]
fn a_system_call_that_fails_loses_nothing() {
    let harness = "failing system calls, directory to files";
    if !has_strace(harness) {
        return;
    }
    let kinds = FAILURES.map(|(files, call, error)| (files, call, Fate::Fails(error)));
    let ledger = Ledger::new(harness, 0);
    let outcome = sweep(&kinds, &runs(16));
    note(ledger, &outcome);
    // On a slow machine more comes together in a batch, and there are fewer calls than were counted.
    assert!(outcome.hits() * 4 >= outcome.runs, "{outcome:?}");
}

/// A system call that takes long: everything waits for it, and goes on.
#[test]
fn a_slow_disk_loses_nothing() {
    let harness = "slow system calls, directory to files";
    if !has_strace(harness) {
        return;
    }
    let kinds = SLOW.map(|(files, call)| (files, call, Fate::Slow));
    let ledger = Ledger::new(harness, 0);
    let outcome = sweep(&kinds, &runs(6));
    note(ledger, &outcome);
    // Fewer are reached than in an undisturbed run: while a sync takes long, more comes together for the next one.
    assert!(outcome.hits() > 0 && outcome.went_on == outcome.hits(), "{outcome:?}");
}
