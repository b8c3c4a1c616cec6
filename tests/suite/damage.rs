//! Whatever has become of the files: a program starts and says what it has passed over, or it does not start and says what to do.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use millstream::fs::{Fs, SimFs};
use millstream::testkit::{Call, Errno, Fault, FaultyFs, PowerCut};
use tracing_subscriber::prelude::*;

use crate::ledger::Ledger;
use crate::recovery::{
    BATCHES, Results, SECOND, assert_goes_on, context, manifests, overwrite, program, results, start_error,
    uninterrupted, used_disk,
};
use crate::support::eventually;

/// What is told in the log while `f` runs on this thread.
pub(crate) fn told(f: impl FnOnce()) -> String {
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let lines = Lines::default();
    let to = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || to.clone());
    let guard = tracing_subscriber::registry().with(layer).set_default();
    f();
    drop(guard);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

/// What an uninterrupted program has put out before the checkpointed one was cut off.
fn seen(expected: &Results) -> Results {
    expected.clone().into_iter().filter(|((batch, _), _)| *batch <= 7).collect()
}

/// Goes on with a disk of which a file of the newest checkpoint is changed; that must be told.
fn assert_passes_over(
    disk: &SimFs,
    (newest, path): (&Path, &Path),
    change: impl FnOnce(&mut Vec<u8>),
    expected: &Results,
    what: &str,
) {
    let (left, what) = (disk.crash(PowerCut::Kept), format!("{} {what}", path.display()));
    overwrite(&left, path, change);
    let said = told(|| assert_goes_on(left, &seen(expected), expected, &what));
    let name = newest.file_name().unwrap().to_str().unwrap();
    assert!(said.contains("the checkpoint is skipped") && said.contains(name), "{what}: {said}");
}

/// Where the version of a manifest stands: damage there must not pass for a newer version.
const VERSION: std::ops::Range<usize> = 8..12;

/// So many places of a file of `len` bytes, the first and the last and those of the version among them: `DAMAGE_PLACES`.
fn places(len: usize, quick: usize) -> BTreeSet<usize> {
    let places = std::env::var("DAMAGE_PLACES").ok().map_or(quick, |places| places.parse().unwrap());
    let step = (len / places.max(1)).max(1);
    (0..len).step_by(step).chain(VERSION).chain([len - 1]).collect()
}

#[test]
fn a_newest_checkpoint_that_is_cut_or_flipped_anywhere_is_passed_over_and_told() {
    let (expected, disk) = (uninterrupted(), used_disk());
    let newest = manifests(&disk).pop().unwrap();
    let (mut ledger, mut damages) = (Ledger::new("newest checkpoint cut or flipped, whole program", 0), 0);
    for path in [newest.clone(), newest.with_extension("data")] {
        let len = disk.len(&path).unwrap() as usize;
        let files = (&*newest, &*path);
        for place in places(len, 40) {
            let cut = |bytes: &mut Vec<u8>| bytes.truncate(place);
            assert_passes_over(&disk, files, cut, &expected, &format!("cut at {place}"));
            let flip = |bytes: &mut Vec<u8>| bytes[place] ^= 1 << (place % 8);
            assert_passes_over(&disk, files, flip, &expected, &format!("flipped at {place}"));
            damages += 2;
        }
    }
    ledger.set("cycles", damages);
    ledger.set("lost", 0);
    ledger.note(None);
}

#[test]
fn when_all_checkpoints_are_damaged_nothing_is_begun_anew() {
    let disk = used_disk();
    for damage in 0..4 {
        let left = disk.crash(PowerCut::Kept);
        for (i, manifest) in manifests(&disk).into_iter().enumerate() {
            let data = manifest.with_extension("data");
            match (damage >> i) & 1 {
                0 => overwrite(&left, &manifest, |bytes| bytes[60] ^= 1),
                _ => left.remove_file(&data).unwrap(),
            }
        }
        let before = manifests(&left);
        let test = context(7, 2);
        program(&test);
        let error = start_error(&left, &test);
        assert!(error.contains("none of the checkpoints"), "{error}");
        assert!(error.contains("Restore the directory") && error.contains("begins anew"), "{error}");
        assert_eq!(manifests(&left), before, "nothing is changed");
    }
}

