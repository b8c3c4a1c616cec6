//! Every call of a job fails once, in every way.

use std::sync::Arc;
use std::time::Duration;

use super::core::{Core, Known, job};
use super::support::*;
use crate::fs::{Call, Errno, Fault, FaultyFs, Fs, PowerCut, SimFs};
use crate::wal::{Log, RecordId};

/// Runs the job with one fault after the other, until none happens, and hands over what is left each time.
fn each_fault(
    call: Call,
    fault: &Fault,
    check: impl Fn(u64, &SimFs, Result<(), crate::Error>, Known),
) -> u64 {
    for n in 1.. {
        let disk = SimFs::new();
        let faulty = FaultyFs::new(Arc::new(disk.clone()));
        faulty.inject(call, n..=n, fault.clone());
        let mut known = Known::default();
        let ended = job(&(Arc::new(faulty.clone()) as Arc<dyn Fs>), &mut known);
        if faulty.faults() == 0 {
            return n - 1;
        }
        check(n, &disk, ended, known);
    }
    0
}

/// What was acknowledged is there after a power cut, whatever it takes with it; and the log goes on.
fn holds(disk: &SimFs, known: Known) {
    for cut in (0..4).map(PowerCut::Random).chain([PowerCut::Lost, PowerCut::Kept]) {
        let mut known = known;
        let mut core = Core::open(Arc::new(disk.crash(cut)), &options(), &mut known).unwrap();
        core.append(2, &mut known).unwrap();
    }
}

#[test]
fn a_full_disk_loses_nothing_and_the_job_goes_on() {
    for fault in [
        Fault::Error(Errno::NoSpace),
        Fault::ShortWrite(13, Errno::NoSpace),
        Fault::ShortWrite(700, Errno::NoSpace),
    ] {
        let faults = each_fault(Call::Write, &fault, |n, disk, ended, known| {
            // The first writes are those of opening, which tells of a full disk only when it cannot go on.
            assert!(ended.is_ok(), "write {n}: {ended:?}");
            holds(disk, known);
        });
        assert!(faults > 20, "{faults}");
    }
}

/// What is acknowledged while the disk is slow is durable when it is, and all of it comes through.
#[test]
fn a_slow_disk_acknowledges_nothing_before_it_is_durable() {
    let disk = SimFs::new();
    let faulty = FaultyFs::new(Arc::new(disk.clone()));
    let (log, _) = Log::open(Arc::new(faulty.clone()), dir(), &options()).unwrap();
    for call in [Call::Write, Call::Sync, Call::SyncDir] {
        faulty.inject(call, 1..=u64::MAX, Fault::Delay(Duration::from_millis(5)));
    }
    let durable = || numbers(&open(&disk.crash(PowerCut::Lost), &options()).1).len() as u64;
    for number in 0..40 {
        let id = log.append(kind(number), payload(number)).unwrap();
        // Others come while the disk is at it.
        if number % 4 == 3 {
            log.wait(id).unwrap();
            assert_eq!((durable(), log.durable()), (number + 1, RecordId(number + 1)));
        }
    }
    assert!(segments(&disk).len() > 1 && faulty.faults() > 20, "{}", faulty.faults());
    drop(log);
    assert_eq!(durable(), 40);
}

#[test]
fn a_broken_write_loses_nothing_and_the_job_goes_on() {
    for fault in [Fault::Error(Errno::Io), Fault::ShortWrite(700, Errno::Io)] {
        each_fault(Call::Write, &fault, |n, disk, ended, known| {
            holds(disk, known);
            assert!(ended.is_ok() || known.acked == known.attempted, "write {n}: {ended:?}");
        });
    }
}

#[test]
fn a_failed_sync_acknowledges_nothing_of_its_group() {
    for fault in [Fault::DroppedSync, Fault::Error(Errno::Io), Fault::Error(Errno::NoSpace)] {
        let faults = each_fault(Call::Sync, &fault, |_, disk, _, known| holds(disk, known));
        assert!(faults > 20, "{faults}");
    }
}

#[test]
fn any_call_may_fail() {
    for errno in [Errno::Io, Errno::NoSpace, Errno::TooManyFiles, Errno::ReadOnly, Errno::Access] {
        let faults = each_fault(Call::Any, &Fault::Error(errno), |_, disk, _, known| holds(disk, known));
        assert!(faults > 100, "{faults}");
    }
}

