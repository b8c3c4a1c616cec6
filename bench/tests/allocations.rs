//! A steady flow allocates nothing per record.
//!
//! Everything is counted by an allocator of this test's own, so these tests stand in a file, and a process, for themselves.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::receive::{Blocks, Lines};
use millstream_bench::input;
use millstream_bench::workload::{log_lines::LogLines, text::Text};

/// The system's allocator with a counter.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every method is the system's, called with what this one is called with; counting touches no memory of theirs.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }
}

/// The allocations of `run`, when everything that is made once has been made.
fn allocations<T: PartialEq + std::fmt::Debug>(run: impl Fn() -> T) -> (u64, T) {
    run();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let result = run();
    (ALLOCATIONS.load(Ordering::Relaxed) - before, result)
}

/// The blocks of `bytes`, and those of `bytes` twice: more records, but no more keys.
fn once_and_twice(executor: &Executor, bytes: &[u8]) -> [Blocks<Lines>; 2] {
    [bytes.to_vec(), bytes.repeat(2)].map(|bytes| input::blocks(executor, &bytes))
}

/// Allocations that twice the input may need beyond those of the input: some per block, none per record.
const SLACK: u64 = 200;

/// The test threads share the counter, so this is one test.
#[test]
fn twice_the_records_need_no_more_allocations() {
    let executor = Executor::local(1);
    let text = Text::generate(1, 1_000_000);
    let [once, twice] = once_and_twice(&executor, &text.bytes).map(|lines| {
        allocations(|| {
            let words = lines.clone().flat_map(|line| line.split_whitespace()).map(|word| (word, 1u64));
            words.reduce_by_key(|a, b| a + b).map(|(_, n)| n).sum().unwrap()
        })
    });
    assert_eq!((once.1, twice.1), (text.words, 2 * text.words));
    assert!(twice.0 <= once.0 + SLACK, "word count: {} and {} allocations", once.0, twice.0);

    let log = LogLines::generate(2, 1_000_000, 0.5);
    let [once, twice] = once_and_twice(&executor, &log.bytes)
        .map(|lines| allocations(|| lines.clone().filter(|line| line.contains("ERROR")).count().unwrap()));
    assert_eq!((once.1, twice.1), (log.matching, 2 * log.matching));
    assert!(twice.0 <= once.0 + SLACK, "filter: {} and {} allocations", once.0, twice.0);
}
