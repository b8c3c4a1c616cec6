//! Kills the real process, over and over, at any moment, and counts what it has put out.
//!
//! `cargo build --examples && cargo test --test crash` is the quick gate; `tests/README.md` has the campaigns, which
//! append what came of them to the ledger that `CRASH_LEDGER` names.

#[path = "crash/custom_receiver.rs"]
mod custom_receiver;
#[path = "crash/full_disk.rs"]
mod full_disk;
#[path = "crash/ledger.rs"]
mod ledger;
#[path = "crash/oracle.rs"]
mod oracle;
#[path = "crash/process.rs"]
mod process;
#[path = "crash/sender.rs"]
mod sender;
#[path = "crash/system_calls.rs"]
mod system_calls;
#[path = "crash/two_processes.rs"]
mod two_processes;

use std::fs;
use std::path::Path;
use std::time::Duration;

use ledger::Ledger;
use oracle::{PutOut, check};
use process::{Folder, Program, Random};
use sender::Sender;

fn cycles(quick: usize) -> usize {
    std::env::var("CRASH_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(quick)
}

/// A life of the process ends after so long: sometimes while it recovers, mostly in the midst of its work.
fn life(random: &mut Random) -> Duration {
    Duration::from_millis(match random.below(4) {
        0 => random.below(100),
        _ => 100 + random.below(1_000),
    })
}

/// A sender that waits for acknowledgements, into files: nothing is lost, nothing comes twice.
#[test]
fn nothing_acknowledged_is_lost_or_comes_twice_over_tcp() {
    let (folder, mut random) = (Folder::new(), Random::new(7));
    let program = Program::new(folder.path(), &["--listen", "127.0.0.1:0"]);
    let mut sender = Sender::new("crash-test");
    let cycles = cycles(20);
    let mut ledger = Ledger::new("kill -9, tcp with acknowledgements to files", cycles);
    for _ in 0..cycles {
        let mut process = program.start();
        sender.serve(&mut process, life(&mut random), &mut random);
        process.kill();
    }
    let mut process = program.start();
    let mut connection = sender.connect_to(&mut process).expect("it listens");
    let sent = sender.finish(&mut connection);
    process.stop();
    let found = check(&program, &sent);
    ledger.set("memory_max_kib", program.memory_kib());
    found.note(ledger, folder.path());
    assert!(found.is_exact(), "{found:?}");
    program.assert_memory_is_bounded();
}

/// Files that appear in a directory, into files.
#[test]
fn nothing_in_a_directory_is_lost_or_comes_twice() {
    let (folder, mut random) = (Folder::new(), Random::new(11));
    let spool = folder.path().join("spool");
    fs::create_dir(&spool).unwrap();
    let program = Program::new(folder.path(), &["--dir", spool.to_str().unwrap()]);
    let (mut sent, cycles) = (Vec::new(), cycles(20));
    let mut ledger = Ledger::new("kill -9, directory to files", cycles);
    for _ in 0..cycles {
        let mut process = program.start();
        // Files that are older than the program are not its own.
        process::eventually("the program has begun", || program.has_begun());
        drop_files(&spool, &mut sent, life(&mut random), &mut random);
        process.kill();
    }
    let (mut process, mut put_out) = (program.start(), PutOut::default());
    process.await_going_on();
    put_out.await_lines(&program, &mut process, &sent);
    process.stop();
    let found = check(&program, &sent);
    ledger.set("memory_max_kib", program.memory_kib());
    found.note(ledger, folder.path());
    assert!(found.is_exact(), "{found:?}");
    program.assert_memory_is_bounded();
}

/// Puts files into the directory for a while, each complete when it appears.
fn drop_files(spool: &Path, sent: &mut Vec<String>, during: Duration, random: &mut Random) {
    let end = std::time::Instant::now() + during;
    while std::time::Instant::now() < end {
        let lines: Vec<String> =
            (0..random.below(600)).map(|i| sender::line(sent.len() + i as usize)).collect();
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        process::put_file(spool, &format!("{}-{}", sent.len(), lines.len()), &text);
        sent.extend(lines);
        // Files that stay there cost every batch a look.
        std::thread::sleep(Duration::from_millis(random.below(200)));
    }
}
