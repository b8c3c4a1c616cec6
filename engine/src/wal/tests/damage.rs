//! Files that are cut, flipped, missing, doubled, swapped, foreign, or have something behind them.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;

use super::support::*;
use crate::fs::{Call, Errno, Fault, FaultyFs, Fs, SimFs};
use crate::wal::{Log, LogOptions, Reason, RecordId, Report, dump, verify};

/// The same files, with one of them other.
fn with(disk: &SimFs, path: &Path, bytes: &[u8]) {
    if disk.exists(path).unwrap() {
        disk.remove_file(path).unwrap();
    }
    disk.create(path).unwrap().write_all(bytes).unwrap();
}

fn copy(disk: &SimFs) -> SimFs {
    disk.crash(crate::fs::PowerCut::Kept)
}

/// The sound records that a reader who skips finds, each checked, and the report.
fn found(disk: &SimFs) -> (BTreeSet<u64>, Report) {
    let mut numbers = BTreeSet::new();
    let report = dump(disk, dir(), |record| {
        let RecordId(number) = record.id;
        assert_eq!((record.kind, record.payload), (kind(number), &payload(number)[..]));
        assert!(numbers.last().is_none_or(|last| *last < number), "out of order");
        numbers.insert(number);
    });
    (numbers, report.unwrap())
}

fn refuses(disk: &SimFs) -> bool {
    let opened = Log::open(Arc::new(disk.clone()), dir(), &options());
    opened.is_err_and(|error| error.to_string().contains("damaged"))
}

/// A log of several segments that was not closed: the last segment has no footer.
fn crashed_log(records: u64) -> SimFs {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &options());
    for number in 0..records {
        append(&log, number..number + 1);
    }
    copy(&disk)
}

#[test]
fn a_last_segment_cut_anywhere_gives_its_whole_records() {
    let disk = SimFs::new();
    let size = setting("MILLSTREAM_CUT_BYTES", 12_000);
    let one = LogOptions { segment_bytes: 1 << 20, ..options() };
    let (log, _) = open(&disk, &one);
    let mut ends = vec![56];
    while ends.last().unwrap() < &size {
        append(&log, ends.len() as u64 - 1..ends.len() as u64);
        ends.push(log.status().bytes);
    }
    let disk = copy(&disk);
    drop(log);
    let path = segments(&disk)[0].clone();
    let bytes = disk.read(&path).unwrap();
    for cut in 56..bytes.len() {
        let whole = ends.iter().filter(|end| **end <= cut as u64).count() as u64 - 1;
        let cut_disk = SimFs::new();
        cut_disk.create_dir_all(dir()).unwrap();
        with(&cut_disk, &path, &bytes[..cut]);
        with(&cut_disk, &dir().join("wal-manifest"), &disk.read(&dir().join("wal-manifest")).unwrap());
        let verified = verify(&cut_disk, dir()).unwrap();
        assert_eq!((verified.records, verified.next), (whole, RecordId(whole)), "cut at {cut}");
        let torn = !ends.contains(&(cut as u64));
        let reasons: Vec<_> = verified.report.findings.iter().map(|finding| finding.reason).collect();
        assert_eq!(reasons, if torn { vec![Reason::TornTail] } else { vec![] }, "cut at {cut}");
    }
    note("last segment cut at every byte, log", "cuts", bytes.len() as u64 - 56);
}

/// Records of the log whose bits are flipped: so many that each of the two logs has more than half of 10^5 bits.
const FLIPPED_RECORDS: u64 = 36;