#[test]
fn a_disk_that_stays_full_for_a_while_stalls_and_resumes() {
    for n in 1..60 {
        let disk = SimFs::new();
        let faulty = FaultyFs::new(Arc::new(disk.clone()));
        let mut known = Known::default();
        let mut core = Core::open(Arc::new(faulty.clone()), &options(), &mut known).unwrap();
        let before = faulty.calls(Call::Write);
        faulty.inject(
            Call::Write,
            before + n..=before + n + 2,
            Fault::ShortWrite(n as usize * 11, Errno::NoSpace),
        );
        for _ in 0..12 {
            core.append(4, &mut known).unwrap();
        }
        // A group needs several writes where a segment begins.
        assert!(faulty.faults() == 0 || core.waits > 0 || faulty.calls(Call::Write) < before + n + 3);
        assert_eq!(known.acked, 48);
        assert!(core.index_bytes() < 20_000);
        drop(core);
        holds(&disk, known);
    }
}

#[test]
fn a_file_whose_sync_failed_gets_no_record_more() {
    let disk = SimFs::new();
    let faulty = FaultyFs::new(Arc::new(disk.clone()));
    let mut known = Known::default();
    let mut core = Core::open(Arc::new(faulty.clone()), &options(), &mut known).unwrap();
    core.append(2, &mut known).unwrap();
    let next = faulty.calls(Call::Sync) + 1;
    faulty.inject(Call::Sync, next..=next, Fault::DroppedSync);
    let before = disk.len(&segments(&disk)[0]).unwrap();
    core.append(1, &mut known).unwrap();
    let lens: Vec<_> = segments(&disk).iter().map(|path| disk.len(path).unwrap()).collect();
    assert!(lens.len() == 2 && lens[0] == before, "{before}, then {lens:?}");
    holds(&disk, known);
}

#[test]
fn three_broken_files_in_a_row_end_the_log() {
    let disk = SimFs::new();
    let faulty = FaultyFs::new(Arc::new(disk.clone()));
    let mut known = Known::default();
    let mut core = Core::open(Arc::new(faulty.clone()), &options(), &mut known).unwrap();
    core.append(3, &mut known).unwrap();
    faulty.inject(Call::Sync, faulty.calls(Call::Sync) + 1..=u64::MAX, Fault::DroppedSync);
    let error = core.append(2, &mut known).unwrap_err();
    assert!(error.to_string().contains("look after the disk"), "{error}");
    assert_eq!(known.acked, 3);
    drop(core);
    holds(&disk, known);
}

#[test]
fn a_writer_that_was_replaced_acknowledges_nothing() {
    let disk = SimFs::new();
    let mut old = Known::default();
    let mut zombie = Core::open(Arc::new(disk.clone()), &options(), &mut old).unwrap();
    zombie.append(4, &mut old).unwrap();
    // The lock is lost: somebody removed its file, or the file system does not know locks.
    let second = disk.crash(PowerCut::Kept);
    let mut new = Known { attempted: 4, acked: 4, ..Known::default() };
    let mut heir = Core::open(Arc::new(second.clone()), &options(), &mut new).unwrap();
    heir.append(2, &mut new).unwrap();
    let manifest = second.read(&dir().join("wal-manifest")).unwrap();
    disk.write_atomic(&dir().join("wal-manifest"), &manifest).unwrap();
    let error = zombie.append(1, &mut old).unwrap_err();
    assert!(error.to_string().contains("taken over"), "{error}");
    assert_eq!(old.acked, 4);
}

#[test]
fn a_directory_that_is_gone_ends_the_log_with_the_next_append() {
    let disk = SimFs::new();
    let mut known = Known::default();
    let mut core = Core::open(Arc::new(disk.clone()), &options(), &mut known).unwrap();
    core.append(1, &mut known).unwrap();
    disk.remove_dir_all(dir()).unwrap();
    let error = core.append(1, &mut known).unwrap_err();
    assert!(error.to_string().contains("gone"), "{error}");
    assert_eq!(known.acked, 1);
}
