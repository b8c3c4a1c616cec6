//! A write-ahead log that has no room holds up its receivers and nobody else: batches and checkpoints go on, it is shortened, all flows
//! again by itself, and a stop comes to its end.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use millstream::clock::Clock;
use millstream::fs::{Fs, SimFs};
use millstream::prelude::*;
use millstream::receive::{ReceiverContext, Records};
use millstream::testkit::{Collected, PowerCut, TestContext};
use millstream::wal::{Log, LogOptions};

use crate::damage::told;
use crate::support::{BOUND, HandEnd, config, eventually, hand, ms, test_context, within};

/// What the log may have, and what a receiver may have built when the log is full.
const LOG_MAX: u64 = 1 << 20;
const CHUNK: u64 = 64 << 10;

/// A line has a hundred bytes, so that ten times the limit are so many.
const LINE: usize = 100;
const LINES: u64 = 10 * LOG_MAX / LINE as u64;

/// Checkpoints are due once in a thousand batches, so that none comes by the clock; and no stop gives a receiver up.
fn small_log() -> Config {
    let config =
        config().checkpoint_interval(ms(100_000)).graceful_stop_timeout(BOUND).stop_timeout(2 * BOUND);
    config.wal_max_bytes(LOG_MAX as usize).wal_segment_bytes(64 << 10).segment_bytes(CHUNK as usize)
}

fn line(number: u64) -> String {
    format!("{number:0LINE$}")
}

/// A program that notes the numbers of the lines that come, and its disk.
struct Program {
    test: TestContext,
    source: HandEnd<String>,
    seen: Collected<u64>,
    disk: SimFs,
}

/// The window is over whole records, so that the log must reach back for as long.
fn program(config: Config, window: Option<Duration>) -> Program {
    let (test, disk) = (test_context(config), SimFs::new());
    let (receiver, source) = hand::<String>();
    let lines = test.receiver_stream(receiver).unwrap();
    let seen = test.collect(&lines.map(|line| line.parse::<u64>().unwrap()));
    if let Some(window) = window {
        lines.window(window).output("nothing", |_, _, _| Ok(()));
    }
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.start().unwrap();
    Program { test, source, seen, disk }
}

impl Program {
    fn log_bytes(&self) -> u64 {
        let files = self.disk.list(Path::new("/checkpoint/log")).unwrap_or_default();
        files.iter().map(|file| file.len).sum()
    }
}

/// Sends all lines, a thousand for each permit, and says how many were taken.
struct Sender {
    thread: JoinHandle<u64>,
    permits: mpsc::Sender<()>,
    sent: Arc<AtomicU64>,
}

type Lines = ReceiverContext<Records<String>>;

fn send(cx: Lines, store: impl Fn(&Lines, std::ops::Range<u64>) -> Result<()> + Send + 'static) -> Sender {
    let (permits, permit) = mpsc::channel();
    let sent = Arc::<AtomicU64>::default();
    let told = Arc::clone(&sent);
    let thread = thread::spawn(move || {
        for first in (0..LINES).step_by(1_000) {
            let lines = first..(first + 1_000).min(LINES);
            if permit.recv().is_err() || store(&cx, lines.clone()).is_err() {
                break;
            }
            told.store(lines.end, Ordering::Release);
        }
        told.load(Ordering::Acquire)
    });
    Sender { thread, permits, sent }
}

/// Line by line, without waiting for the log.
fn plainly(cx: &Lines, mut numbers: std::ops::Range<u64>) -> Result<()> {
    numbers.try_for_each(|number| cx.store(&line(number)))
}

/// As a block, that is durable when this returns.
fn reliably(cx: &Lines, numbers: std::ops::Range<u64>) -> Result<()> {
    cx.store_block(numbers.map(line))
}

/// Sends ten times what the log may have, a tenth in each batch.
fn assert_all_goes_through(store: impl Fn(&Lines, std::ops::Range<u64>) -> Result<()> + Send + 'static) {
    let program = program(small_log(), None);
    let sender = send(program.source.started(), store);
    let mut most = 0;
    eventually("all lines are counted", || {
        // A sender that has sent all wants none.
        let _ = sender.permits.send(());
        program.test.clock().advance(ms(100));
        most = most.max(program.log_bytes());
        program.seen.all().len() as u64 == LINES
    });
    assert_eq!(sender.thread.join().unwrap(), LINES);
    assert!(most <= LOG_MAX + CHUNK, "{most}");
    let Program { test, seen, .. } = program;
    within(BOUND, "the stop returns", move || test.stop(true)).unwrap();
    let mut numbers = seen.all();
    numbers.sort_unstable();
    assert!(numbers.into_iter().eq(0..LINES), "each line once");
}

