//! Checkpoints in a store without lock, rename and sync: whatever it does, what a program has put out is what it should be.

use std::path::Path;
use std::sync::Arc;

use millstream::fs::{Fs, SimFs};
use millstream::recovery::CheckpointStore;
use millstream::testkit::{MemoryStore, PowerCut, StoreCall, StoreFault, TestContext};

use crate::damage::told;
use crate::recovery::{BATCHES, Results, Shown, context, program, results, uninterrupted};
use crate::support::eventually;

const DIR: &str = "/machine";

/// The program with its log on `disk` and its checkpoints in `store`, whose clock begins behind the batch `after`.
fn on(disk: &SimFs, store: &MemoryStore, after: usize) -> (TestContext, Vec<Shown>) {
    let test = context(after, 2);
    let outputs = program(&test);
    let store: Arc<dyn CheckpointStore> = Arc::new(store.clone());
    test.go_on_from(Arc::new(disk.clone()) as Arc<dyn Fs>, DIR, store).unwrap();
    (test, outputs)
}

/// What the store and the disk have when the machine is cut off now.
fn cut_off(disk: &SimFs, store: &MemoryStore) -> (SimFs, MemoryStore) {
    let left = store.copied();
    (disk.crash(PowerCut::Lost), left)
}

/// What was put out, with what is put out again in its place; it must be the same.
fn add(seen: &mut Results, more: Results, expected: &Results, what: &str) {
    for (batch, records) in more {
        assert_eq!(records, expected[&batch], "batch and output {batch:?}, {what}");
        seen.insert(batch, records);
    }
}

fn start_error(disk: &SimFs, store: &MemoryStore) -> String {
    on(disk, store, 7).0.start().unwrap_err().to_string()
}

/// A machine whose program has run for seven batches, with checkpoints at 3 and 6.
fn used() -> (SimFs, MemoryStore) {
    let (disk, store) = (SimFs::new(), MemoryStore::new());
    let (test, _outputs) = on(&disk, &store, 0);
    for (batches, manifest) in [(4, "0000000100000001.manifest"), (3, "0000000100000002.manifest")] {
        test.run(batches).unwrap();
        eventually("a checkpoint is written", || store.names().iter().any(|name| name == manifest));
    }
    eventually("the oldest is removed", || manifests(&store).len() == 2);
    cut_off(&disk, &store)
}

fn manifests(store: &MemoryStore) -> Vec<String> {
    store.names().into_iter().filter(|name| name.ends_with(".manifest")).collect()
}

#[test]
fn a_program_that_is_cut_off_after_any_batch_goes_on_from_a_store() {
    let expected = uninterrupted();
    for cut in 0..=BATCHES {
        let (disk, store) = (SimFs::new(), MemoryStore::new());
        let (test, outputs) = on(&disk, &store, 0);
        test.run(cut).unwrap();
        let ((disk, store), mut seen) = (cut_off(&disk, &store), results(&outputs));
        drop(test);
        let (test, outputs) = on(&disk, &store, cut);
        test.run(BATCHES - cut).unwrap();
        add(&mut seen, results(&outputs), &expected, &format!("cut off after {cut}"));
        assert_eq!(seen, expected, "cut off after {cut}");
    }
}

const CALLS: [StoreCall; 6] = [
    StoreCall::List,
    StoreCall::Create,
    StoreCall::Append,
    StoreCall::Finish,
    StoreCall::Put,
    StoreCall::Delete,
];

/// Each call of the store fails once, or is done and said to have failed, and the program is cut off after the next checkpoint.
#[test]
fn whatever_call_of_the_store_fails_the_results_are_right() {
    let expected = uninterrupted();
    for (call, n) in CALLS.iter().flat_map(|call| (1..=4).map(|n| (*call, n))) {
        for fault in [StoreFault::Error, StoreFault::AfterDone] {
            let what = format!("{call:?} {n} has {fault:?}");
            let (disk, store) = (SimFs::new(), MemoryStore::new());
            let (test, outputs) = on(&disk, &store, 0);
            store.inject(call, n..=n, fault);
            let mut seen = match test.run(9) {
                Ok(()) => results(&outputs),
                // What fails before the first batch fails the start, and the next start goes on from whatever is there.
                Err(error) => {
                    assert!(error.to_string().contains("is made to fail"), "{what}: {error}");
                    Results::new()
                }
            };
            let (disk, store) = cut_off(&disk, &store);
            drop(test);
            let after = seen.last_key_value().map_or(0, |((batch, _), _)| *batch as usize);
            let (test, outputs) = on(&disk, &store, after);
            test.run(BATCHES - after).unwrap_or_else(|error| panic!("{what}: {error}"));
            add(&mut seen, results(&outputs), &expected, &what);
            assert_eq!(seen, expected, "{what}");
        }
    }
}

/// The list does not show the newest checkpoint yet: the one before does, with the log that reaches back to it.
#[test]
fn a_list_that_comes_late_loses_nothing() {
    let expected = uninterrupted();
    let (disk, store) = (SimFs::new(), MemoryStore::new());
    let (test, outputs) = on(&disk, &store, 0);
    test.run(4).unwrap();
    eventually("the first is written", || manifests(&store).len() == 2);
    store.lists_stay();
    test.run(3).unwrap();
    eventually("the second is", || manifests(&store).contains(&"0000000100000002.manifest".to_owned()));
    let ((disk, store), mut seen) = (cut_off(&disk, &store), results(&outputs));
    drop(test);
    let (test, outputs) = on(&disk, &store, 7);
    test.run(BATCHES - 7).unwrap();
    add(&mut seen, results(&outputs), &expected, "with a late list");
    assert_eq!(seen, expected);
}

