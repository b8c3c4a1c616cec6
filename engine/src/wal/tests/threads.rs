//! The log with its thread: waiting, backpressure, callbacks, the end.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::support::*;
use crate::fs::{Call, Errno, Fault, FaultyFs, Gate, PowerCut, SimFs};
use crate::wal::{Log, LogOptions, Payload, RecordId, verify};

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(30);

fn faulty() -> (SimFs, FaultyFs) {
    let disk = SimFs::new();
    let faulty = FaultyFs::new(Arc::new(disk.clone()));
    (disk, faulty)
}

fn open_faulty(faulty: &FaultyFs, options: &LogOptions) -> Arc<Log> {
    Arc::new(Log::open(Arc::new(faulty.clone()), dir(), options).unwrap().0)
}

/// Holds the next sync of the log.
fn hold(faulty: &FaultyFs) -> Gate {
    let gate = Gate::new();
    let next = faulty.calls(Call::Sync) + 1;
    faulty.inject(Call::Sync, next..=next, Fault::Hold(gate.clone()));
    gate
}

/// Looks until something is so, without end only for as long as the test may last.
fn until(what: impl Fn() -> bool) {
    let begin = std::time::Instant::now();
    while !what() {
        assert!(begin.elapsed() < LIMIT, "it does not come");
        std::thread::yield_now();
    }
}

#[test]
fn what_comes_during_a_sync_is_one_group() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &LogOptions { segment_bytes: 1 << 20, ..options() });
    append(&log, 0..1);
    let gate = hold(&faulty);
    let held = log.append(kind(1), payload(1)).unwrap();
    assert!(gate.wait_for(1, LIMIT));
    for number in 2..100 {
        log.append(kind(number), payload(number)).unwrap();
    }
    assert_eq!((log.durable(), log.status().lag_records), (held, 99));
    gate.open();
    log.wait(RecordId(99)).unwrap();
    assert_eq!((log.status().commits, log.status().queued_bytes), (3, 0));
}

#[test]
fn many_threads_append_and_every_acknowledged_record_is_there_after_a_power_cut() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &LogOptions { segment_bytes: 4000, queue_bytes: 500, ..options() });
    let acked = std::thread::scope(|scope| {
        let appenders = (0..4_u8).map(|thread| {
            let log = &log;
            scope.spawn(move || {
                let mut acked = Vec::new();
                for i in 0..50_u8 {
                    let mut parts = Payload::new();
                    parts.push([thread]);
                    parts.push(vec![i; 20]);
                    let id = log.append(thread, parts).unwrap();
                    log.wait(id).unwrap();
                    acked.push((id, thread, i));
                }
                acked
            })
        });
        let appenders: Vec<_> = appenders.collect();
        appenders.into_iter().flat_map(|appender| appender.join().unwrap()).collect::<Vec<_>>()
    });
    let (_, recovery) = open(&disk.crash(PowerCut::Lost), &options());
    let records: Vec<_> = recovery.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), acked.len());
    for (id, thread, i) in acked {
        let record = &records[id.0 as usize];
        assert_eq!(
            (record.id, record.kind, &record.payload),
            (id, thread, &[vec![thread], vec![i; 20]].concat())
        );
    }
}

#[test]
fn a_full_queue_makes_appending_wait() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &LogOptions { queue_bytes: 1000, ..options() });
    append(&log, 0..1);
    let gate = hold(&faulty);
    log.append(1, vec![1; 900]).unwrap();
    assert!(gate.wait_for(1, LIMIT));
    let (sender, appended) = mpsc::channel();
    let same = Arc::clone(&log);
    let appender = std::thread::spawn(move || sender.send(same.append(1, vec![2; 900]).unwrap()).unwrap());
    // What must not wait goes past it.
    let control = log.append_now(2, "small").unwrap();
    assert!(control.0 == 2 && appended.try_recv().is_err());
    gate.open();
    assert_eq!(appended.recv_timeout(LIMIT).unwrap(), RecordId(3));
    appender.join().unwrap();
    log.wait(RecordId(3)).unwrap();
}

