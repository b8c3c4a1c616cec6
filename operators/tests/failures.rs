//! What becomes of user code that panics, and how often it runs when nothing fails.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::job::Executor;
use millstream_engine::observe::LongAccumulator;
use millstream_engine::rdd::{Data, Parallelized};
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, Error};
use millstream_operators::prelude::*;

/// A task is tried so often.
const ATTEMPTS: usize = 4;

/// Two threads that run everything in parallel, however small it is.
fn rdd<T: Data>(records: impl IntoIterator<Item = T>, partitions: usize) -> Parallelized<T> {
    let config = Config::new().master(millstream_engine::config::Master::Local(2));
    let config = config.max_failures(ATTEMPTS).inline_below_bytes(0).pin_receivers(false);
    Parallelized::new(Executor::new(&config), records.into_iter().collect(), partitions)
}

/// Panics on its first `times` calls.
#[derive(Clone)]
struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    fn new(times: usize) -> Self {
        Fuse(Arc::new(AtomicUsize::new(times)))
    }

    fn check(&self) {
        let left = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
        assert!(left.is_err(), "the fuse has blown");
    }
}

#[test]
fn a_closure_that_panics_at_first_is_tried_again() {
    for times in 1..ATTEMPTS {
        let fuse = Fuse::new(times);
        let records = rdd(0..100, 4).map(move |x| {
            fuse.check();
            x + 1
        });
        assert_eq!(records.collect().unwrap(), (1..101).collect::<Vec<_>>(), "{times} panics");
    }
}

#[test]
fn a_map_side_that_panics_at_first_is_collected_again_without_doubles() {
    for times in 1..ATTEMPTS {
        let fuse = Fuse::new(times);
        let pairs = rdd(0..1_000, 5).map(move |x| {
            if x == 500 {
                fuse.check();
            }
            (x % 10, 1)
        });
        let counts = pairs.reduce_by_key(|a, b| a + b).collect_as_map().unwrap();
        assert_eq!(counts, (0..10).map(|key| (key, 100)).collect::<HashMap<_, _>>(), "{times} panics");
    }
}

#[test]
fn a_reduce_function_that_panics_on_the_map_side_is_tried_again() {
    let fuse = Fuse::new(1);
    let sums = rdd((0..100).map(|x| (x % 2, x)), 1).reduce_by_key(move |a, b| {
        fuse.check();
        a + b
    });
    assert_eq!(sums.collect_as_map().unwrap(), HashMap::from([(0, 2_450), (1, 2_500)]));
}

#[test]
fn actions_and_orders_that_panic_at_first_are_tried_again() {
    let numbers = rdd((0..100).rev(), 3);
    let fuse = Fuse::new(2);
    let sum = numbers.reduce(|a, b| {
        fuse.check();
        a + b
    });
    assert_eq!(sum.unwrap(), Some(4_950));
    let fuse = Fuse::new(2);
    let sorted = numbers.clone().sort_by_in(2, move |a, b| {
        fuse.check();
        a.cmp(b)
    });
    assert_eq!(sorted.collect().unwrap(), (0..100).collect::<Vec<_>>());
    let fuse = Fuse::new(1);
    let kept = numbers.inspect(move |_| fuse.check());
    assert_eq!(kept.take(3).unwrap(), [99, 98, 97]);
}

/// The error's operator, partition and reason.
fn parts(error: &Error) -> (&str, usize, &str) {
    match error {
        Error::Task { operator, partition, reason, .. } => (operator, *partition, reason),
        other => panic!("another error: {other}"),
    }
}

#[test]
fn a_closure_that_always_panics_fails_the_action_with_its_place() {
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let records = rdd(0..8, 4).map(move |x| {
        if x == 5 {
            count.fetch_add(1, Ordering::Relaxed);
            panic!("no fives");
        }
        x
    });
    let error = records.collect().unwrap_err();
    let (operator, partition, reason) = parts(&error);
    assert!(operator.starts_with("collect"), "{operator}");
    assert_eq!(partition, 2);
    assert!(reason.contains("no fives") && reason.contains("failures.rs"), "{reason}");
    assert_eq!(calls.load(Ordering::Relaxed), ATTEMPTS);
}

#[test]
fn take_names_the_partition_that_failed() {
    let records = rdd(0..8, 4).inspect(|&x| assert!(x < 6, "too large"));
    let error = records.take(7).unwrap_err();
    let (operator, partition, reason) = parts(&error);
    assert!(operator.starts_with("take"), "{operator}");
    assert_eq!(partition, 3);
    assert!(reason.contains("too large"), "{reason}");
    assert_eq!(records.take(6).unwrap().len(), 6, "the partition is not needed");
}