#[test]
fn a_damaged_newest_checkpoint_is_passed_over_and_told() {
    let expected = uninterrupted();
    for kind in ["manifest", "data"] {
        let (disk, store) = used();
        let newest = manifests(&store).pop().unwrap().replace("manifest", kind);
        store.damage(&newest, |bytes| bytes[20] ^= 1);
        let (test, outputs) = on(&disk, &store, 7);
        let said = told(|| test.run(BATCHES - 7).unwrap());
        assert!(
            said.contains("the checkpoint is skipped") && said.contains("memory:/0000000100000002"),
            "{said}"
        );
        let mut seen = expected.clone();
        add(&mut seen, results(&outputs), &expected, kind);
        assert!(results(&outputs).keys().any(|(batch, _)| *batch == BATCHES as i64));
    }
}

/// The window over whole records, which no checkpoint holds.
const WINDOW: usize = 3;

/// The disk is lost: a new machine makes the batches since the checkpoint again, and says what that means.
#[test]
fn a_new_machine_goes_on_from_the_checkpoint_and_says_so() {
    let expected = uninterrupted();
    let (_lost, store) = used();
    let (test, outputs) = on(&SimFs::new(), &store, 7);
    let said = told(|| test.start().unwrap());
    assert!(said.contains("no log in the directory, as on a new machine"), "{said}");
    assert!(
        said.contains("outputs that were done since are done again") && said.contains("checkpoint=6000 ms"),
        "{said}"
    );
    test.clock().advance(millstream::prelude::Duration::from_secs(BATCHES as u64 - 7));
    eventually("all batches are made", || {
        results(&outputs).keys().any(|(batch, _)| *batch == BATCHES as i64)
    });
    let mut again = results(&outputs);
    assert_eq!(again.first_key_value().map(|((batch, _), _)| *batch), Some(7));
    // Its first two batches lack those before the checkpoint.
    again.retain(|(batch, output), _| *output != WINDOW || *batch > 8);
    let mut seen = expected.clone();
    add(&mut seen, again, &expected, "on a new machine");
    assert_eq!(seen, expected);
    drop(test);

    let (disk, store) = used();
    let (test, _) = on(&disk, &store, 7);
    assert!(!told(|| test.start().unwrap()).contains("new machine"));
}

/// A second program takes the store over. The first, which does not know, stops with an error before its next checkpoint counts.
#[test]
fn of_two_programs_on_one_store_the_one_that_started_first_stops() {
    let expected = uninterrupted();
    let store = MemoryStore::new();
    let (old, _seen) = on(&SimFs::new(), &store, 0);
    old.run(4).unwrap();
    eventually("it has written a checkpoint", || manifests(&store).len() == 2);
    let (new, outputs) = on(&SimFs::new(), &store, 4);
    new.start().unwrap();
    let begun = store.names();
    let mut stopped = None;
    eventually("the old one stops", || {
        stopped = old.run(1).err().map(|error| error.to_string());
        stopped.is_some()
    });
    let error = stopped.unwrap();
    assert!(error.contains("another program has taken over the checkpoints in memory:"), "{error}");
    assert!(error.contains("this program stops") && error.contains("Run one program at a time"), "{error}");
    assert_eq!(store.names(), begun, "it has left nothing");
    new.run(BATCHES - 4).unwrap();
    let mut again = results(&outputs);
    again.retain(|(batch, output), _| *output != WINDOW || *batch > 5);
    add(&mut expected.clone(), again, &expected, "of the new one");
}

#[test]
fn a_log_without_the_checkpoints_that_it_belongs_to_is_not_begun_anew() {
    let (disk, store) = used();
    let error = start_error(&disk, &MemoryStore::new());
    assert!(error.contains("/machine has a log but no checkpoint is in memory:"), "{error}");
    // Another machine has gone on meanwhile, and the old one comes back with its log.
    let (other, _) = on(&SimFs::new(), &store, 7);
    other.start().unwrap();
    drop(other);
    let error = start_error(&disk, &store);
    assert!(
        error.contains("the log in /machine does not belong to the newest checkpoint in memory:"),
        "{error}"
    );
    assert!(error.contains("empty the directory or name another one"), "{error}");
    disk.remove_dir_all(&Path::new(DIR).join("log")).unwrap();
    on(&disk, &store, 7).0.start().unwrap();
}

#[test]
fn a_store_with_a_checkpoint_is_not_begun_anew() {
    let (_, store) = used();
    let test = context(7, 2);
    program(&test);
    let dir = tempfile::tempdir().unwrap();
    test.checkpoint_to(dir.path(), Arc::new(store)).unwrap();
    let error = test.start().unwrap_err().to_string();
    assert!(error.contains("memory: holds the checkpoint of \"millstream\" at 6000 ms"), "{error}");
    assert!(error.contains("StreamingContext::get_or_create_from goes on"), "{error}");
}