#[test]
fn data_that_no_manifest_is_left_of_is_not_begun_anew() {
    let disk = used_disk();
    manifests(&disk).iter().for_each(|manifest| disk.remove_file(manifest).unwrap());
    disk.remove_dir_all(Path::new("/checkpoint/log")).unwrap();
    let before = disk.list(Path::new("/checkpoint/checkpoints")).unwrap();
    let test = context(7, 2);
    program(&test);
    let error = start_error(&disk, &test);
    assert!(error.contains("/checkpoint has the data of a checkpoint but no manifest"), "{error}");
    assert!(error.contains("nothing is started: restore the directory"), "{error}");
    let after = disk.list(Path::new("/checkpoint/checkpoints")).unwrap();
    assert!(after == before && before.len() == 2, "{after:?}");
}

#[test]
fn a_program_that_begins_anew_says_so_and_one_that_goes_on_does_not() {
    let disk = SimFs::new();
    let mut starts = (0..2).map(|_| {
        let test = context(0, 2);
        program(&test);
        test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        told(|| test.start().unwrap())
    });
    let (first, second) = (starts.next().unwrap(), starts.next().unwrap());
    let anew = "there is no checkpoint: beginning anew directory=/checkpoint";
    assert!(first.contains(anew), "{first}");
    assert!(!second.contains("anew") && second.contains("going on from a checkpoint"), "{second}");
}

fn segment(disk: &SimFs) -> std::path::PathBuf {
    let dir = Path::new("/checkpoint/log");
    let mut names = disk.list(dir).unwrap().into_iter().map(|entry| dir.join(entry.name));
    names.rfind(|path| path.extension().is_some_and(|kind| kind == "log")).unwrap()
}

#[test]
fn a_segment_of_the_log_that_is_missing_or_anothers_stops_the_start_and_is_named() {
    let (disk, other) = (used_disk(), used_disk());
    let path = segment(&disk);
    let missing = disk.crash(PowerCut::Kept);
    missing.remove_file(&path).unwrap();
    let foreign = disk.crash(PowerCut::Kept);
    let stranger = other.read(&segment(&other)).unwrap();
    overwrite(&foreign, &path, |bytes| *bytes = stranger);
    for disk in [missing, foreign] {
        let test = context(7, 2);
        program(&test);
        let error = start_error(&disk, &test);
        assert!(error.contains("is damaged in") && error.contains("wal.skip_damage"), "{error}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_named_with_the_remedy() {
    for errno in [Errno::ReadOnly, Errno::Access] {
        for call in [Call::CreateDir, Call::Lock] {
            let faulty = FaultyFs::new(Arc::new(used_disk()));
            faulty.inject(call, 1..=u64::MAX, Fault::Error(errno));
            let test = context(7, 2);
            program(&test);
            test.go_on(Arc::new(faulty) as Arc<dyn Fs>, "/checkpoint").unwrap();
            let error = test.start().unwrap_err().to_string();
            assert!(error.contains("/checkpoint cannot be used") && error.contains("be writable"), "{error}");
        }
    }
}

/// On a full disk a program that was there before starts, waits, and goes on; a new one says that it cannot begin.
#[test]
fn a_full_disk_does_not_keep_a_program_from_going_on() {
    let expected = uninterrupted();
    let faulty = FaultyFs::new(Arc::new(used_disk()));
    faulty.inject(Call::Write, 1..=u64::MAX, Fault::Error(Errno::NoSpace));
    let test = context(7, 2);
    let outputs = program(&test);
    test.go_on(Arc::new(faulty.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.start().unwrap();
    faulty.heal();
    test.clock().advance(SECOND * (BATCHES as u32 - 7));
    let all = || {
        let mut all = seen(&expected);
        all.extend(results(&outputs));
        all
    };
    eventually("all batches are put out", || all().len() == expected.len());
    assert_eq!(all(), expected);

    let empty = FaultyFs::new(Arc::new(SimFs::new()));
    empty.inject(Call::Write, 1..=u64::MAX, Fault::Error(Errno::NoSpace));
    let test = context(0, 2);
    program(&test);
    test.go_on(Arc::new(empty) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let error = test.start().unwrap_err().to_string();
    assert!(error.contains("writing the checkpoint") && error.contains("os error 28"), "{error}");
}
