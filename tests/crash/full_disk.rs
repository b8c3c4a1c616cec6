//! A disk that is full: the program runs on a small file system in memory, which is made larger now and then.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::ledger::Ledger;
use crate::oracle::check;
use crate::process::{Folder, Program, Random, eventually};
use crate::sender::{Connection, Sender};

/// How large the disk is at first, and what a cycle adds at the most.
const SIZE_KIB: u64 = 1024;
const GROWTH_KIB: u64 = 1024;

/// So much is left of a full disk at the most: what the program wants at once, for the lines under way, does not fit.
const FULL_KIB: u64 = 1024;

/// The lines that the sender has under way at the most.
const UNDER_WAY_MAX: usize = 20_000;

/// A disk is full, and everything waits, when nothing has been acknowledged for so long.
const SILENCE: Duration = Duration::from_millis(700);

/// Mounts the disk in a mount namespace of its own, and makes it larger: a line with a size in KiB for each time.
const KEEPER: &str = r#"
mount -t tmpfs -o size="$2"k tmpfs "$1" && echo ok || exit 1
while read size; do mount -o remount,size="$size"k tmpfs "$1" && echo ok || exit 1; done
"#;

/// A small disk, which only those see that are started in its namespace.
struct Disk {
    keeper: Child,
    sizes: ChildStdin,
    answers: BufReader<ChildStdout>,
    size_kib: u64,
    /// Where it is mounted.
    path: PathBuf,
    /// Whether the namespace has users of its own.
    has_users: bool,
}

impl Disk {
    /// Mounts it; the reason if this machine does not let us, in a user namespace or as root.
    fn mount(path: &Path) -> Result<Disk, String> {
        Disk::mount_in(path, true).or_else(|_| Disk::mount_in(path, false))
    }