#[test]
fn ten_times_the_limit_goes_through_a_log_that_is_released() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &LogOptions { max_bytes: 8000, ..options() });
    let log = Arc::new(log);
    let mut most = 0;
    for number in 0..600 {
        let log = &log;
        log.wait(log.append(kind(number), payload(number)).unwrap()).unwrap();
        most = most.max(log.status().bytes);
        if number % 10 == 9 {
            log.release(RecordId(number - 5));
        }
    }
    assert!(most <= 8000, "{most}");
    let (same, appended) = (Arc::clone(&log), mpsc::channel());
    std::thread::spawn(move || while appended.0.send(same.append(1, vec![0; 500])).is_ok() {});
    let mut last = RecordId(0);
    // Nothing is released, so it comes to an end of its own.
    until(|| log.status().bytes + log.status().queued_bytes + 544 > 8000);
    while let Ok(id) = appended.1.try_recv() {
        last = id.unwrap();
    }
    log.wait(last).unwrap();
    log.release(log.durable());
    assert!(appended.1.recv_timeout(LIMIT).unwrap().unwrap() > last);
    log.close();
}

#[test]
fn what_must_not_wait_goes_past_a_full_log_that_says_so() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &LogOptions { max_bytes: 8000, ..options() });
    assert!(log.has_room() && !log.is_half_full() && !log.status().is_full);
    let add = || log.wait(log.append_now(1, vec![0; 500]).unwrap()).unwrap();
    while log.has_room() {
        add();
    }
    let full = log.status();
    assert!(full.is_full && (6000..=8000).contains(&full.bytes), "a segment is left free: {full:?}");
    (0..10).for_each(|_| add());
    assert!(log.status().bytes > 8000, "{:?}", log.status());
    assert!(!log.has_room() && log.is_half_full());
    log.release(log.durable());
    until(|| log.has_room());
    assert!(!log.status().is_full && !log.is_half_full());
    let (again, _) = open(&disk.crash(PowerCut::Kept), &LogOptions { max_bytes: 8000, ..options() });
    assert!(again.has_room(), "{:?}", again.status());
    log.close();
    assert!(log.append_now(1, "closed").is_err());
    assert!(log.has_room(), "who waits for room is to come and be told");
}

#[test]
fn a_log_that_is_opened_full_has_no_room() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &options());
    append(&log, 0..60);
    log.close();
    let (log, _) = open(&disk, &LogOptions { max_bytes: 8000, ..options() });
    assert!(log.status().is_full && !log.has_room());
}

#[test]
fn records_that_are_not_durable_leave_no_room_either() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &LogOptions { queue_bytes: 1000, ..options() });
    faulty.inject(Call::Write, 1..=u64::MAX, Fault::Error(Errno::NoSpace));
    (0..3).for_each(|_| _ = log.append_now(1, vec![1; 400]).unwrap());
    assert!(!log.has_room() && !log.status().is_full, "the disk is behind, and the files are not full");
    faulty.heal();
    until(|| log.has_room());
}

#[test]
fn a_full_disk_stalls_and_resumes_by_itself() {
    let (disk, faulty) = faulty();
    let log = open_faulty(&faulty, &options());
    append(&log, 0..3);
    faulty.inject(Call::Write, 1..=u64::MAX, Fault::ShortWrite(10, Errno::NoSpace));
    let id = log.append(kind(3), payload(3)).unwrap();
    until(|| log.status().stalled.is_some());
    assert_eq!(log.durable(), id);
    faulty.heal();
    log.wait(id).unwrap();
    assert!(log.status().stalled.is_none());
    append(&log, 4..10);
    let (_, recovery) = open(&disk.crash(PowerCut::Lost), &options());
    assert_eq!(numbers(&recovery), (0..10).collect::<Vec<_>>());
}