#[test]
fn every_flipped_bit_is_reported_and_takes_one_record_at_most() {
    let mut flipped = 0;
    for disk in [crashed_log(FLIPPED_RECORDS), closed_log(FLIPPED_RECORDS)] {
        let (all, clean) = found(&disk);
        assert!(clean.is_clean() && all.len() as u64 == FLIPPED_RECORDS, "{clean}");
        let mut files = segments(&disk);
        files.push(dir().join("wal-manifest"));
        let sizes: Vec<u64> = files.iter().map(|path| disk.len(path).unwrap() * 8).collect();
        let bits: u64 = sizes.iter().sum();
        assert!(bits > 50_000, "{bits}");
        let flips = setting("MILLSTREAM_BIT_FLIPS", 20_000) / 2;
        // A stride without a common divisor with the whole goes through all bits once.
        let step = (1..).map(|i| bits / flips.max(2) + i).find(|step| gcd(*step, bits) == 1).unwrap();
        let mut bit = 0;
        for _ in 0..flips.min(bits) {
            bit = (bit + step) % bits;
            flip(&disk, &files, &sizes, bit, &all);
            flipped += 1;
        }
    }
    note("flipped bits, log", "flips", flipped);
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn flip(disk: &SimFs, files: &[std::path::PathBuf], sizes: &[u64], mut bit: u64, all: &BTreeSet<u64>) {
    let file = sizes
        .iter()
        .position(|size| {
            bit < *size || {
                bit -= size;
                false
            }
        })
        .unwrap();
    let damaged = copy(disk);
    let mut bytes = damaged.read(&files[file]).unwrap();
    bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    with(&damaged, &files[file], &bytes);
    let (numbers, report) = found(&damaged);
    let at = format!("bit {bit} of {}", files[file].display());
    assert!(!report.is_clean(), "{at}: not noticed");
    let lost: Vec<u64> = all.difference(&numbers).copied().collect();
    assert!(lost.len() <= 1 && numbers.is_subset(all), "{at}: lost {lost:?}\n{report}");
    // Only the end of the last segment may look like a tail that was never durable.
    let told = report.findings.iter().any(|f| lost.iter().all(|n| f.lost.contains(n)));
    let is_tail = report.findings.iter().any(|f| f.reason == Reason::TornTail);
    let tail = is_tail && lost.iter().all(|n| *n == FLIPPED_RECORDS - 1);
    assert!(lost.is_empty() || told || tail, "{at}: {report}");
}

#[test]
fn missing_doubled_swapped_and_foreign_segments_are_reported() {
    let disk = closed_log(60);
    let files = segments(&disk);
    assert!(files.len() >= 4, "{}", files.len());
    let (all, _) = found(&disk);
    for (i, a) in files.iter().enumerate() {
        missing(&disk, a, i);
        for b in &files[i + 1..] {
            doubled(&disk, a, b);
            swapped(&disk, a, b, &all);
        }
    }
    foreign(&disk, &files[1]);
}

fn missing(disk: &SimFs, path: &Path, i: usize) {
    let disk = copy(disk);
    disk.remove_file(path).unwrap();
    let (_, report) = found(&disk);
    assert!(report.damage().count() == 1 && refuses(&disk), "segment {i} missing: {report}");
}

fn doubled(disk: &SimFs, a: &Path, b: &Path) {
    for (from, to) in [(a, b), (b, a)] {
        let disk = copy(disk);
        with(&disk, to, &disk.read(from).unwrap());
        let (_, report) = found(&disk);
        assert!(report.findings.iter().any(|f| f.reason == Reason::Duplicate), "{report}");
        assert!(report.damage().count() >= 2 && refuses(&disk), "{report}");
    }
}

fn swapped(disk: &SimFs, a: &Path, b: &Path, all: &BTreeSet<u64>) {
    let disk = copy(disk);
    let (in_a, in_b) = (disk.read(a).unwrap(), disk.read(b).unwrap());
    with(&disk, a, &in_b);
    with(&disk, b, &in_a);
    let (numbers, report) = found(&disk);
    let misnamed = report.findings.iter().filter(|f| f.reason == Reason::Misnamed).count();
    assert!(misnamed == 2 && &numbers == all && refuses(&disk), "{report}");
    let (log, recovery) = open(&disk, &skip());
    assert_eq!(numbers.len(), recovery.records().count());
    append(&log, 60..61);
}

fn foreign(disk: &SimFs, path: &Path) {
    let other = SimFs::new();
    let (log, _) = open(&other, &LogOptions { new_log_id: 43, ..options() });
    append(&log, 0..60);
    drop(log);
    let disk = copy(disk);
    with(&disk, path, &other.read(path).unwrap());
    let (_, report) = found(&disk);
    assert!(report.findings.iter().any(|f| f.reason == Reason::Foreign) && refuses(&disk), "{report}");
}

#[test]
fn zeros_end_a_log_and_garbage_is_cut_and_kept_aside() {
    for (tail, reported) in
        [(vec![0; 5000], false), (vec![0xF7; 700], true), (b"\xF7MR\xFE garbage".repeat(50), true)]
    {
        let disk = crashed_log(20);
        let last = segments(&disk).pop().unwrap();
        let len = disk.len(&last).unwrap();
        disk.open_append(&last).unwrap().write_all(&tail).unwrap();
        let (log, recovery) = open(&disk, &options());
        assert_eq!(numbers(&recovery), (0..20).collect::<Vec<_>>());
        assert_eq!(!recovery.report().is_clean(), reported);
        assert_eq!(disk.len(&last).unwrap(), len);
        let quarantine = disk.list(&dir().join("quarantine")).unwrap_or_default();
        assert_eq!(
            quarantine.iter().map(|entry| entry.len).collect::<Vec<_>>(),
            vec![tail.len() as u64; usize::from(reported)]
        );
        append(&log, 20..25);
        drop(log);
        assert!(verify(&disk, dir()).unwrap().report.is_clean());
    }
}

#[test]
fn with_skip_a_damaged_log_goes_on_without_what_is_lost() {
    let disk = closed_log(60);
    let files = segments(&disk);
    disk.remove_file(&files[1]).unwrap();
    let mut bytes = disk.read(&files[2]).unwrap();
    bytes[100] ^= 1;
    with(&disk, &files[2], &bytes);
    with(&disk, &dir().join("wal-manifest"), b"not a manifest");
    let (before, _) = found(&disk);
    let (log, recovery) = open(&disk, &skip());
    assert_eq!(numbers(&recovery), before.iter().copied().collect::<Vec<_>>());
    let reasons: BTreeSet<_> = recovery.report().damage().map(|f| format!("{:?}", f.reason)).collect();
    assert_eq!(reasons, ["Damaged", "Gap", "Manifest"].map(str::to_owned).into());
    append(&log, 60..70);
    log.release(RecordId(60));
    drop(log);
    assert!(verify(&disk, dir()).unwrap().report.is_clean());
}

/// Opens a log whose reads with these numbers fail, and goes on with it. `None` when there are no such reads.
fn opened_with_failing_reads(reads: &RangeInclusive<u64>) -> Option<(BTreeSet<u64>, Report)> {
    let failing = || {
        let faulty = FaultyFs::new(Arc::new(closed_log(30)));
        faulty.inject(Call::Read, reads.clone(), Fault::Error(Errno::Io));
        faulty
    };
    let (strict, faulty) = (failing(), failing());
    let opened = Log::open(Arc::new(strict.clone()), dir(), &options());
    if strict.faults() == 0 {
        return None;
    }
    assert!(opened.is_err_and(|error| error.to_string().contains("cannot be read")), "{reads:?}");
    let (log, recovery) = Log::open(Arc::new(faulty.clone()), dir(), &skip()).unwrap();
    faulty.heal();
    let next = log.next().0;
    append(&log, next..next + 1);
    Some((numbers(&recovery).into_iter().collect(), recovery.report().clone()))
}

#[test]
fn a_read_that_fails_is_passed_over_with_skip_only() {
    let all: BTreeSet<u64> = (0..30).collect();
    let once = (1..).map_while(|n| opened_with_failing_reads(&(n..=n))).inspect(|(recovered, report)| {
        assert!(recovered == &all && report.is_clean(), "read once more, it is there: {report}");
    });
    assert!(once.count() > 5);
    let twice =
        (1..).map_while(|n| opened_with_failing_reads(&(n..=n + 1))).inspect(|(recovered, report)| {
            assert!(recovered.is_subset(&all) && report.damage().count() > 0, "{report}");
        });
    assert!(twice.count() > 5);
    let ever = (1..).map_while(|n| opened_with_failing_reads(&(n..=u64::MAX))).inspect(|(_, report)| {
        assert!(report.damage().count() > 0, "{report}");
    });
    assert!(ever.count() > 5);
}

#[test]
fn missing_rights_are_no_damage() {
    let faulty = FaultyFs::new(Arc::new(closed_log(30)));
    faulty.inject(Call::Read, 2..=2, Fault::Error(Errno::Access));
    assert!(Log::open(Arc::new(faulty.clone()), dir(), &skip()).is_err());
    let (_, recovery) = Log::open(Arc::new(faulty), dir(), &skip()).unwrap();
    assert_eq!(numbers(&recovery).len(), 30);
}

#[test]
fn of_torn_tails_the_newest_are_kept() {
    let disk = crashed_log(20);
    let quarantine = dir().join("quarantine");
    disk.create_dir_all(&quarantine).unwrap();
    let files = ["wal-0000000000000000.log.at-900.0", "wal-0000000000000000.log.at-1000.0"];
    for name in files.iter().chain(&["wal-0000000000000000.log.at-0.0", "notes"]) {
        with(&disk, &quarantine.join(name), &vec![1; 30 << 20]);
    }
    let last = segments(&disk).pop().unwrap();
    disk.open_append(&last).unwrap().write_all(&vec![0xF7; 5 << 20]).unwrap();
    open(&disk, &options());
    let mut left: Vec<_> = disk.list(&quarantine).unwrap().into_iter().map(|entry| entry.name).collect();
    left.retain(|name| !name.to_str().unwrap().starts_with(last.file_name().unwrap().to_str().unwrap()));
    assert_eq!(left, ["notes", "wal-0000000000000000.log.at-0.0", files[1]]);
    assert_eq!(disk.list(&quarantine).unwrap().len(), 4);
}
