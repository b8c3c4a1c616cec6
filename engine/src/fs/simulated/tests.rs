use super::*;

fn at(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

fn disk() -> SimFs {
    let disk = SimFs::new();
    disk.create_dir_all(Path::new("/d")).unwrap();
    disk
}

#[test]
fn a_synced_file_without_a_synced_directory_has_no_name() {
    let disk = disk();
    let mut file = disk.create(&at("a")).unwrap();
    file.write_all(b"bytes").unwrap();
    file.sync().unwrap();
    assert!(!disk.crash(PowerCut::Lost).exists(&at("a")).unwrap());
    disk.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(disk.crash(PowerCut::Lost).read(&at("a")).unwrap(), b"bytes");
    file.write_all(b" and more").unwrap();
    assert_eq!(disk.crash(PowerCut::Lost).read(&at("a")).unwrap(), b"bytes");
    assert_eq!(disk.crash(PowerCut::Kept).read(&at("a")).unwrap(), b"bytes and more");
    assert_eq!(disk.read(&at("a")).unwrap(), b"bytes and more", "the crash is another file system");
}

#[test]
fn a_prefix_keeps_the_first_operations() {
    let disk = disk();
    let mut file = disk.create(&at("a")).unwrap();
    disk.sync_dir(Path::new("/d")).unwrap();
    file.write_all(b"1").unwrap();
    file.write_all(b"2").unwrap();
    file.truncate(1).unwrap();
    file.write_all(b"3").unwrap();
    assert_eq!(disk.unsynced(), 4);
    let after = |n| disk.crash(PowerCut::Prefix(n)).read(&at("a")).unwrap();
    assert_eq!([after(0), after(1), after(2), after(3), after(4)], [&b""[..], b"1", b"12", b"1", b"13"]);
}

#[test]
fn the_last_write_is_torn_at_a_sector_of_the_file() {
    let disk = disk();
    let mut file = disk.create(&at("a")).unwrap();
    file.write_all(&[1; 100]).unwrap();
    file.write_all(&[2; 1000]).unwrap();
    let after =
        |sectors, zero_filled| disk.crash(PowerCut::Torn { sectors, zero_filled }).read(&at("a")).unwrap();
    assert_eq!(after(0, false), [1; 100]);
    assert_eq!(after(1, false), [vec![1; 100], vec![2; 412]].concat());
    assert_eq!(after(1, true), [vec![1; 100], vec![2; 412], vec![0; 588]].concat());
    assert_eq!(after(9, false).len(), 1100);
}

#[test]
fn a_rename_is_there_or_not() {
    let disk = disk();
    disk.write_atomic(&at("a"), b"old").unwrap();
    disk.write_atomic(&at("b"), b"new").unwrap();
    disk.rename(&at("b"), &at("a")).unwrap();
    let lost = disk.crash(PowerCut::Lost);
    assert_eq!((lost.read(&at("a")).unwrap(), lost.exists(&at("b")).unwrap()), (b"old".to_vec(), true));
    let kept = disk.crash(PowerCut::Kept);
    assert_eq!((kept.read(&at("a")).unwrap(), kept.exists(&at("b")).unwrap()), (b"new".to_vec(), false));
}

#[test]
fn a_directory_is_renamed_with_what_is_in_it() {
    let disk = disk();
    disk.create_dir_all(&at("a")).unwrap();
    disk.write_atomic(&at("a/f"), b"synced").unwrap();
    disk.create(&at("a/g")).unwrap();
    disk.rename(&at("a"), &at("b")).unwrap();
    assert_eq!((disk.read(&at("b/f")).unwrap(), disk.exists(&at("a")).unwrap()), (b"synced".to_vec(), false));
    let lost = disk.crash(PowerCut::Lost);
    assert_eq!((lost.exists(&at("a/f")).unwrap(), lost.exists(&at("b")).unwrap()), (true, false));
    disk.sync_dir(Path::new("/d")).unwrap();
    let lost = disk.crash(PowerCut::Lost);
    assert_eq!(lost.list(&at("b")).unwrap().len(), 1, "what was not synced in it is lost, wherever it is");
    assert_eq!(disk.crash(PowerCut::Kept).list(&at("b")).unwrap().len(), 2);
}

#[test]
fn a_removed_directory_comes_back_unless_the_one_above_was_synced() {
    let disk = disk();
    disk.create_dir_all(&at("a/b")).unwrap();
    disk.write_atomic(&at("a/b/f"), b"x").unwrap();
    disk.remove_dir_all(&at("a")).unwrap();
    assert!(!disk.exists(&at("a")).unwrap());
    assert!(disk.crash(PowerCut::Lost).exists(&at("a/b/f")).unwrap());
    disk.create_dir_all(&at("a")).unwrap();
    assert!(
        disk.crash(PowerCut::Lost).list(&at("a")).unwrap().is_empty(),
        "a directory that is made is durable"
    );
}

#[test]
fn a_removed_file_comes_back_unless_the_directory_was_synced() {
    let disk = disk();
    disk.write_atomic(&at("a"), b"x").unwrap();
    disk.remove_file(&at("a")).unwrap();
    assert!(!disk.exists(&at("a")).unwrap());
    assert!(disk.crash(PowerCut::Lost).exists(&at("a")).unwrap());
    disk.sync_dir(Path::new("/d")).unwrap();
    assert!(!disk.crash(PowerCut::Lost).exists(&at("a")).unwrap());
}

/// The proof of `write_atomic`, over all moments and many outcomes of a power cut.
#[test]
fn an_atomic_write_leaves_the_old_or_the_new() {
    for n in 0.. {
        let disk = disk();
        disk.write_atomic(&at("a"), &[1; 3000]).unwrap();
        disk.crash_after(disk.operations() + n);
        let done = disk.write_atomic(&at("a"), &[2; 3000]).is_ok();
        let random = (0..200).map(PowerCut::Random);
        let torn = (0..7).map(|sectors| PowerCut::Torn { sectors, zero_filled: sectors % 2 == 0 });
        for cut in random.chain(torn).chain([PowerCut::Lost, PowerCut::Kept]) {
            let found = disk.crash(cut).read(&at("a")).unwrap();
            assert!(found == [2; 3000] || (found == [1; 3000] && !done), "{cut:?} after operation {n}");
        }
        if done {
            assert_eq!(n, 5, "create, write, sync, rename, sync of the directory");
            break;
        }
    }
}

#[test]
fn after_the_crash_every_call_fails_and_changes_nothing() {
    let disk = disk();
    let mut file = disk.create(&at("a")).unwrap();
    disk.crash_after(disk.operations());
    assert!(file.write_all(b"x").is_err() && file.sync().is_err() && file.len().is_err());
    assert!(
        disk.read(&at("a")).is_err() && disk.create(&at("b")).is_err() && disk.list(Path::new("/d")).is_err()
    );
    assert_eq!(disk.crash(PowerCut::Kept).read(&at("a")).unwrap(), b"");
}

#[test]
fn it_refuses_what_a_disk_refuses() {
    let disk = disk();
    let kind = |result: io::Result<()>| result.unwrap_err().kind();
    disk.create(&at("a")).unwrap();
    assert_eq!(kind(disk.create(&at("a")).map(drop)), io::ErrorKind::AlreadyExists);
    assert_eq!(kind(disk.create(Path::new("/no/a")).map(drop)), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.remove_file(&at("b"))), io::ErrorKind::NotFound);
    assert_eq!(kind(disk.rename(&at("b"), &at("c"))), io::ErrorKind::NotFound);
    let guard = disk.lock(&at("lock")).unwrap();
    assert_eq!(kind(disk.lock(&at("lock")).map(drop)), io::ErrorKind::ResourceBusy);
    drop(guard);
    disk.lock(&at("lock")).unwrap();
    disk.remove_dir_all(Path::new("/d")).unwrap();
    assert!(disk.list(Path::new("/d")).is_err());
    disk.create_dir_all(Path::new("/e/full")).unwrap();
    disk.create(Path::new("/e/full/f")).unwrap();
    disk.create(Path::new("/f")).unwrap();
    disk.create_dir_all(Path::new("/g")).unwrap();
    let renamed = |from, to| kind(disk.rename(Path::new(from), Path::new(to)));
    assert_eq!(renamed("/g", "/e/full"), io::ErrorKind::DirectoryNotEmpty);
    assert_eq!(renamed("/g", "/f"), io::ErrorKind::NotADirectory);
    assert_eq!(renamed("/f", "/g"), io::ErrorKind::IsADirectory);
}

