use super::*;
use std::fs;
use std::io::Write;

use millstream_engine::fs::SimFs;
use millstream_engine::testkit::{Call, Errno, Fault, FaultyFs, PowerCut};
use std::thread;
use tempfile::TempDir;

/// The names in a folder, hidden ones too, in order.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn write_part(folder: &OutputFolder, partition: usize, text: &str) {
    let mut part = folder.writer(partition).unwrap();
    part.write_all(text.as_bytes()).unwrap();
    part.finish().unwrap();
}

/// A folder for tests, and the path of the output in it.
fn output() -> (TempDir, PathBuf) {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("counts-1000");
    (parent, path)
}

fn committed(path: &Path, text: &str) {
    let folder = OutputFolder::begin(path).unwrap();
    write_part(&folder, 0, text);
    folder.commit(&[text.len() as u64]).unwrap();
}

#[test]
fn a_folder_appears_whole_at_commit() {
    let (parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    write_part(&folder, 0, "a\n");
    write_part(&folder, 100_000, "b\n");
    assert_eq!(names(parent.path()), [".counts-1000.tmp"]);

    folder.commit(&[2]).unwrap();
    assert_eq!(names(parent.path()), ["counts-1000"]);
    assert_eq!(names(&path), ["_SUCCESS", "part-00000", "part-100000"]);
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "a\n");
    assert_eq!(fs::metadata(path.join("_SUCCESS")).unwrap().len(), 0);
}

#[test]
fn an_empty_batch_is_a_folder_too() {
    let (_parent, path) = output();
    OutputFolder::begin(&path).unwrap().commit(&[]).unwrap();
    assert_eq!(names(&path), ["_SUCCESS"]);
}

#[test]
fn parent_folders_are_created() {
    let (parent, _) = output();
    let path = parent.path().join("a/b/counts-1000");
    committed(&path, "a\n");
    assert_eq!(names(&path), ["_SUCCESS", "part-00000"]);
}

#[test]
fn an_abort_leaves_nothing() {
    let (parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    write_part(&folder, 0, "a\n");
    folder.abort().unwrap();
    assert!(names(parent.path()).is_empty());
    folder.abort().unwrap();
}

#[test]
fn a_commit_may_come_again_from_another_process() {
    let (parent, path) = output();
    committed(&path, "old\n");
    write_part(&OutputFolder::begin(&path).unwrap(), 0, "new\n");
    for _ in 0..2 {
        OutputFolder::begun(&path).unwrap().commit(&[4]).unwrap();
        assert_eq!(names(parent.path()), ["counts-1000"]);
        assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "new\n");
    }
}

/// A crash may be anywhere: after the first rename, after the second, while the old folder is deleted.
#[test]
fn a_commit_completes_one_that_was_cut_off() {
    let hidden = |path: &Path, kind| hidden_sibling(path, kind).unwrap();
    for (at, (old, is_renamed)) in [("old", false), ("old", true), ("gone", true)].into_iter().enumerate() {
        let (parent, path) = output();
        committed(&path, "old\n");
        write_part(&OutputFolder::begin(&path).unwrap(), 0, "new\n");
        fs::rename(&path, hidden(&path, old)).unwrap();
        if is_renamed {
            fs::write(hidden(&path, "tmp").join("_SUCCESS"), "").unwrap();
            fs::rename(hidden(&path, "tmp"), &path).unwrap();
        }
        OutputFolder::begun(&path).unwrap().commit(&[4]).unwrap();
        assert_eq!(names(parent.path()), ["counts-1000"], "cut {at}");
        assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "new\n", "cut {at}");
    }
}

#[test]
fn an_aborted_attempt_leaves_the_old_output() {
    let (parent, path) = output();
    committed(&path, "old\n");
    let folder = OutputFolder::begin(&path).unwrap();
    write_part(&folder, 0, "new\n");
    folder.abort().unwrap();
    assert_eq!(names(parent.path()), ["counts-1000"]);
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "old\n");
}

#[test]
fn a_repeated_batch_replaces_and_never_doubles() {
    let (parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    write_part(&folder, 0, "old\n");
    write_part(&folder, 1, "old\n");
    folder.commit(&[4, 4]).unwrap();

    committed(&path, "new\n");
    assert_eq!(names(parent.path()), ["counts-1000"]);
    assert_eq!(names(&path), ["_SUCCESS", "part-00000"]);
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "new\n");
}

