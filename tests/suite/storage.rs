//! Storage levels and the budget of memory in the whole engine.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use millstream::prelude::*;
use millstream::storage::StorageLevel;
use millstream::testkit::TestContext;

use crate::damage::told;
use crate::support::{config, count_into, eventually, hand, ms, panic_of, test_context};

const LEVELS: [StorageLevel; 10] = [
    StorageLevel::MEMORY_ONLY,
    StorageLevel::MEMORY_ONLY_2,
    StorageLevel::MEMORY_ONLY_SER,
    StorageLevel::MEMORY_ONLY_SER_2,
    StorageLevel::MEMORY_AND_DISK,
    StorageLevel::MEMORY_AND_DISK_2,
    StorageLevel::MEMORY_AND_DISK_SER,
    StorageLevel::MEMORY_AND_DISK_SER_2,
    StorageLevel::DISK_ONLY,
    StorageLevel::DISK_ONLY_2,
];

/// A context that spills to a directory of its own.
fn spilling(config: Config) -> (TestContext, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let config = config.storage_dir(dir.path().join("first")).replica_dir(dir.path().join("second"));
    (test_context(config), dir)
}

#[test]
fn a_persisted_stream_is_computed_once_at_every_level() {
    for level in LEVELS {
        let (test, _dir) = spilling(config());
        let calls = Arc::new(AtomicUsize::new(0));
        let called = Arc::clone(&calls);
        let lengths = test.input([vec!["a", "bb"], vec!["ccc"]], 2).unwrap().map(move |word| {
            called.fetch_add(1, Ordering::Relaxed);
            (word.to_owned(), word.len() as u64)
        });
        let lengths = lengths.persist(level);
        let (pairs, sums) =
            (test.collect(&lengths), test.collect(&lengths.map(|(_, n)| n).reduce(|a, b| a + b)));
        test.run(2).unwrap();
        assert_eq!(
            pairs.batches(),
            [vec![("a".to_owned(), 1), ("bb".to_owned(), 2)], vec![("ccc".to_owned(), 3)]],
            "{level}"
        );
        assert_eq!((sums.batches(), calls.load(Ordering::Relaxed)), (vec![vec![3], vec![3]], 3), "{level}");
        eventually("nothing stays behind a batch that is complete", || {
            let memory = test.memory();
            (memory.kept, memory.spilled) == (0, 0)
        });
    }
}

#[test]
fn a_level_cannot_be_changed_after_the_start() {
    let test = test_context(config());
    let numbers = test.input([vec![1u64]], 1).unwrap().cache();
    test.collect(&numbers);
    test.run(1).unwrap();
    let message = panic_of(|| numbers.persist(StorageLevel::DISK_ONLY));
    assert_eq!(message, "Cannot change storage level of a DStream after streaming context has started");
}

#[test]
fn the_panes_of_a_persisted_window_may_be_on_disk() {
    let (test, _dir) = spilling(config());
    let numbers = test.input((0..6).map(|t| vec![t; 3]), 2).unwrap();
    let window = numbers.window(ms(300)).persist(StorageLevel::DISK_ONLY);
    let seen = test.collect(&window.reduce(|a, b| a + b));
    let spilled = Arc::new(AtomicUsize::new(0));
    let (context, noted) = (test.clone(), Arc::clone(&spilled));
    window.foreach_rdd(move |_, _| {
        noted.fetch_max(context.memory().spilled as usize, Ordering::Relaxed);
        Ok(())
    });
    test.run(6).unwrap();
    assert_eq!(seen.batches(), [[0], [3], [9], [18], [27], [36]]);
    assert!(spilled.load(Ordering::Relaxed) > 0);
    assert_eq!(test.memory().kept, 0);
}

/// The files below `dir` are other ones from now on; how many they are.
fn damage(dir: &Path) -> usize {
    let mut damaged = 0;
    for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            damaged += damage(&path);
        } else if path.file_name().is_some_and(|name| name != "lock") {
            fs::write(&path, fs::read(&path).unwrap().iter().map(|byte| !byte).collect::<Vec<_>>()).unwrap();
            damaged += 1;
        }
    }
    damaged
}

