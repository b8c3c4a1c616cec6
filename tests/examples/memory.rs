//! A program stays within its memory, whatever comes in, and loses nothing of it.

use std::fs;
use std::io::{BufWriter, ErrorKind, Read, Write};
use std::iter;
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::thread::JoinHandle;
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
    let settings = settings(level, spill);
    let args = [&RECEIVING[..], &["--output", output.to_str().unwrap()]].concat();
    let program = Program::start_with("log_event_processor", &args, "1h", &settings);
    let sender = connect(&program);
    (program, sender)
}

const RECEIVING: [&str; 3] = ["listen://127.0.0.1:0", "--match", "needle"];

fn settings(level: &str, spill: &Path) -> [(&'static str, String); 4] {
    [
        ("MILLSTREAM_MEMORY_MAX", MEMORY.to_string()),
        ("MILLSTREAM_RECEIVER_STORAGE_LEVEL", level.to_owned()),
        ("MILLSTREAM_STORAGE_DIR", spill.display().to_string()),
        ("MILLSTREAM_GRACEFUL_STOP_TIMEOUT", "120s".to_owned()),
    ]
}

fn connect(program: &Program) -> TcpStream {
    let listening = program.err.recv_timeout(PATIENCE).unwrap();
    TcpStream::connect(listening.strip_prefix("listening on tcp://").unwrap()).unwrap()
}

fn line(number: usize) -> String {
    let what = if number.is_multiple_of(EVERY) { "needle" } else { "hay" };
    let mut line = format!("{number} {what} ");
    line.extend(std::iter::repeat_n('x', LINE - 1 - line.len()));
    line + "\n"
}

/// How far a sender is.
#[derive(Default)]
struct Sent {
    /// Whole lines, and bytes of the next one.
    lines: usize,
    bytes: usize,
}

/// Sends lines until `to` are sent, or until the program has taken nothing for a while.
fn send(sender: &mut TcpStream, sent: &mut Sent, to: usize) {
    sender.set_write_timeout(Some(Duration::from_secs(3))).unwrap();
    while sent.lines < to {
        match sender.write(&line(sent.lines).as_bytes()[sent.bytes..]) {
            Ok(taken) => sent.bytes += taken,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return,
            Err(error) => panic!("the program hangs up: {error}"),
        }
        if sent.bytes == LINE {
            *sent = Sent { lines: sent.lines + 1, bytes: 0 };
        }
    }
}

/// The most memory that the process has had.
fn peak(program: &Program) -> usize {
    match peak_if_running(program) {
        0 => panic!("the program has ended"),
        bytes => bytes,
    }
}

/// The same; 0 when it has ended.
fn peak_if_running(program: &Program) -> usize {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or(0, |line| line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10)
}

/// Stops the program, which then computes what it has; the most memory it has had meanwhile.
fn finish(mut program: Program) -> usize {
    let (mut most, end) = (peak(&program), Instant::now() + PATIENCE * 4);
    program.ask_to_stop();
    while program.is_running() {
        most = most.max(peak_if_running(&program));
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
    let mut sent = Sent::default();
    send(&mut sender, &mut sent, SENT / LINE);
    assert!(sent.lines < SENT / LINE, "all was taken");
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
    let mut sent = Sent::default();
    send(&mut sender, &mut sent, SENT / LINE);
    assert_eq!(sent.lines, SENT / LINE);
    sender.shutdown(Shutdown::Write).unwrap();
    // The program hangs up when it has read everything.
    sender.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(sender.read(&mut [0]).unwrap(), 0);
    assert_within(finish(program));
    assert_eq!(numbers(&output), (0..SENT / LINE).step_by(EVERY).collect::<Vec<_>>());
    assert_eq!(fs::read_dir(folder.path().join("spill")).unwrap().count(), 0, "what was spilled is gone");
}

/// Nobody reads what the program prints, while it is sent all that it takes and more. Then somebody reads.
#[test]
fn what_waits_for_an_output_that_stalls_comes_when_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings("MEMORY_ONLY_SER", folder.path());
    let (mut program, gate) = Program::start_stalled("log_event_processor", &RECEIVING, "100ms", &settings);
    let (mut sender, mut sent) = (connect(&program), Sent::default());
    send(&mut sender, &mut sent, SENT / LINE);
    assert!(sent.lines < SENT / LINE, "all was taken");
    assert_within(peak(&program));
    drop(gate);
    let end = Instant::now() + PATIENCE * 4;
    while sent.lines < SENT / LINE {
        assert!(Instant::now() < end, "the program takes no more");
        send(&mut sender, &mut sent, SENT / LINE);
    }
    for number in (0..SENT / LINE).step_by(EVERY) {
        let mut lines = iter::from_fn(|| program.out.recv_timeout(PATIENCE).ok());
        let found = lines.find(|line| line.contains(" needle ")).expect("it prints all");
        assert_eq!(found, line(number).trim_end());
    }
    assert_within(peak(&program));
    assert!(program.interrupt().success());
}

/// What is sent at once behind batches of a megabyte.
const BURST: usize = MEMORY / 2;

/// Batches are long enough for a burst to be in two of them at the most, on a slow machine, too.
#[test]
fn a_batch_that_is_far_larger_than_those_before_is_counted_within_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let stats = folder.path().join("stats");
    let mut settings = settings("MEMORY_ONLY_SER", folder.path()).to_vec();
    settings.push(("MILLSTREAM_STATS_FILE", stats.display().to_string()));
    let args = [&RECEIVING[..], &["--window", "10m", "--slide", "2s"]].concat();
    let mut program = Program::start_with("log_event_processor", &args, "2s", &settings);
    let (mut sender, mut sent) = (connect(&program), Sent::default());
    for more in [1 << 20, 1 << 20, BURST, 1 << 20] {
        let to = sent.lines + more / LINE;
        send(&mut sender, &mut sent, to);
        assert_eq!(sent.lines, to, "it takes all");
        program.wait_for(&[&format!("{} matching lines in the last 600s", to / EVERY)]);
    }
    assert_within(peak(&program));
    assert!(program.interrupt().success());
    let records = records_by_batch(&fs::read_to_string(&stats).unwrap());
    let small = records.iter().copied().find(|records| *records > 0).unwrap();
    let largest = records.iter().copied().max().unwrap();
    assert!(largest >= 10 * small, "{records:?}");
}