#[test]
fn threads_write_their_parts_at_once() {
    let (_parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    thread::scope(|scope| {
        for partition in 0..8 {
            let folder = &folder;
            scope.spawn(move || write_part(folder, partition, &format!("{partition}\n").repeat(50_000)));
        }
    });
    folder.commit(&[100_000; 8]).unwrap();
    for partition in 0..8 {
        let text = fs::read_to_string(path.join(format!("part-{partition:05}"))).unwrap();
        assert!(text.lines().count() == 50_000 && text.lines().all(|line| line == partition.to_string()));
    }
}

#[test]
fn a_partition_tried_again_begins_from_nothing() {
    let (_parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    let mut first = folder.writer(0).unwrap();
    first.write_all(b"first, and long\n").unwrap();
    first.flush().unwrap();
    drop(first);
    write_part(&folder, 0, "second\n");
    write_part(&folder, 0, "third\n");
    folder.commit(&[6]).unwrap();
    assert_eq!(names(&path), ["_SUCCESS", "part-00000"]);
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "third\n");
}

#[test]
fn an_unfinished_part_is_not_committed() {
    let (parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    write_part(&folder, 0, "a\n");
    let mut part = folder.writer(1).unwrap();
    part.write_all(b"b\n").unwrap();
    let error = folder.commit(&[2, 2]).unwrap_err().to_string();
    assert!(error.contains("the part file of partition 1 was not finished"), "{error}");
    assert_eq!(part.finish().unwrap(), 2);
    folder.commit(&[2, 2]).unwrap();
    assert_eq!(names(parent.path()), ["counts-1000"]);
}

#[test]
fn what_was_prepared_and_is_gone_is_told() {
    let (_parent, path) = output();
    let error = OutputFolder::begun(&path).unwrap().commit(&[4]).unwrap_err().to_string();
    assert!(error.contains("or is gone from") && error.contains(".counts-1000.tmp"), "{error}");
}

/// A part that is cut off, or has grown, since it was finished is not put out; what was put out before stays, and the part as it was
/// is what makes the commit work.
#[test]
fn a_part_of_another_length_is_not_committed() {
    for changed in ["", "ne", "new\nand more\n"] {
        let (_parent, path) = output();
        committed(&path, "old\n");
        let folder = OutputFolder::begin(&path).unwrap();
        write_part(&folder, 0, "first\n");
        write_part(&folder, 1, "new\n");
        fs::write(folder.part(1), changed).unwrap();
        let error = OutputFolder::begun(&path).unwrap().commit(&[6, 4]).unwrap_err().to_string();
        let told = format!("part-00001 was finished with 4 bytes and has {} now", changed.len());
        assert!(error.contains(&told) && error.contains("without this batch: put the part back"), "{error}");
        assert_eq!(
            (names(&path).len(), fs::read_to_string(path.join("part-00000")).unwrap()),
            (2, "old\n".into())
        );

        fs::write(folder.part(1), "new\n").unwrap();
        OutputFolder::begun(&path).unwrap().commit(&[6, 4]).unwrap();
        assert_eq!(fs::read_to_string(path.join("part-00001")).unwrap(), "new\n");
    }
}

/// What readers do with an output that they have is their affair: a commit that comes again after a crash does not mind.
#[test]
fn an_output_that_is_put_out_may_be_changed() {
    let (_parent, path) = output();
    committed(&path, "old\n");
    fs::write(path.join("part-00000"), "changed, and longer\n").unwrap();
    OutputFolder::begun(&path).unwrap().commit(&[4]).unwrap();
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "changed, and longer\n");
}

#[test]
fn remains_of_a_crash_are_cleared_away() {
    let (parent, path) = output();
    committed(&path, "old\n");
    fs::create_dir_all(parent.path().join(".counts-1000.tmp/1-0")).unwrap();
    fs::write(parent.path().join(".counts-1000.tmp/1-0/part-00000"), "torn").unwrap();
    fs::create_dir(parent.path().join(".counts-1000.old")).unwrap();
    fs::create_dir(parent.path().join(".counts-1000.gone")).unwrap();
    fs::create_dir(parent.path().join(".counts-1000.txt.tmp")).unwrap();

    let folder = OutputFolder::begin(&path).unwrap();
    assert_eq!(names(parent.path()), [".counts-1000.tmp", ".counts-1000.txt.tmp", "counts-1000"]);
    folder.commit(&[]).unwrap();
    assert_eq!(names(parent.path()), [".counts-1000.txt.tmp", "counts-1000"]);
}

#[test]
fn a_crash_between_the_renames_is_undone() {
    let (parent, path) = output();
    committed(&path, "old\n");
    fs::rename(&path, parent.path().join(".counts-1000.old")).unwrap();

    let folder = OutputFolder::begin(&path).unwrap();
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "old\n");
    folder.abort().unwrap();
    assert_eq!(names(parent.path()), ["counts-1000"]);
}