#[test]
fn both_file_systems_answer_alike() {
    let real_dir = tempfile::tempdir().unwrap();
    let sim_dir = Path::new("/d");
    let answers =
        [(&super::super::RealFs as &dyn Fs, real_dir.path()), (&disk(), sim_dir)].map(|(fs, dir)| {
            let mut file = fs.create(&dir.join("f")).unwrap();
            file.write_slices(&[b"ab", b"", b"cdef"]).unwrap();
            file.truncate(5).unwrap();
            file.write_all(b"X").unwrap();
            let opened = fs.open_append(&dir.join("f")).unwrap().write_all(b"Y");
            fs.create_dir_all(&dir.join("made/below")).unwrap();
            fs.create(&dir.join("made/below/f")).unwrap();
            fs.rename(&dir.join("made"), &dir.join("sub")).unwrap();
            fs.rename(&dir.join("f"), &dir.join("g")).unwrap();
            let parts = [(0, 3), (4, 100), (7, 1), (100, 1)]
                .map(|(at, len)| fs.read_at(&dir.join("g"), at, len).unwrap());
            let mut buffer = [0; 4];
            let reader = fs.open(&dir.join("g")).unwrap();
            let read = [0, 4, 7, 100].map(|at| reader.read_at(&mut buffer, at).unwrap());
            let list = |dir: &Path| {
                let entries = fs.list(dir).unwrap().into_iter();
                entries.map(|entry| (entry.name, entry.is_file, entry.is_dir)).collect::<Vec<_>>()
            };
            (
                parts,
                (read, buffer),
                opened.is_ok(),
                [list(dir), list(&dir.join("sub/below"))],
                ["sub", "g", "none", "g/below"].map(|name| fs.is_dir(&dir.join(name)).unwrap()),
                fs.len(&dir.join("g")).unwrap(),
                file.len().unwrap(),
            )
        });
    assert_eq!(answers[0], answers[1]);
}