    fn mount_in(path: &Path, has_users: bool) -> Result<Disk, String> {
        let mut command = Command::new("unshare");
        command.args(if has_users { &["--user", "--map-root-user"][..] } else { &[] });
        command.args(["--mount", "sh", "-c", KEEPER, "keeper"]).arg(path);
        command.arg(SIZE_KIB.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut keeper = command.spawn().map_err(|error| format!("unshare: {error}"))?;
        let (sizes, answers) = (keeper.stdin.take().unwrap(), BufReader::new(keeper.stdout.take().unwrap()));
        let mut disk = Disk { keeper, sizes, answers, size_kib: SIZE_KIB, path: path.to_owned(), has_users };
        if disk.is_answered() { Ok(disk) } else { Err("unshare and mount are not allowed".to_owned()) }
    }

    fn is_answered(&mut self) -> bool {
        let mut answer = String::new();
        self.answers.read_line(&mut answer).is_ok() && answer == "ok\n"
    }

    /// What starts a program in the namespace.
    fn entrance(&self) -> Vec<String> {
        let pid = self.keeper.id().to_string();
        let mut words = vec!["nsenter", "--mount", "--target", &pid];
        if self.has_users {
            words.extend(["--user", "--preserve-credentials"]);
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// The disk as it is seen from outside.
    fn outside(&self) -> PathBuf {
        let path = self.path.strip_prefix("/").unwrap_or(&self.path);
        Path::new("/proc").join(self.keeper.id().to_string()).join("root").join(path)
    }

    fn free_kib(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.outside()).unwrap();
        stat.f_bavail * stat.f_frsize / 1024
    }

    fn grow(&mut self, kib: u64) {
        self.size_kib += kib;
        writeln!(self.sizes, "{}", self.size_kib).unwrap();
        assert!(self.is_answered(), "the disk could not be made larger");
    }
}

/// A test that fails leaves what was on the disk.
impl Drop for Disk {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kept = self.path.with_extension("kept");
            let _ = Command::new("cp").arg("-r").arg(self.outside()).arg(kept).status();
        }
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

/// How often the disk gets full: `CRASH_FULL_DISKS`, or so often in the quick gate.
fn cycles(quick: usize) -> usize {
    std::env::var("CRASH_FULL_DISKS").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(quick)
}

/// The small disk; none, and a line in the ledger, where it cannot be had, unless `CRASH_WITH_MOUNT` says that the test must not be left
/// out.
fn disk(harness: &str, folder: &Folder) -> Option<Disk> {
    let path = folder.path().join("disk");
    std::fs::create_dir(&path).unwrap();
    match Disk::mount(&path) {
        Ok(disk) => Some(disk),
        Err(reason) => {
            assert!(
                std::env::var_os("CRASH_WITH_MOUNT").is_none(),
                "{harness}: {reason}: run it as root, or allow user namespaces"
            );
            eprintln!("LEFT OUT: {harness}: {reason}");
            let mut ledger = Ledger::new(harness, 0);
            ledger.set("left_out", reason);
            ledger.note(Some(folder.path()));
            None
        }
    }
}

/// Sends until the disk is full and nothing is acknowledged any more.
fn fill(disk: &Disk, sender: &mut Sender, connection: &mut Connection, random: &mut Random) {
    let (mut acknowledged, mut since) = (sender.acknowledged(), Instant::now());
    eventually("the disk is full", || {
        if sender.under_way(connection) < UNDER_WAY_MAX {
            sender.make(connection, random.below(2_000) as usize);
        }
        sender.exchange(connection).expect("the program lives");
        if sender.acknowledged() > acknowledged || disk.free_kib() > FULL_KIB {
            (acknowledged, since) = (sender.acknowledged(), Instant::now());
        }
        since.elapsed() > SILENCE
    });
}

/// Makes the disk larger, and waits until something is acknowledged again; how long that takes. The results of batches that have
/// waited, too, may take all the space: then there is more.
fn resume(disk: &mut Disk, sender: &mut Sender, connection: &mut Connection, growth: u64) -> Duration {
    let (before, begin) = (sender.acknowledged(), Instant::now());
    let mut since = begin;
    disk.grow(growth);
    eventually("lines are acknowledged again", || {
        sender.exchange(connection).expect("the program lives");
        if since.elapsed() > SILENCE && disk.free_kib() < FULL_KIB {
            disk.grow(growth);
            since = Instant::now();
        }
        sender.acknowledged() > before
    });
    begin.elapsed()
}

/// While the disk is full nothing is acknowledged, and the sender has to wait; when there is space, it goes on by itself. Now and then
/// the process is killed while the disk is full, and started again.
#[test]
fn a_full_disk_stops_the_sender_and_nothing_else() {
    let harness = "full disk made larger, tcp with acknowledgements to files";
    let (folder, mut random, cycles) = (Folder::new(), Random::new(13), cycles(5));
    let mut ledger = Ledger::new(harness, cycles);
    let Some(mut disk) = disk(harness, &folder) else { return };
    let program = Program::new(&disk.path, &["--listen", "127.0.0.1:0"]).seen_at(disk.outside());
    let (mut sender, mut process) = (Sender::new("full-disk-test"), program.start_under(&disk.entrance()));
    let mut connection = sender.connect_to(&mut process).expect("it listens");
    let (mut kills, mut slowest) = (0, Duration::ZERO);
    for cycle in 0..cycles {
        fill(&disk, &mut sender, &mut connection, &mut random);
        let growth = FULL_KIB + random.below(GROWTH_KIB);
        if cycle % 4 == 3 {
            process.kill();
            process = program.start_under(&disk.entrance());
            let address = process.address().expect("it listens");
            disk.grow(growth);
            connection = sender.connect(address).expect("it answers");
            kills += 1;
        } else {
            slowest = slowest.max(resume(&mut disk, &mut sender, &mut connection, growth));
        }
    }
    disk.grow(1 << 20);
    let sent = sender.finish(&mut connection);
    process.stop();
    let found = check(&program, &sent);
    ledger.set("kills", kills);
    ledger.set("slowest_resume_ms", slowest.as_millis() as u64);
    ledger.set("memory_max_kib", program.memory_kib());
    found.note(ledger, &disk.outside());
    assert!(found.is_exact(), "{found:?}");
    program.assert_memory_is_bounded();
}