#[test]
fn a_batch_fails_with_operator_and_message() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let numbers = test.input([vec![1, 2], vec![3, 4]], 2).unwrap();
    let sums = numbers.map(|x| (0, x)).reduce_by_key(|a, b| {
        assert!(a + b < 7, "too much");
        a + b
    });
    let seen = test.collect(&sums);
    test.run(1).unwrap();
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("reduce_by_key") && error.contains("2000 ms"), "{error}");
    assert!(error.contains("partition") && error.contains("too much"), "{error}");
    assert_eq!(seen.batches(), [vec![(0, 3)]]);
}

#[test]
fn a_transform_that_panics_fails_the_batch() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let numbers = test.input([vec![1]], 1).unwrap();
    let _seen = test.collect(&numbers.transform_with_time(|rdd, time| {
        assert!(time.as_millis() < 1_000, "no transform");
        rdd
    }));
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("no transform"), "{error}");
}

#[test]
fn accumulators_count_every_record_once_when_nothing_fails() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let records = LongAccumulator::default();
    let added = records.clone();
    let numbers = test.input([(0..50).collect::<Vec<i64>>(), (0..7).collect()], 3).unwrap();
    let counted = numbers.map(move |x| {
        added.add(1);
        x
    });
    let (all, sums) = (test.collect(&counted), test.collect(&counted.reduce(|a, b| a + b)));
    let sorted = test.collect(&counted.sort_by_in(2, |a, b| b.cmp(a)));
    test.run(2).unwrap();
    assert_eq!(records.sum(), 57, "three consumers, one computation");
    assert_eq!(all.all().len(), 57);
    assert_eq!(sums.batches(), [vec![1_225], vec![21]]);
    assert_eq!(sorted.batches()[1], [6, 5, 4, 3, 2, 1, 0]);
}

#[test]
fn outputs_see_every_record_of_every_batch() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let numbers = test.input_with_gaps([Some(vec![1, 2, 3]), None, Some(vec![])], 2).unwrap();
    let (records, batches, parts) =
        (LongAccumulator::default(), LongAccumulator::default(), LongAccumulator::default());
    let (each, batch, part) = (records.clone(), batches.clone(), parts.clone());
    numbers.foreach(move |x| each.add(x));
    numbers.foreach_rdd(move |rdd, time| {
        assert_eq!(rdd.count()?, if time.as_millis() == 1_000 { 3 } else { 0 });
        batch.add(time.as_millis());
        Ok(())
    });
    numbers.foreach_partition(move |partition, records, _| {
        part.add((partition * 100 + records.count()) as i64);
        Ok(())
    });
    test.run(3).unwrap();
    assert_eq!(records.sum(), 6);
    assert_eq!((batches.sum(), batches.count()), (4_000, 2), "an empty batch counts, a missing one does not");
    assert_eq!((parts.sum(), parts.count()), (203, 4));
}

#[test]
fn an_output_that_fails_is_called_again_and_then_fails_the_batch() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let calls = LongAccumulator::default();
    let called = calls.clone();
    let numbers = test.input([vec![1]], 1).unwrap();
    numbers.foreach_partition(move |_, _, _| {
        called.add(1);
        Err("the disk is full".into())
    });
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("foreach_partition") && error.contains("the disk is full"), "{error}");
    assert_eq!(calls.sum(), test.config().max_failures as i64);
}

#[test]
fn the_static_side_of_a_join_is_computed_once() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let read = LongAccumulator::default();
    let reads = read.clone();
    let names = test.parallelize([(1, "one"), (2, "two"), (1, "uno")], 2).inspect(move |_| reads.add(1));
    let numbers =
        test.input_with_gaps([Some(vec![(1, 'a'), (3, 'b')]), Some(vec![(2, 'c')]), None], 2).unwrap();
    let joined = test.collect(&numbers.join_rdd(names.clone()));
    let outer = test.collect(&numbers.left_outer_join_rdd(test.parallelize([(1, 5)], 1)));
    test.run(3).unwrap();
    assert_eq!(
        joined.batches(),
        [vec![(1, ('a', "one")), (1, ('a', "uno"))], vec![(2, ('c', "two"))], vec![]]
    );
    assert_eq!(outer.batches()[0], [(1, ('a', Some(5))), (3, ('b', None))]);
    assert_eq!(read.sum(), 3);
}

#[test]
fn streams_of_different_contexts_are_a_mistake() {
    let (one, two) = (
        TestContext::new(Duration::from_secs(1)).unwrap(),
        TestContext::new(Duration::from_secs(1)).unwrap(),
    );
    let (left, right) = (one.input([vec![(1, 1)]], 1).unwrap(), two.input([vec![(1, 1)]], 1).unwrap());
    let _seen = one.collect(&left.join(&right));
    let error = one.run(1).unwrap_err().to_string();
    assert!(error.contains("Some of the DStreams have different contexts"), "{error}");
    assert!(error.contains("failures.rs"), "the place of the mistake: {error}");
}
