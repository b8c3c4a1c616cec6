//! Blocks through the write-ahead log to the disk: appended by two threads, acknowledged in groups; beside it the same bytes, written
//! and synced in the same groups by a plain loop; and a block at a time, each waited for. Throughput here is that of the disk, so
//! log and loop also run by turns, and their medians are printed side by side. Beginning a log, six syncs, is measured for itself.
//! The log is on the disk of the temporary directory (`TMPDIR`).

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, Throughput};
use millstream::fs::{Fs, RealFs};
use millstream::wal::{Log, LogOptions, RecordId, verify};
use millstream_bench::{check, settings};

/// Bytes of a block: 200 ms of 5 MB/s, or of 300 MB/s cut small.
const BLOCKS: [usize; 2] = [64 << 10, 1 << 20];

/// Threads that append.
const APPENDERS: usize = 2;

/// Runs of each where log and loop run by turns.
const ROUNDS: usize = 9;

/// Records that are waited for by turns.
const WAITS: usize = 999;

/// Groups of the plain loop: as much as the log syncs at once.
const GROUP_BYTES: usize = 16 << 20;

fn block(bytes: usize) -> Arc<[u8]> {
    (0..bytes).map(|i| (i as u32).wrapping_mul(2_654_435_761).to_le_bytes()[2]).collect()
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory can be made")
}

/// Writes the block so many times, with a sync whenever a group is full.
fn plain(dir: &Path, block: &[u8], blocks: usize) {
    let mut file = RealFs.create(&dir.join("plain")).expect("the disk takes a file");
    let mut unsynced = 0;
    for _ in 0..blocks {
        file.write_all(block).expect("the disk takes bytes");
        unsynced += block.len();
        if unsynced >= GROUP_BYTES {
            file.sync().expect("the disk syncs");
            unsynced = 0;
        }
    }
    file.sync().expect("the disk syncs");
}

fn open(dir: &Path) -> Log {
    Log::open(Arc::new(RealFs), dir, &LogOptions::default()).expect("a log can be opened").0
}

/// A log with a segment to write to.
fn begun(dir: &Path) -> Log {
    let log = open(dir);
    let first = log.append(1, "the first").expect("the log is open");
    log.wait(first).expect("the disk syncs");
    log
}

/// Appends the block so many times, from all appenders, and waits until the last is durable.
fn logged(log: &Log, block: &Arc<[u8]>, blocks: usize) {
    std::thread::scope(|scope| {
        for _ in 0..APPENDERS {
            scope.spawn(|| {
                let append = |_| log.append(1, Arc::clone(block)).expect("the log is open");
                let last = (0..blocks / APPENDERS).map(append).last();
                last.map_or(Ok(()), |last| log.wait(last)).expect("the disk syncs");
            });
        }
    });
    check::same("log", log.durable(), RecordId(1 + (blocks / APPENDERS * APPENDERS) as u64));
}

/// Every block is in the log, and whole.
fn check_log(block: &Arc<[u8]>, blocks: usize) {
    let dir = folder();
    logged(&begun(dir.path()), block, blocks);
    let (_, recovery) =
        Log::open(Arc::new(RealFs), dir.path(), &LogOptions::default()).expect("it opens again");
    check::same("log", recovery.report().is_clean(), true);
    let whole =
        recovery.records().filter(|record| record.as_ref().is_ok_and(|r| r.payload == **block)).count();
    check::same("log", whole, blocks / APPENDERS * APPENDERS);
}

fn throughput(criterion: &mut Criterion) {
    for bytes in BLOCKS {
        let (block, blocks) = (block(bytes), settings::bytes() / bytes);
        check_log(&block, blocks);
        let mut group = criterion.benchmark_group("wal/throughput");
        group.throughput(Throughput::Bytes((blocks * bytes) as u64));
        group.bench_function(BenchmarkId::new("plain", bytes), |b| {
            b.iter_batched(
                folder,
                |dir| (plain(dir.path(), &block, blocks), dir),
                criterion::BatchSize::PerIteration,
            );
        });
        group.bench_function(BenchmarkId::new("log", bytes), |b| {
            b.iter_batched(
                begun_folder,
                |(log, dir)| {
                    logged(&log, &block, blocks);
                    (log, dir)
                },
                criterion::BatchSize::PerIteration,
            );
        });
        group.finish();
    }
}