/// What the program has written down of its batches.
fn records_by_batch(stats: &str) -> Vec<u64> {
    let lines = stats.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    // The first line has the settings.
    lines.filter_map(|line| line["records"].as_u64()).collect()
}

/// A key is so long: too long to stand in the table itself.
const KEY: usize = 100;

/// So few that the work on one batch, which comes on top, is far below the tenth that the process may have more, on a busy machine, too.
const LINES_PER_SECOND: usize = 15_000;

/// A program whose operator is sent ever new keys, by lines that `line` makes of them, ends with an error that names the operator, and
/// has not taken more than it may.
fn outgrows(example: &str, args: &[&str], operator: &str, line: fn(&str) -> String) {
    let folder = tempfile::tempdir().unwrap();
    let args = [&["listen://127.0.0.1:0"], args].concat();
    let mut settings = settings("MEMORY_ONLY_SER", folder.path()).to_vec();
    settings.push(("MILLSTREAM_RECEIVER_MAX_RATE", LINES_PER_SECOND.to_string()));
    let mut program = Program::start_with(example, &args, "100ms", &settings);
    let sender = feed(connect(&program), move |number| line(&key(number)));
    let (mut most, end) = (0, Instant::now() + PATIENCE * 8);
    while program.is_running() {
        most = most.max(peak_if_running(&program));
        assert!(Instant::now() < end, "the program is not ended by its memory");
        std::thread::sleep(Duration::from_millis(2));
    }
    sender.join().unwrap();
    let said = program.err.iter().collect::<Vec<_>>().join("\n");
    assert!(said.contains(&format!("{operator} (examples/{example}.rs:")), "{said}");
    assert!(said.contains("of memory.max") && said.contains("raise the limit"), "{said}");
    assert_within(most);
    assert!(most > MEMORY / 2, "{} MiB: it ends too early", most >> 20);
}

fn key(number: usize) -> String {
    format!("{:0KEY$}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// Sends lines as fast as they are taken, until nobody takes them.
fn feed(sender: TcpStream, line: impl Fn(usize) -> String + Send + 'static) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut sender = BufWriter::with_capacity(64 << 10, sender);
        let _ = (0..).try_for_each(|number| writeln!(sender, "{}", line(number)));
    })
}

#[test]
fn a_state_of_lists_that_outgrows_the_memory_ends_the_program_within_it() {
    outgrows("atm_fraud", &[], "map_with_state-1", |card| format!("{card},1,20.00,1772445903"));
}

#[test]
fn a_state_of_texts_that_outgrows_the_memory_ends_the_program_within_it() {
    outgrows("stateful_word_count", &[], "map_with_state-1", str::to_owned);
}

#[test]
fn a_window_that_outgrows_the_memory_ends_the_program_within_it() {
    let args = ["--window", "1h", "--slide", "200ms"];
    outgrows("windowed_word_count", &args, "reduce_by_key_and_window_inv-1", str::to_owned);
}

/// So many words make a state of about a third of the memory.
const THIRD: usize = MEMORY / 3 / (KEY + 16 + 48);

/// How often each of them comes.
const ROUNDS: usize = 4;

/// The state is there, and then its words are sent again and again, as fast as they are taken: the process is full of what they need,
/// and that is nothing that the state could be blamed for.
#[test]
fn a_state_of_a_third_of_the_memory_is_not_refused_however_much_comes() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings("MEMORY_ONLY_SER", folder.path());
    let args = ["listen://127.0.0.1:0", "--top", "1"];
    let mut program = Program::start_with("stateful_word_count", &args, "200ms", &settings);
    let mut sender = BufWriter::with_capacity(64 << 10, connect(&program));
    for _ in 0..ROUNDS {
        (0..THIRD).for_each(|number| writeln!(sender, "{}", key(number)).unwrap());
    }
    writeln!(sender, "{}", key(0)).unwrap();
    sender.flush().unwrap();
    program.wait_for(&[&format!("({},{})", key(0), ROUNDS + 1)]);
    assert!(program.interrupt().success());
}