#[test]
fn that_the_log_is_full_is_told_once_with_the_remedy() {
    let options = LogOptions { segment_bytes: 2_000, max_bytes: 8_000, ..LogOptions::default() };
    let (log, _) = Log::open(Arc::new(SimFs::new()), Path::new("/log"), &options).unwrap();
    let lines = told(|| (0..20).for_each(|_| _ = log.append_now(1, vec![0; 500]).unwrap()));
    assert_eq!(lines.matches("the write-ahead log is full").count(), 1, "{lines}");
    assert!(lines.contains("receivers wait until") && lines.contains("raise wal.max_bytes"), "{lines}");
}

#[test]
fn ten_times_what_the_log_may_have_goes_through_it() {
    assert_all_goes_through(plainly);
}

#[test]
fn ten_times_what_the_log_may_have_goes_through_it_with_acknowledgements() {
    assert_all_goes_through(reliably);
}

/// Stops a program whose log is full and must not be shortened; all lines that were taken, and what was counted.
fn stopped_while_full(
    graceful: bool,
    store: impl Fn(&Lines, std::ops::Range<u64>) -> Result<()> + Send + 'static,
) -> (u64, Vec<u64>) {
    let program = program(small_log(), Some(ms(100_000)));
    let sender = send(program.source.started(), store);
    let mut rounds = 0;
    eventually("the log is full, and batches were made since", || {
        let _ = sender.permits.send(());
        program.test.clock().advance(ms(100));
        rounds += u32::from(program.test.checkpoint_status().unwrap().is_log_full);
        rounds > 50
    });
    let taken = sender.sent.load(Ordering::Acquire);
    let Program { test, seen, .. } = program;
    let test = within(BOUND, "the stop returns", move || test.stop(graceful).map(|()| test)).unwrap();
    drop(test);
    let sent = sender.thread.join().unwrap();
    assert!(taken <= sent && sent < LINES, "{taken} {sent}");
    (sent, seen.all())
}

#[test]
fn a_graceful_stop_while_the_log_is_full_processes_all_that_was_taken() {
    let (taken, mut seen) = stopped_while_full(true, plainly);
    seen.sort_unstable();
    // Of the thousand that the stop has met some may have been taken, too.
    assert!(seen.len() as u64 >= taken && seen.iter().copied().eq(0..seen.len() as u64), "{taken}");
    let (taken, mut seen) = stopped_while_full(true, reliably);
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..taken), "blocks are taken whole or not at all");
}

#[test]
fn a_stop_without_grace_while_the_log_is_full_comes_to_its_end() {
    stopped_while_full(false, plainly);
    stopped_while_full(false, reliably);
}

/// A program on `disk` that counts all lines of all times, with jobs of several batches at once.
fn counting(disk: &SimFs, after: Time) -> (TestContext, HandEnd<String>, Collected<u64>) {
    let test = TestContext::with_config(small_log().concurrent_jobs(3), after).unwrap();
    let (receiver, source) = hand::<String>();
    let ones = test.receiver_stream(receiver).unwrap().map(|_| ((), 1_u64));
    let add = |values: &[u64], sum: Option<u64>| Some(sum.unwrap_or(0) + values.iter().sum::<u64>());
    let seen = test.collect(&ones.update_state_by_key(add).map(|((), sum)| sum));
    ones.output("nothing", |_, _, _| Ok(()));
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.start().unwrap();
    (test, source, seen)
}

/// Sends what is behind what the source is known to have given, up to `end`, and makes batches until all of it is counted.
fn count_up_to(end: u64, test: &TestContext, source: &HandEnd<String>, seen: &Collected<u64>) {
    let cx = source.started();
    let thread = thread::spawn(move || {
        for first in (cx.stored_of("source")..end).step_by(500) {
            cx.store_block_of("source", first + 500, (first..first + 500).map(line)).unwrap();
        }
    });
    eventually("all lines are counted", || {
        test.clock().advance(ms(100));
        seen.timed().iter().any(|(_, sums)| sums.contains(&end))
    });
    thread.join().unwrap();
}

#[test]
fn a_checkpoint_that_comes_early_is_one_between_two_batches() {
    let disk = SimFs::new();
    let (test, source, seen) = counting(&disk, Time::default());
    count_up_to(30_000, &test, &source, &seen);
    eventually("there were checkpoints", || test.checkpoint_status().unwrap().written >= 2);
    let (left, now) = (disk.crash(PowerCut::Kept), test.clock().now());
    drop(test);
    let (test, source, seen) = counting(&left, now);
    count_up_to(60_000, &test, &source, &seen);
    let most = seen.all().into_iter().max();
    assert_eq!(most, Some(60_000), "nothing is counted twice");
}