fn begun_folder() -> (Log, tempfile::TempDir) {
    let dir = folder();
    (begun(dir.path()), dir)
}

/// What a log costs before its first record is durable.
fn begin(criterion: &mut Criterion) {
    criterion.bench_function("wal/begin", |b| {
        b.iter_batched(folder, |dir| (begun(dir.path()), dir), criterion::BatchSize::PerIteration);
    });
}

fn seconds(work: impl FnOnce()) -> f64 {
    let begin = Instant::now();
    work();
    begin.elapsed().as_secs_f64()
}

/// Prints the medians of both, run by turns, and how the log's time is to the loop's.
fn by_turns(name: &str, rounds: usize, mut plain: impl FnMut() -> f64, mut log: impl FnMut() -> f64) {
    let mut times: Vec<[f64; 2]> = (0..rounds).map(|_| [plain(), log()]).collect();
    let mut middle = |i: usize| {
        times.sort_by(|a, b| a[i].total_cmp(&b[i]));
        times[rounds / 2][i] * 1e3
    };
    let (plain, log) = (middle(0), middle(1));
    common::line(&format!("| {name} | {plain:.2} | {log:.2} | {:.2} |", log / plain));
}

fn throughput_by_turns() {
    for bytes in BLOCKS {
        let (block, blocks) = (block(bytes), settings::bytes() / bytes);
        let plain = || {
            let dir = folder();
            seconds(|| plain(dir.path(), &block, blocks))
        };
        let log = || {
            let (log, _dir) = begun_folder();
            seconds(|| logged(&log, &block, blocks))
        };
        by_turns(&format!("{} blocks of {} KiB", blocks, bytes >> 10), ROUNDS, plain, log);
    }
}

fn latency_by_turns() {
    let (block, dir) = (block(4 << 10), folder());
    let mut file = RealFs.create(&dir.path().join("plain")).expect("the disk takes a file");
    let plain = || {
        seconds(|| {
            file.write_all(&block).expect("the disk takes bytes");
            file.sync().expect("the disk syncs");
        })
    };
    let log = begun(dir.path());
    let logged = || {
        seconds(|| {
            let id = log.append(1, Arc::clone(&block)).expect("the log is open");
            log.wait(id).expect("the disk syncs");
        })
    };
    by_turns("a record of 4 KiB, waited for", WAITS, plain, logged);
}

/// Log and plain loop under the same conditions, as far as a machine has them.
fn side_by_side() {
    common::line("\n| medians by turns | plain loop, ms | log, ms | log / plain |");
    common::line("|---|---|---|---|");
    throughput_by_turns();
    latency_by_turns();
}

/// What an acknowledgement costs when nobody else asks for one: a write, a sync, and the look at the manifest.
fn latency(criterion: &mut Criterion) {
    let block = block(4 << 10);
    let mut group = criterion.benchmark_group("wal/acknowledge_4k");
    let dir = folder();
    let mut file = RealFs.create(&dir.path().join("plain")).expect("the disk takes a file");
    group.bench_function("plain", |b| {
        b.iter(|| {
            file.write_all(&block).expect("the disk takes bytes");
            file.sync().expect("the disk syncs");
        });
    });
    let log = open(dir.path());
    group.bench_function("log", |b| {
        b.iter(|| {
            let id = log.append(1, Arc::clone(&block)).expect("the log is open");
            log.wait(id).expect("the disk syncs");
        });
    });
    let appended = log.next();
    drop(log);
    let found = verify(&RealFs, dir.path()).expect("it can be read");
    check::same("log", (found.next, found.report.is_clean()), (appended, true));
}

/// Opening a log that was not closed: every byte is read and checked.
fn recovery(criterion: &mut Criterion) {
    let (block, blocks) = (block(BLOCKS[1]), settings::bytes() / BLOCKS[1]);
    let dir = folder();
    logged(&begun(dir.path()), &block, blocks);
    let mut group = criterion.benchmark_group("wal/recover");
    group.throughput(Throughput::Bytes((blocks * block.len()) as u64));
    group.bench_function("log", |b| {
        b.iter(|| verify(&RealFs, dir.path()).expect("it can be read").records);
    });
}

fn bench(criterion: &mut Criterion) {
    begin(criterion);
    throughput(criterion);
    latency(criterion);
    recovery(criterion);
}

fn main() {
    side_by_side();
    common::main(bench);
}
