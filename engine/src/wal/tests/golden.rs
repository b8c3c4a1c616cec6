//! Logs as released versions wrote them. They never change; a new version of the format gets a folder of its own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::core::{Core, Known};
use super::support::*;
use crate::fs::{Fs, RealFs, SimFs};
use crate::wal::{Log, LogOptions, dump, verify};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The files of a folder, in a disk of their own.
fn load(name: &str) -> SimFs {
    let (disk, from) = (SimFs::new(), golden(name));
    disk.create_dir_all(dir()).unwrap();
    for entry in RealFs.list(&from).unwrap() {
        let bytes = RealFs.read(&from.join(&entry.name)).unwrap();
        disk.create(&dir().join(&entry.name)).unwrap().write_all(&bytes).unwrap();
    }
    disk
}

/// Two lives of a log: the first is closed, the second is not and is followed by one that writes its last group again.
fn written() -> SimFs {
    let disk = SimFs::new();
    let fs: Arc<dyn Fs> = Arc::new(disk.clone());
    let mut known = Known::default();
    for life in 0..3 {
        let mut core = Core::open(Arc::clone(&fs), &options(), &mut known).unwrap();
        for records in [3, 8, 4] {
            core.append(records, &mut known).unwrap();
        }
        if life == 0 {
            core.close();
        }
    }
    disk
}

#[test]
fn version_1_is_written_as_it_was() {
    let (now, then) = (written(), load("wal-1"));
    let names = |disk: &SimFs| disk.list(dir()).unwrap();
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        RealFs.create_dir_all(&golden("wal-1")).unwrap();
        for entry in names(&now) {
            let bytes = now.read(&dir().join(&entry.name)).unwrap();
            RealFs.write_atomic(&golden("wal-1").join(&entry.name), &bytes).unwrap();
        }
    }
    assert_eq!(names(&now), names(&then));
    for entry in names(&now) {
        let path = dir().join(&entry.name);
        assert_eq!(now.read(&path).unwrap(), then.read(&path).unwrap(), "{}", path.display());
    }
}

#[test]
fn version_1_is_read_and_gone_on_with() {
    let disk = load("wal-1");
    let verified = verify(&disk, dir()).unwrap();
    assert!(verified.report.is_clean() && verified.segments.len() > 3, "{}", verified.report);
    let (log, recovery) = open(&disk, &options());
    assert_eq!(numbers(&recovery), (0..45).collect::<Vec<_>>());
    append(&log, 45..50);
    drop(log);
    assert_eq!(verify(&disk, dir()).unwrap().records, 50);
}

/// How lz4 compresses may change from release to release, what it decompresses to may not.
#[test]
fn compressed_records_of_version_1_are_read() {
    let text = |number: u64| format!("{number} all work and no play ").repeat(20).into_bytes();
    if std::env::var_os("MILLSTREAM_WRITE_GOLDEN").is_some() {
        RealFs.create_dir_all(&golden("wal-1-lz4")).unwrap();
        let options = LogOptions { compression: true, ..options() };
        let (log, _) = Log::open(Arc::new(RealFs), &golden("wal-1-lz4"), &options).unwrap();
        for number in 0..5 {
            log.append(1, text(number)).unwrap();
        }
        drop(log);
        RealFs.remove_file(&golden("wal-1-lz4").join("lock")).unwrap();
    }
    let mut seen = 0;
    let report = dump(&load("wal-1-lz4"), dir(), |record| {
        assert_eq!(record.payload, text(record.id.0));
        assert!(record.stored_bytes < 100);
        seen += 1;
    });
    assert!(report.unwrap().is_clean() && seen == 5);
}
