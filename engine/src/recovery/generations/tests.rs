use std::path::Path;

use super::*;
use crate::fs::{Call, Errno, Fault, FaultyFs, Fs, SimFs};
use crate::recovery::DirectoryStore;
use crate::testkit::{MemoryStore, StoreCall, StoreFault};

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

fn open(fs: impl Fs + 'static) -> Generations {
    Generations::open(Arc::new(DirectoryStore::made(Arc::new(fs), dir()).unwrap()), None).unwrap()
}

/// The content of the newest checkpoint, read anew.
fn newest(disk: &SimFs) -> (u64, Vec<Saved>) {
    newest_of(open(disk.clone()))
}

fn newest_of(mut generations: Generations) -> (u64, Vec<Saved>) {
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
        let mut generations = open(faulty.clone());
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
    let mut generations = open(disk.clone());
    generations.write(snapshot(1)).unwrap();
    let before = names(&disk);
    for name in ["0000000000000002.manifest.tmp", "0000000000000002.data"] {
        disk.create(&dir().join(name)).unwrap().write_all(b"half").unwrap();
    }
    let mut generations = open(disk.clone());
    generations.newest(|_, _| Ok(())).unwrap();
    generations.write(snapshot(2)).unwrap();
    assert_eq!(names(&disk).len(), before.len() * 2, "{:?}", names(&disk));
}

/// A program's first checkpoint, which has no units.
fn first() -> Snapshot {
    Snapshot { captured: Vec::new(), ..snapshot(0) }
}

/// The program with the directory `owner`, going on in `store` from the newest checkpoint or beginning there.
fn claimed(store: &MemoryStore, owner: &str) -> Result<Generations> {
    let mut generations = Generations::open(Arc::new(store.clone()), Some(owner.to_owned()))?;
    if generations.newest(|_, _| Ok(()))?.is_none() {
        generations.write(first())?;
    } else {
        generations.claim()?;
    }
    Ok(generations)
}

fn newest_in(store: &MemoryStore) -> (u64, Vec<Saved>) {
    newest_of(Generations::look_at(Arc::new(store.clone())))
}

const CALLS: [StoreCall; 6] = [
    StoreCall::List,
    StoreCall::Create,
    StoreCall::Append,
    StoreCall::Finish,
    StoreCall::Put,
    StoreCall::Delete,
];

/// Each call fails once, and once it is done and only said to have failed: nothing is lost, nothing is left, and the next is written.
#[test]
fn a_checkpoint_whose_calls_to_the_store_fail_leaves_what_was_there() {
    for (call, fault) in
        CALLS.iter().flat_map(|call| [(*call, StoreFault::Error), (*call, StoreFault::AfterDone)])
    {
        let store = MemoryStore::new();
        let mut generations = claimed(&store, "a").unwrap();
        let first = generations.write(snapshot(1)).unwrap().generation;
        generations.write(snapshot(2)).unwrap();
        let failing = store.calls(call) + 1;
        store.inject(call, failing..=failing, fault);
        let written = generations.write(snapshot(3));
        assert_eq!(store.faults(), 1, "{call:?}");
        let (generation, saved) = newest_in(&store);
        let version = if written.is_ok() { 3 } else { 2 };
        assert_eq!(
            (generation, saved[0].units[4].1.len()),
            (first + version - 1, 100 + version as usize),
            "{call:?}"
        );
        let next = generations.write(snapshot(4)).unwrap().generation;
        generations.write(snapshot(5)).unwrap();
        assert_eq!(newest_in(&store).0, next + 1, "{call:?} {fault:?}");
        assert_eq!(store.names().len(), 4, "{call:?} {fault:?}: {:?}", store.names());
    }
}

#[test]
fn the_program_that_starts_last_takes_over_and_the_other_writes_nothing_more() {
    let store = MemoryStore::new();
    let mut old = claimed(&store, "old").unwrap();
    old.write(snapshot(1)).unwrap();
    let mut new = claimed(&store, "new").unwrap();
    let begun = store.names();
    for _ in 0..2 {
        let error = old.write(snapshot(2)).unwrap_err().to_string();
        assert!(error.contains("another program has taken over the checkpoints in memory:"), "{error}");
        assert!(old.taken_over().is_some());
        assert_eq!(store.names(), begun);
    }
    assert_eq!(newest_in(&store).1[0].units[4].1.len(), 101, "what the new one has gone on from");
    let written = new.write(snapshot(3)).unwrap().generation;
    assert_eq!((newest_in(&store).0, written >> RUN_SHIFT), (written, 2));
}

/// Both have seen the same, and only one may go on.
#[test]
fn of_two_programs_that_start_at_once_one_is_refused() {
    let open = |store: &MemoryStore, owner: &str| {
        let mut generations = Generations::open(Arc::new(store.clone()), Some(owner.to_owned())).unwrap();
        generations.newest(|_, _| Ok(())).unwrap();
        generations
    };
    let empty = MemoryStore::new();
    let (mut one, mut other) = (open(&empty, "a"), open(&empty, "b"));
    one.write(first()).unwrap();
    let refused = other.write(first()).unwrap_err().to_string();
    assert!(refused.contains("at the same moment, so nothing is started"), "{refused}");
    assert_eq!(newest_in(&empty).0, 1 << RUN_SHIFT);

    let (mut one, mut other, mut again) = (open(&empty, "a"), open(&empty, "b"), open(&empty, "a"));
    one.claim().unwrap();
    let refused = other.claim().unwrap_err().to_string();
    assert!(refused.contains("Stop the other one and start again"), "{refused}");
    again.claim().expect("a request that arrived twice has put what it would put");
}

/// A list that does not show the newest yet: the program goes on from the one before, or does not start.
#[test]
fn a_list_that_comes_late_loses_nothing() {
    let store = MemoryStore::new();
    let mut generations = claimed(&store, "a").unwrap();
    generations.write(snapshot(1)).unwrap();
    let before = generations.write(snapshot(2)).unwrap().generation;
    store.lists_stay();
    generations.write(snapshot(3)).unwrap();
    let (generation, saved) = newest_in(&store);
    assert_eq!((generation, saved[0].units[4].1.len()), (before, 102));
    let mut again = claimed(&store, "a").unwrap();
    store.heal();
    assert_eq!(newest_in(&store).0, 2 << RUN_SHIFT);
    again.write(snapshot(4)).unwrap();
    assert_eq!(newest_in(&store).1[0].units[4].1.len(), 104);

    store.lists_stay();
    claimed(&store, "b").unwrap();
    let refused = claimed(&store, "c").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused.contains("at the same moment"), "{refused}");
}

/// Units that stand apart are read apart, those that stand together in one go, and each is what was written.
#[test]
fn units_are_read_in_few_calls() {
    let store = MemoryStore::new();
    let mut generations = claimed(&store, "a").unwrap();
    generations.write(snapshot(1)).unwrap();
    let before = store.calls(StoreCall::Read);
    let (_, saved) = newest_in(&store);
    assert_eq!(store.calls(StoreCall::Read) - before, 2, "the manifest and the units");
    let expected: Vec<_> = (0..5).map(|id| (id, vec![id as u8; 101])).collect();
    assert_eq!(saved[0].units, expected);
}
