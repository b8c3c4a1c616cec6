//! A program stays within its memory, whatever comes in, and loses nothing of it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{PATIENCE, Program, saved};

/// What the program may have.
const MEMORY: usize = 96 << 20;

/// What a sender has for it.
const SENT: usize = 3 * MEMORY / 2;

/// Every line is so long, and every so many lines one is looked for.
const LINE: usize = 4 << 10;
const EVERY: usize = 16;

/// A program that computes nothing before it is stopped: its batch is an hour long.
fn stalled(output: &Path, level: &str, spill: &Path) -> (Program, TcpStream) {
    let args = ["listen://127.0.0.1:0", "--match", "needle", "--output", output.to_str().unwrap()];
    let settings = [
        ("MILLSTREAM_MEMORY_MAX", MEMORY.to_string()),
        ("MILLSTREAM_RECEIVER_STORAGE_LEVEL", level.to_owned()),
        ("MILLSTREAM_STORAGE_DIR", spill.display().to_string()),
        ("MILLSTREAM_GRACEFUL_STOP_TIMEOUT", "120s".to_owned()),
    ];
    let program = Program::start_with("log_event_processor", &args, "1h", &settings);
    let listening = program.err.recv_timeout(PATIENCE).unwrap();
    let address = listening.strip_prefix("listening on tcp://").unwrap();
    (program, TcpStream::connect(address).unwrap())
}

fn line(number: usize) -> String {
    let what = if number.is_multiple_of(EVERY) { "needle" } else { "hay" };
    let mut line = format!("{number} {what} ");
    line.extend(std::iter::repeat_n('x', LINE - 1 - line.len()));
    line + "\n"
}

/// Sends lines until all are sent, or until the program has taken nothing for a while; the number of whole lines.
fn send(sender: &mut TcpStream) -> usize {
    sender.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    for number in 0..SENT / LINE {
        match sender.write_all(line(number).as_bytes()) {
            Ok(()) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return number;
            }
            Err(error) => panic!("the program hangs up: {error}"),
        }
    }
    SENT / LINE
}

/// The most memory that the process has had.
fn peak(program: &Program) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

/// Stops the program, which then computes what it has; the most memory it has had meanwhile.
fn finish(mut program: Program) -> usize {
    let (mut most, end) = (peak(&program), Instant::now() + PATIENCE * 4);
    program.ask_to_stop();
    while program.is_running() {
        if let Ok(status) = fs::read_to_string(format!("/proc/{}/status", program.id()))
            && status.contains("VmHWM")
        {
            most = most.max(peak(&program));
        }
        assert!(Instant::now() < end, "the program does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    most
}

fn numbers(output: &Path) -> Vec<usize> {
    let mut numbers: Vec<usize> =
        saved(output).iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn assert_within(most: usize) {
    let allowed = MEMORY + MEMORY / 10;
    assert!(most <= allowed, "{} MiB of {} MiB", most >> 20, allowed >> 20);
}

#[test]
fn a_sender_is_slowed_when_memory_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("found");
    let (program, mut sender) = stalled(&output, "MEMORY_ONLY_SER", &folder.path().join("spill"));
    let sent = send(&mut sender);
    assert!(sent < SENT / LINE, "all was taken");
    assert_within(finish(program));
    let found = numbers(&output);
    assert_eq!(found, (0..found.len()).map(|i| i * EVERY).collect::<Vec<_>>(), "a part without a gap");
    assert!(found.len() * EVERY * LINE > MEMORY / 3, "{} lines", found.len());
}

#[test]
fn with_disk_all_is_taken_while_memory_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("found");
    let (program, mut sender) = stalled(&output, "MEMORY_AND_DISK_SER", &folder.path().join("spill"));
    assert_eq!(send(&mut sender), SENT / LINE);
    sender.shutdown(Shutdown::Write).unwrap();
    // The program hangs up when it has read everything.
    sender.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(sender.read(&mut [0]).unwrap(), 0);
    assert_within(finish(program));
    assert_eq!(numbers(&output), (0..SENT / LINE).step_by(EVERY).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(folder.path().join("spill")).unwrap().count(), 0, "what was spilled is gone");
}
