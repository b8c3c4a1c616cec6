use super::*;
use crate::fs::SimFs;

fn disk() -> FaultyFs {
    FaultyFs::new(Arc::new(SimFs::new()))
}

fn file_of(disk: &FaultyFs) -> Box<dyn FsFile> {
    disk.create(Path::new("/f")).unwrap()
}

#[test]
fn the_numbered_calls_fail_with_the_given_error() {
    let disk = disk();
    disk.inject(Call::Write, 2..=3, Fault::Error(Errno::NoSpace));
    let mut file = file_of(&disk);
    let kinds: Vec<_> = (0..4).map(|_| file.write_all(b"x").map_err(|error| error.kind()).err()).collect();
    assert_eq!(kinds, [None, Some(io::ErrorKind::StorageFull), Some(io::ErrorKind::StorageFull), None]);
    assert_eq!((disk.calls(Call::Write), disk.calls(Call::Any), disk.faults()), (4, 5, 2));
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"xx");
}

#[test]
fn a_short_write_leaves_a_part() {
    let disk = disk();
    disk.inject(Call::Write, 1..=1, Fault::ShortWrite(3, Errno::NoSpace));
    let mut file = file_of(&disk);
    assert!(file.write_slices(&[b"ab", b"cdef"]).is_err());
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"abc");
}

#[test]
fn a_dropped_sync_loses_what_was_not_synced_and_the_next_one_succeeds() {
    let disk = disk();
    disk.inject(Call::Sync, 2..=2, Fault::DroppedSync);
    let mut file = file_of(&disk);
    file.write_all(b"safe").unwrap();
    file.sync().unwrap();
    file.write_all(b"lost").unwrap();
    assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(Errno::Io as i32));
    file.sync().unwrap();
    assert_eq!(disk.read(Path::new("/f")).unwrap(), b"safe");
}

#[test]
fn a_flipped_bit_is_one_bit_of_one_read() {
    let disk = disk();
    disk.inject(Call::Read, 1..=1, Fault::BitFlip(8 * 3 + 1));
    file_of(&disk).write_all(&[0; 2]).unwrap();
    assert_eq!(disk.read(Path::new("/f")).unwrap(), [0, 2]);
    assert_eq!(disk.read(Path::new("/f")).unwrap(), [0, 0]);
}

#[test]
fn a_held_call_waits_for_its_gate() {
    let (disk, gate) = (disk(), Gate::new());
    disk.inject(Call::Sync, 1..=1, Fault::Hold(gate.clone()));
    let mut file = file_of(&disk);
    let syncing = std::thread::spawn(move || file.sync());
    assert!(gate.wait_for(1, Duration::from_secs(20)));
    assert!(!syncing.is_finished());
    gate.open();
    syncing.join().unwrap().unwrap();
}

#[test]
fn healed_is_whole_and_counters_go_on() {
    let disk = disk();
    disk.inject(Call::Any, 1..=u64::MAX, Fault::Error(Errno::Io));
    assert!(disk.list(Path::new("/")).is_err() && disk.lock(Path::new("/l")).is_err());
    disk.heal();
    assert!(disk.list(Path::new("/")).is_ok());
    assert_eq!(disk.calls(Call::Any), 3);
}

#[test]
fn every_call_of_an_atomic_write_can_fail_and_leaves_the_old_or_the_new() {
    for n in 1.. {
        let disk = disk();
        disk.write_atomic(Path::new("/f"), b"old").unwrap();
        let before = disk.calls(Call::Any);
        disk.inject(Call::Any, before + n..=before + n, Fault::Error(Errno::Io));
        let written = disk.write_atomic(Path::new("/f"), b"new");
        assert_eq!(written.is_ok(), disk.faults() == 0);
        disk.heal();
        let found = disk.read(Path::new("/f")).unwrap();
        assert!(found == b"old" || found == b"new");
        if written.is_ok() {
            assert!(n > 5);
            break;
        }
    }
}