#[test]
fn closing_while_the_disk_is_full_tells_who_waits() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &options());
    append(&log, 0..1);
    faulty.inject(Call::Write, 1..=u64::MAX, Fault::Error(Errno::NoSpace));
    let id = log.append(1, "never durable").unwrap();
    let (sender, told) = mpsc::channel();
    log.on_durable(id, move |result| sender.send(result).unwrap());
    until(|| log.status().stalled.is_some());
    log.close();
    assert!(told.recv_timeout(LIMIT).unwrap().is_err());
    assert!(log.wait(id).is_err() && log.append(1, "late").is_err());
    log.close();
}

#[test]
fn callbacks_come_after_the_sync_and_each_once() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &options());
    append(&log, 0..1);
    let gate = hold(&faulty);
    let (sender, told) = mpsc::channel();
    let id = log.append(1, "x").unwrap();
    for i in 0..3 {
        let sender = sender.clone();
        log.on_durable(id, move |result| sender.send((i, result.is_ok())).unwrap());
    }
    assert!(gate.wait_for(1, LIMIT));
    assert!(told.try_recv().is_err());
    gate.open();
    let mut all: Vec<_> = (0..3).map(|_| told.recv_timeout(LIMIT).unwrap()).collect();
    all.sort_unstable();
    assert_eq!(all, [(0, true), (1, true), (2, true)]);
    log.on_durable(id, move |result| sender.send((3, result.is_ok())).unwrap());
    assert_eq!(told.try_recv().unwrap(), (3, true));
}

#[test]
fn who_waits_writes_while_the_thread_of_the_log_is_busy() {
    let (_, faulty) = faulty();
    let log = open_faulty(&faulty, &options());
    append(&log, 0..1);
    let (gate, (busy, done)) = (hold(&faulty), mpsc::channel::<()>());
    let id = log.append(kind(1), payload(1)).unwrap();
    assert!(gate.wait_for(1, LIMIT));
    log.on_durable(id, move |_| {
        let _ = done.recv_timeout(LIMIT);
    });
    gate.open();
    log.wait(id).unwrap();
    append(&log, 2..5);
    // A full disk is left to the log's thread, with the group.
    let next = faulty.calls(Call::Write) + 1;
    faulty.inject(Call::Write, next..=next, Fault::ShortWrite(10, Errno::NoSpace));
    let same = Arc::clone(&log);
    let waiting = std::thread::spawn(move || append(&same, 5..6));
    until(|| log.status().stalled.is_some());
    assert_eq!(log.status().lag_records, 1);
    drop(busy);
    waiting.join().unwrap();
    assert_eq!((log.durable(), log.status().queued_bytes), (RecordId(6), 0));
}

#[test]
fn a_panic_in_a_callback_ends_the_log_and_lets_nobody_wait() {
    let (log, _) = open(&SimFs::new(), &options());
    let id = log.append(1, "x").unwrap();
    log.on_durable(id, |_| panic!("in the callback, on purpose"));
    until(|| log.append(1, "y").and_then(|id| log.wait(id)).is_err());
}

#[test]
fn a_second_log_of_the_directory_is_refused_until_the_first_is_gone() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &options());
    let error = Log::open(Arc::new(disk.clone()), dir(), &options()).unwrap_err();
    assert!(error.to_string().contains("locked"), "{error}");
    drop(log);
    open(&disk, &options());
}

#[test]
fn a_release_deletes_whole_segments_and_reading_them_says_so() {
    let disk = SimFs::new();
    let (log, _) = open(&disk, &options());
    append(&log, 0..60);
    let before = segments(&disk).len();
    log.release(RecordId(31));
    until(|| log.status().segments < before);
    assert_eq!(log.read(RecordId(31)).unwrap(), payload(31));
    assert!(log.read(RecordId(0)).unwrap_err().to_string().contains("released"));
    drop(log);
    let verified = verify(&disk, dir()).unwrap();
    assert!(verified.report.is_clean() && verified.segments[0].first <= RecordId(31), "{}", verified.report);
    let (_, recovery) = open(&disk, &options());
    let begin = recovery.infos().next().unwrap().id.0;
    assert!(begin > 0 && begin <= 31);
    assert_eq!(numbers(&recovery), (begin..60).collect::<Vec<_>>());
}
