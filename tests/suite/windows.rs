//! Windows in the whole engine: names, figures, upkeep and what is kept alive.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::prelude::*;
use millstream::testkit::TestContext;

use crate::support::{Diary, eventually, test_context};

const SECOND: Duration = Duration::from_secs(1);

fn context() -> TestContext {
    TestContext::new(SECOND).unwrap()
}

#[test]
fn operators_have_names_and_say_how_many_keys_they_hold() {
    let test = context();
    let pairs = test.input((0..5).map(|t| vec![(t, 1), (t + 1, 1)]), 2).unwrap();
    let window = |n| (SECOND * n, SECOND);
    let of =
        |n| pairs.reduce_by_key_and_window_inv_filtered(2, |a, b| a + b, |a, b| a - b, window(n), |_| true);
    test.collect(&of(2));
    test.collect(&pairs.reduce_by_key_and_window(i32::max, SECOND * 3, SECOND).named("largest"));
    test.collect(&pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, SECOND * 4, SECOND));
    test.run(5).unwrap();
    let operators = test.operators();
    let seen: Vec<_> = operators.iter().map(|info| (info.id.as_str(), info.keys)).collect();
    let ids = ["reduce_by_key_and_window_inv-1", "largest", "reduce_by_key_and_window_inv-2"];
    assert_eq!(seen, [(ids[0], 3), (ids[1], 4), (ids[2], 5)]);
    assert!(operators[1].description.starts_with("reduce_by_key_and_window (tests/suite/windows.rs:"));
}

#[test]
fn one_name_for_two_operators_is_refused() {
    let test = context();
    let pairs = test.input([vec![(1, 1)]], 1).unwrap();
    for n in [2, 3] {
        test.collect(&pairs.reduce_by_key_and_window(i32::max, SECOND * n, SECOND).named("largest"));
    }
    let error = test.start().unwrap_err().to_string();
    assert!(error.contains("two stateful operators are named \"largest\""), "{error}");
}

/// Each batch is computed when it comes, not all of them when the window ends; and once, however many windows it is in.
#[test]
fn a_batch_is_taken_in_when_it_comes_and_once() {
    let test = context();
    let computed = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&computed);
    let words = test
        .input((0..7).map(|t| vec![t; 10]), 2)
        .unwrap()
        .inspect(move |_| _ = seen.fetch_add(1, Ordering::Relaxed));
    let counts = test.collect(&words.count_by_window(SECOND * 6, SECOND * 3));
    let pairs = words.window_sliding(SECOND * 6, SECOND * 3).map(|t| (t, 1u64));
    let sums = test.collect(&pairs.reduce_by_key(|a, b| a + b).count());
    for batch in 1..=7 {
        test.run(1).unwrap();
        assert_eq!(computed.load(Ordering::Relaxed), 10 * batch, "after batch {batch}");
    }
    assert_eq!(counts.batches(), [[30], [60]]);
    assert_eq!(sums.batches(), [[3], [6]]);
}

/// The events that a listener sees are those of output operations; upkeep is silent.
#[test]
fn upkeep_is_no_output_operation() {
    let test = context();
    let log = Diary::of(&test);
    let numbers = test.input((0..6).map(|t| vec![t]), 1).unwrap();
    test.collect(&numbers.count_by_window(SECOND * 3, SECOND * 3));
    test.run(6).unwrap();
    eventually("two batches complete", || log.completed().len() == 2);
    let times: Vec<i64> = log.completed().iter().map(|info| info.batch_time.as_millis()).collect();
    assert_eq!(times, [3_000, 6_000]);
}

#[test]
fn what_fails_while_a_batch_is_taken_in_fails_the_batch() {
    let test = context();
    let numbers = test.input((0..6).map(|t| vec![t]), 1).unwrap();
    let numbers = numbers.map(|t| if t == 1 { panic!("not this one") } else { t });
    test.collect(&numbers.count_by_window(SECOND * 3, SECOND * 3));
    let error = test.run(3).unwrap_err().to_string();
    assert!(error.contains("2000 ms") && error.contains("not this one"), "{error}");
}

/// Long texts in windows are copies: the chunks that they were cut from go back to the pool.
#[test]
fn windows_keep_no_chunk_of_the_input_alive() {
    let test = test_context(Config::new().batch_interval(SECOND));
    let executor = test.executor().clone();
    let line = "a key that is much too long to stand in sixteen bytes";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), format!("{line}\n").repeat(1_000)).unwrap();
    let queue = RddQueue::new();
    let lines = test.queue_stream(&queue, true).unwrap();
    queue.push(TextFiles::open(&executor, [file.path().to_owned()]).unwrap());
    let whole = test.collect(&lines.window_sliding(SECOND * 3, SECOND).count());
    let pairs = lines.map(|line| (line.clone(), line));
    let grouped = test.collect(&pairs.group_by_key_and_window(SECOND * 3, SECOND).map(|(_, v)| v.len()));
    let last = |a: Text, b: Text| if a > b { a } else { b };
    let largest = test.collect(&pairs.reduce_by_key_and_window(last, SECOND * 3, SECOND).count());
    test.run(2).unwrap();
    assert_eq!((whole.all(), grouped.all(), largest.all()), (vec![1_000; 2], vec![1_000; 2], vec![1; 2]));
    assert_eq!(executor.chunks().bytes_in_use(), 0);
}