#[test]
fn a_file_at_the_path_is_not_touched() {
    let (parent, path) = output();
    fs::write(&path, "precious").unwrap();
    let error = OutputFolder::begin(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert!(error.to_string().contains("move the file away"), "{error}");
    assert_eq!(names(parent.path()), ["counts-1000"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_file_that_appears_at_the_path_is_not_touched() {
    let (_parent, path) = output();
    let folder = OutputFolder::begin(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    assert_eq!(folder.commit(&[]).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_failed_rename_puts_the_old_output_back() {
    let (parent, path) = output();
    committed(&path, "old\n");
    let folder = OutputFolder::begin(&path).unwrap();
    fs::remove_dir_all(&folder.temporary).unwrap();
    let error = folder.rename_into_place().unwrap_err().to_string();
    assert!(error.starts_with("cannot make visible"), "{error}");
    assert_eq!(names(parent.path()), ["counts-1000"]);
    assert_eq!(fs::read_to_string(path.join("part-00000")).unwrap(), "old\n");
}

/// A parent that nobody can write, root neither.
#[test]
fn a_parent_that_cannot_be_written_is_named() {
    let (parent, _) = output();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    let error = OutputFolder::begin(file.join("counts-1000")).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()) && error.contains("run the batch again"), "{error}");
}

#[test]
fn a_path_without_a_name_is_refused() {
    let (parent, _) = output();
    let error = OutputFolder::begin(parent.path().join("..")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// The vector "output file names".
#[test]
fn batches_are_named_as_in_spark() {
    for (prefix, suffix, time_ms, expected) in [
        ("spark", "", 12_345_678_910, "spark-12345678910"),
        ("spark", "tmp", 12_345_678_910, "spark-12345678910.tmp"),
        ("", "", 5, "5"),
        ("", "txt", 5, "5.txt"),
        ("out/x", "", 1000, "out/x-1000"),
    ] {
        assert_eq!(batch_path(prefix, suffix, time_ms), Path::new(expected));
    }
}

const ON_DISK: &str = "/out/counts-1000";

/// The machine's disk is another one.
fn replace(disk: &Arc<dyn Fs>, text: &str) -> io::Result<()> {
    prepare(disk, text)?;
    OutputFolder::begun_on(Arc::clone(disk), ON_DISK)?.commit(&[text.len() as u64])
}

fn prepare(disk: &Arc<dyn Fs>, text: &str) -> io::Result<()> {
    let mut part = OutputFolder::begin_on(Arc::clone(disk), ON_DISK)?.writer(0)?;
    part.write_all(text.as_bytes())?;
    part.finish().map(|bytes| assert_eq!(bytes, text.len() as u64))
}

/// What a reader finds, and what is beside it.
fn found(disk: &dyn Fs) -> (Option<String>, usize) {
    let text = disk.read(&Path::new(ON_DISK).join("part-00000")).ok();
    (text.map(|text| String::from_utf8(text).unwrap()), disk.list(Path::new("/out")).unwrap().len() - 1)
}

#[test]
fn a_call_that_fails_leaves_the_old_output_or_the_new_and_the_next_attempt_succeeds() {
    for fault in [Fault::Error(Errno::Io), Fault::Error(Errno::NoSpace), Fault::DroppedSync] {
        let mut failed = 0;
        for n in 1.. {
            let faulty = FaultyFs::new(Arc::new(SimFs::new()));
            let disk: Arc<dyn Fs> = Arc::new(faulty.clone());
            replace(&disk, "old\n").unwrap();
            let number = faulty.calls(Call::Any) + n;
            faulty.inject(Call::Any, number..=number, fault.clone());
            let replaced = replace(&disk, "new\n");
            if faulty.faults() == 0 {
                break;
            }
            failed += usize::from(replaced.is_err());
            let (text, _) = found(&*disk);
            let is_new = text.as_deref() == Some("new\n");
            assert!(
                is_new || replaced.is_err() && text.as_deref() == Some("old\n"),
                "{n}: {text:?}, {replaced:?}"
            );
            replace(&disk, "newer\n").unwrap();
            assert_eq!(found(&*disk), (Some("newer\n".to_owned()), 0), "call {n}");
        }
        assert!(failed > 1, "{fault:?}");
    }
}

#[test]
fn a_power_cut_leaves_what_can_be_committed_or_begun_anew() {
    for n in 0.. {
        let disk = SimFs::new();
        let same: Arc<dyn Fs> = Arc::new(disk.clone());
        replace(&same, "old\n").unwrap();
        disk.crash_after(disk.operations() + n);
        let is_prepared = prepare(&same, "new\n").is_ok();
        let commit = |disk| OutputFolder::begun_on(disk, ON_DISK)?.commit(&[4]);
        let is_committed = is_prepared && commit(same).is_ok();
        for cut in (0..100).map(PowerCut::Random).chain([PowerCut::Lost, PowerCut::Kept]) {
            let left: Arc<dyn Fs> = Arc::new(disk.crash(cut));
            let text = found(&*left).0;
            assert!(!is_committed || text.as_deref() == Some("new\n"), "{n}, {cut:?}: {text:?}");
            assert!(is_prepared || text.as_deref() == Some("old\n"), "{n}, {cut:?}: {text:?}");
            let again = if is_prepared { commit(Arc::clone(&left)) } else { replace(&left, "new\n") };
            again.unwrap_or_else(|error| panic!("{n}, {cut:?}: {error}"));
            assert_eq!(found(&*left).0.as_deref(), Some("new\n"), "{n}, {cut:?}");
            replace(&left, "newer\n").unwrap();
            assert_eq!(found(&*left), (Some("newer\n".to_owned()), 0), "{n}, {cut:?}");
        }
        if is_committed {
            break;
        }
    }
}