#[test]
fn a_damaged_copy_is_read_from_the_second_and_not_computed_again() {
    let (test, dir) = spilling(config());
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let numbers = test.input([(0..100u64).collect::<Vec<_>>()], 2).unwrap().map(move |number| {
        called.fetch_add(1, Ordering::Relaxed);
        number
    });
    let numbers = numbers.persist(StorageLevel::DISK_ONLY_2);
    let (first, damaged) = (dir.path().join("first"), Arc::new(AtomicUsize::new(0)));
    let noted = Arc::clone(&damaged);
    numbers.foreach_rdd(move |rdd, _| {
        assert_eq!(rdd.count()?, 100);
        noted.store(damage(&first), Ordering::Relaxed);
        Ok(())
    });
    let seen = test.collect(&numbers.reduce(|a, b| a + b));
    test.run(1).unwrap();
    assert_eq!(seen.batches(), [[4_950]]);
    assert_eq!((damaged.load(Ordering::Relaxed), calls.load(Ordering::Relaxed)), (2, 100));
}

#[test]
fn a_second_copy_without_a_place_is_told_at_the_start_and_once() {
    let told_of = |configured: StorageLevel, persisted: Option<StorageLevel>| {
        let said = told(|| {
            let test = test_context(config().receiver_level(configured));
            let (receiver, end) = hand::<u64>();
            let stream = test.receiver_stream(receiver).unwrap();
            persisted.map(|level| stream.persist(level));
            stream.foreach_rdd(|_, _| Ok(()));
            test.start().unwrap();
            drop(end);
            test.stop(false).unwrap();
        });
        said.matches("set storage.replica_dir").count()
    };
    assert_eq!(told_of(StorageLevel::MEMORY_AND_DISK_2, None), 1);
    assert_eq!(told_of(StorageLevel::MEMORY_ONLY_SER, Some(StorageLevel::DISK_ONLY_2)), 1);
    assert_eq!(told_of(StorageLevel::MEMORY_ONLY_2, None), 0);
}

/// An output stands still for as long as the test likes. The receiver is not held back, and memory holds what it may.
#[test]
fn blocks_go_to_disk_while_an_output_stands_still() {
    const HELD: usize = 64 << 10;
    let config = config().segment_bytes(4 << 10).max_held_bytes(HELD).max_line_bytes(1 << 10);
    let (test, _dir) = spilling(config.max_pending_batches(2).graceful_stop_timeout(ms(60_000)));
    let (receiver, end) = hand::<u64>();
    let stream = test.receiver_stream(receiver).unwrap().persist(StorageLevel::MEMORY_AND_DISK_SER_2);
    let (release, released) = mpsc::channel::<()>();
    let (released, sum) = (Mutex::new(released), Arc::new(Mutex::new((0u64, 0u64))));
    let total = Arc::clone(&sum);
    stream.output("wait", move |_, rdd, _| {
        let _ = released.lock().unwrap().recv();
        let mut total = total.lock().unwrap();
        *total = (total.0 + rdd.count()?, total.1 + rdd.reduce(|a, b| a + b)?.unwrap_or(0));
        Ok(())
    });
    test.start().unwrap();
    let counting = count_into(end.started());
    test.clock().advance(ms(1_000));
    eventually("far more is received than memory may hold", || test.memory().spilled > 20 * HELD as u64);
    assert!(test.held_bytes() <= 2 * HELD, "{} bytes are held", test.held_bytes());
    drop(release);
    test.stop(true).unwrap();
    let count = counting.join().unwrap();
    assert_eq!(*sum.lock().unwrap(), (count, count * (count + 1) / 2));
    assert_eq!((test.held_bytes(), test.memory().spilled), (0, 0));
}

/// A state that outgrows the memory fails its batch, and says which and what to do; the batches before it hold.
#[test]
fn state_that_memory_cannot_hold_is_refused_whole() {
    let test = test_context(config().memory_max(32 << 20));
    let grown =
        |batch: u64| (batch * 40_000..(batch + 1) * 40_000).map(|key| (key, 1u64)).collect::<Vec<_>>();
    let keys = test.input((0..4).map(grown), 2).unwrap();
    let sums = keys.update_state_by_key(|values: &[u64], state: Option<[u64; 32]>| {
        let mut state = state.unwrap_or_default();
        state[0] += values.iter().sum::<u64>();
        Some(state)
    });
    let counts = test.collect(&sums.count());
    let error = test.run(4).unwrap_err().to_string();
    assert!(error.contains("update_state_by_key-1 (tests/suite/storage.rs:"), "{error}");
    assert!(error.contains("would hold") && error.contains("memory.max"), "{error}");
    assert!(error.contains("let them time out"), "{error}");
    let seen = counts.all();
    assert!(!seen.is_empty() && seen.len() < 4, "{} batches", seen.len());
    let held = test.operators()[0].bytes;
    assert!(held > 8 << 20 && held <= 32 << 20, "{held} bytes");
    assert_eq!(test.memory().state, held);
}
