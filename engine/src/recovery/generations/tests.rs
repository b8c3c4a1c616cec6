use super::*;
use crate::fs::{Call, Errno, Fault, FaultyFs, SimFs};

/// An operator with a few units, all of which change with every checkpoint.
struct Changing(u64);

impl Captured for Changing {
    fn units(&self) -> Vec<Unit> {
        (0..5).map(|id| Unit { id, version: self.0 }).collect()
    }

    fn encode(&self, unit: u64, bytes: &mut Vec<u8>) -> Result<()> {
        bytes.extend(std::iter::repeat_n(unit as u8, 100 + self.0 as usize));
        Ok(())
    }

    fn rest(&self) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

fn snapshot(version: u64) -> Snapshot {
    let (id, description, types) = ("sums".to_owned(), String::new(), String::new());
    let entry =
        OperatorEntry { id, description, types, number: 0, keys: 0, rest: Vec::new(), units: Vec::new() };
    let manifest = Manifest { operators: vec![entry], ..Manifest::default() };
    Snapshot { manifest, captured: vec![Box::new(Changing(version))] }
}

fn dir() -> &'static Path {
    Path::new("/checkpoints")
}

fn names(disk: &SimFs) -> Vec<String> {
    let entries = disk.list(dir()).unwrap().into_iter();
    entries.map(|entry| entry.name.into_string().unwrap()).collect()
}

/// The content of the newest checkpoint, read anew.
fn newest(disk: &SimFs) -> (u64, Vec<Saved>) {
    let mut generations = Generations::open(Arc::new(disk.clone()), dir()).unwrap();
    let contents = |generations: &Generations, manifest: &Manifest| {
        manifest.operators.iter().map(|operator| generations.load(operator)).collect::<Result<Vec<_>>>()
    };
    let (manifest, saved, skipped) = generations.newest(contents).unwrap().unwrap();
    assert!(skipped.is_empty(), "{skipped:?}");
    (manifest.generation, saved)
}

/// Each call of a checkpoint fails once: it leaves nothing behind, and the next one is written.
#[test]
fn a_checkpoint_that_fails_leaves_nothing() {
    for n in 1.. {
        let disk = SimFs::new();
        let faulty = FaultyFs::new(Arc::new(disk.clone()));
        let mut generations = Generations::open(Arc::new(faulty.clone()), dir()).unwrap();
        generations.write(snapshot(1)).unwrap();
        let before = names(&disk);
        let failing = faulty.calls(Call::Any) + n;
        faulty.inject(Call::Any, failing..=failing, Fault::Error(Errno::NoSpace));
        let written = generations.write(snapshot(2));
        if faulty.faults() == 0 {
            assert!(n > 8, "{n}");
            return;
        }
        if written.is_err() {
            assert_eq!(names(&disk), before, "call {n}");
            assert_eq!(newest(&disk).0, 1);
        }
        let next = generations.write(snapshot(3)).unwrap().generation;
        let (generation, saved) = newest(&disk);
        assert_eq!((generation, saved[0].units[4].1.len()), (next, 103), "call {n}");
    }
}

#[test]
fn what_a_process_that_died_was_writing_is_removed() {
    let disk = SimFs::new();
    let mut generations = Generations::open(Arc::new(disk.clone()), dir()).unwrap();
    generations.write(snapshot(1)).unwrap();
    let before = names(&disk);
    for name in ["0000000000000002.manifest.tmp", "0000000000000002.data"] {
        disk.create(&dir().join(name)).unwrap().write_all(b"half").unwrap();
    }
    let mut generations = Generations::open(Arc::new(disk.clone()), dir()).unwrap();
    generations.newest(|_, _| Ok(())).unwrap();
    generations.write(snapshot(2)).unwrap();
    assert_eq!(names(&disk).len(), before.len() * 2, "{:?}", names(&disk));
}
