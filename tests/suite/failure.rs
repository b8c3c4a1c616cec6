//! Failures of user code: tried again, told with their place, and never half counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use millstream::config::OnBatchFailure;
use millstream::prelude::*;
use millstream::rdd::Parallelized;
use millstream::testkit::{Collected, TestContext};
use millstream::{ContextState, Error};
use rayon::prelude::*;

use crate::support::{Diary, config, eventually, hand, ms, test_context};

/// Counts down and panics until it is at zero.
#[derive(Clone)]
struct Fuse(Arc<AtomicUsize>);

impl Fuse {
    fn new(failures: usize) -> Self {
        Fuse(Arc::new(AtomicUsize::new(failures)))
    }

    fn check(&self) {
        let left = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(left.is_err(), "the fuse blew");
    }
}

/// Tasks in the pool, however small the batch.
fn parallel() -> Config {
    config().inline_below_bytes(0)
}

/// The numbers 0..100 in one batch of 4 partitions.
fn hundred(test: &TestContext) -> DStream<Parallelized<u64>> {
    test.input([(0..100).collect(), vec![1_000]], 4).unwrap()
}

fn blow_at(number: u64, fuse: &Fuse) -> impl Fn(u64) -> (u64, u64) + Send + Sync + 'static {
    let fuse = fuse.clone();
    move |n| {
        if n == number {
            fuse.check();
        }
        (n % 10, 1)
    }
}

#[test]
fn a_task_that_fails_less_often_than_allowed_succeeds() {
    for failures in 0..4 {
        let test = test_context(parallel().max_failures(4));
        let narrow = test.collect(&hundred(&test).map(blow_at(55, &Fuse::new(failures))));
        test.run(1).unwrap();
        assert_eq!(narrow.all().len(), 100, "{failures} failures");
    }
}

#[test]
fn a_map_side_that_fails_less_often_than_allowed_counts_everything_once() {
    for failures in 0..4 {
        let test = test_context(parallel().max_failures(4));
        let counts = hundred(&test).map(blow_at(55, &Fuse::new(failures))).reduce_by_key(|a, b| a + b);
        let counts = test.collect(&counts);
        test.run(1).unwrap();
        let expected: Vec<_> = (0..10).map(|key| (key, 10)).collect();
        assert_eq!(counts.sorted(), [expected], "{failures} failures");
    }
}

#[test]
fn a_task_that_always_fails_stops_the_context_and_says_where() {
    let test = test_context(parallel().max_failures(3));
    let counts = hundred(&test).map(blow_at(55, &Fuse::new(usize::MAX))).reduce_by_key(|a, b| a + b);
    let _seen = test.collect(&counts);
    let error = test.run(1).unwrap_err();
    let Error::Task { operator, time, partition, attempts, reason } = &error else { panic!("{error}") };
    assert!(operator.contains("reduce_by_key") && operator.contains("failure.rs:"), "{operator}");
    assert_eq!((time.as_millis(), *partition, *attempts), (100, 2, 3));
    assert!(reason.contains("the fuse blew") && reason.contains("failure.rs:"), "{reason}");
    eventually("it stops by itself", || test.lifecycle() == ContextState::Stopped);
}

#[test]
fn skip_goes_on_with_the_next_batch() {
    let test = test_context(parallel().on_batch_failure(OnBatchFailure::Skip));
    let diary = Diary::of(&test);
    let seen = test.collect(&hundred(&test).map(blow_at(55, &Fuse::new(usize::MAX))));
    test.run(2).unwrap();
    assert_eq!(seen.timed().iter().map(|(time, _)| time.as_millis()).collect::<Vec<_>>(), [200]);
    test.stop(true).unwrap();
    let reasons: Vec<_> = diary
        .completed()
        .iter()
        .map(|batch| batch.output_operation_infos[&0].failure_reason.is_some())
        .collect();
    assert_eq!(reasons, [true, false]);
}

#[test]
fn retry_tries_again_until_it_works_and_loses_nothing() {
    let config = parallel().on_batch_failure(OnBatchFailure::Retry).max_failures(1);
    let test = test_context(config);
    let counts = hundred(&test).map(blow_at(55, &Fuse::new(2))).reduce_by_key(|a, b| a + b);
    let counts = test.collect(&counts);
    test.run(2).unwrap();
    let expected: Vec<_> = (0..10).map(|key| (key, 10)).collect();
    assert_eq!(counts.sorted(), [expected, vec![(0, 1)]]);
}

#[test]
fn retry_puts_a_batch_together_again() {
    let test = test_context(parallel().on_batch_failure(OnBatchFailure::Retry));
    let fuse = Fuse::new(2);
    let fragile = hundred(&test).transform_at("transform", move |rdd, _| {
        fuse.check();
        Ok(rdd)
    });
    let seen = test.collect(&fragile);
    test.run(1).unwrap();
    assert_eq!(seen.all().len(), 100);
}

#[test]
fn a_failed_output_operation_does_not_stop_the_others_of_its_batch() {
    let test = test_context(config());
    let stream = hundred(&test);
    stream.output("fail", |_, _, _| Err("no luck".into()));
    let seen = test.collect(&stream);
    let error = test.run(1).unwrap_err();
    assert!(error.to_string().contains("no luck") && error.to_string().contains("fail at"), "{error}");
    assert_eq!(seen.all().len(), 100);
}

#[test]
fn a_panicking_output_operation_is_told_with_its_place() {
    let test = test_context(config());
    hundred(&test).output("fail", |_, _, _| panic!("out of luck"));
    let error = test.run(1).unwrap_err();
    assert!(
        error.to_string().contains("out of luck") && error.to_string().contains("failure.rs:"),
        "{error}"
    );
}

/// Stores 0..`records` and runs batches until all of them are counted.
fn count_eagerly(test: &TestContext, counts: &Collected<(u64, u64)>, store: impl Fn(u64), records: u64) {
    (0..records).for_each(store);
    let total = || counts.all().iter().map(|(_, count)| count).sum::<u64>();
    eventually("all are counted", || {
        test.run(1).unwrap();
        total() >= records
    });
}

/// The counts of all batches together.
fn summed(counts: &Collected<(u64, u64)>) -> BTreeMap<u64, u64> {
    let mut sums = BTreeMap::new();
    for (key, count) in counts.all() {
        *sums.entry(key).or_insert(0) += count;
    }
    sums
}

#[test]
fn an_eager_map_side_that_fails_counts_everything_once() {
    const RECORDS: u64 = 200_000;
    for failures in 1..4 {
        let test = test_context(config().segment_bytes(64 << 10));
        let (receiver, end) = hand::<u64>();
        let fuse = Fuse::new(failures);
        let stream = test.receiver_stream(receiver).unwrap();
        let counts = test.collect(&stream.map(blow_at(RECORDS / 2, &fuse)).reduce_by_key(|a, b| a + b));
        test.start().unwrap();
        let cx = end.started();
        count_eagerly(&test, &counts, |n| cx.store(&n).unwrap(), RECORDS);
        let expected: BTreeMap<_, _> = (0..10).map(|key| (key, RECORDS / 10)).collect();
        assert_eq!(summed(&counts), expected, "{failures} failures");
    }
}

#[test]
fn an_eager_map_side_that_always_fails_stops_the_context() {
    let test = test_context(config());
    let (receiver, end) = hand::<u64>();
    let stream = test.receiver_stream(receiver).unwrap();
    let counts = stream.map(blow_at(5, &Fuse::new(usize::MAX))).reduce_by_key(|a, b| a + b);
    let _seen = test.collect(&counts);
    test.start().unwrap();
    let cx = end.started();
    (0..10).for_each(|n| cx.store(&n).unwrap());
    let mut error = None;
    eventually("it fails", || {
        error = test.run(1).err();
        error.is_some()
    });
    assert!(matches!(error, Some(Error::Task { .. })), "{error:?}");
}

#[test]
fn closures_that_run_rayon_themselves_are_counted_once() {
    let test = test_context(parallel());
    let counts =
        hundred(&test).map(|n| (n % 10, (0..1_000u64).into_par_iter().map(|_| 1).sum::<u64>() / 1_000));
    let counts = test.collect(&counts.reduce_by_key(|a, b| a + b));
    test.run(1).unwrap();
    assert_eq!(counts.sorted(), [(0..10).map(|key| (key, 10)).collect::<Vec<_>>()]);
}

#[test]
fn eager_closures_that_run_rayon_themselves_are_counted_once() {
    const RECORDS: u64 = 20_000;
    let test = test_context(config().segment_bytes(32 << 10));
    let (receiver, end) = hand::<u64>();
    let stream = test.receiver_stream(receiver).unwrap();
    let spread = |n| (n % 10, (0..64u32).into_par_iter().with_max_len(1).map(|_| 1).sum::<u64>() / 64);
    let counts = test.collect(&stream.map(spread).reduce_by_key(|a, b| a + b));
    test.start().unwrap();
    let cx = end.started();
    count_eagerly(&test, &counts, |n| cx.store(&n).unwrap(), RECORDS);
    assert_eq!(summed(&counts), (0..10).map(|key| (key, RECORDS / 10)).collect::<BTreeMap<_, _>>());
}

#[test]
fn a_shuffle_that_fails_in_its_merge_is_collected_again() {
    let test = test_context(parallel().on_batch_failure(OnBatchFailure::Retry));
    let fuse = Mutex::new(Some(Fuse::new(1)));
    let counts = hundred(&test).map(|n| (n % 10, 1u64)).reduce_by_key(move |a, b| {
        if a + b == 10
            && let Some(fuse) = fuse.lock().ok().and_then(|mut fuse| fuse.take())
        {
            fuse.check();
        }
        a + b
    });
    let counts = test.collect(&counts);
    test.run(1).unwrap();
    assert_eq!(counts.sorted(), [(0..10).map(|key| (key, 10)).collect::<Vec<_>>()]);
}

#[test]
fn the_time_of_a_batch_passes_while_it_is_tried_again() {
    let test = test_context(config().on_batch_failure(OnBatchFailure::Retry));
    let fuse = Fuse::new(1);
    let times = Arc::<Mutex<Vec<i64>>>::default();
    let noted = Arc::clone(&times);
    hundred(&test).output("fragile", move |_, _, time| {
        noted.lock().unwrap().push(time.as_millis());
        fuse.check();
        Ok(())
    });
    test.start().unwrap();
    test.clock().advance(ms(300));
    eventually("all batches run", || times.lock().unwrap().len() == 4);
    assert_eq!(*times.lock().unwrap(), [100, 100, 200, 300], "in batch order, the failed one first");
}

#[test]
fn an_error_of_the_kind_that_a_stop_makes_is_a_failure_like_any_other() {
    let test = test_context(config());
    hundred(&test).output("odd", |_, _, _| Err(Error::Stopped("by mistake".to_owned()).into()));
    assert!(test.run(1).unwrap_err().to_string().contains("by mistake"));
}

#[test]
fn an_operator_that_panics_over_a_segment_is_tried_again() {
    const RECORDS: u64 = 50_000;
    let test = test_context(config().segment_bytes(32 << 10));
    let (receiver, end) = hand::<u64>();
    let fuse = Fuse::new(1);
    let left = Arc::clone(&fuse.0);
    let fragile = test.receiver_stream(receiver).unwrap().lift_by_record("fragile", move |rdd| {
        fuse.check();
        rdd
    });
    let counts = test.collect(&fragile.map(|n| (n % 10, 1)).reduce_by_key(|a, b| a + b));
    test.start().unwrap();
    let cx = end.started();
    (0..RECORDS).for_each(|n| cx.store(&n).unwrap());
    eventually("a segment is collected before its batch is made", || left.load(Ordering::SeqCst) == 0);
    count_eagerly(&test, &counts, |_| (), RECORDS);
    assert_eq!(summed(&counts).values().sum::<u64>(), RECORDS);
}

#[test]
fn closures_that_run_actions_themselves_do_not_wait_for_each_other_for_ever() {
    crate::support::within(crate::support::BOUND, "all rounds end", || {
        for _ in 0..50 {
            let test = test_context(parallel());
            let table =
                test.parallelize((0..64u64).map(|n| (n % 8, 1u64)), 16).reduce_by_key_in(16, |a, b| a + b);
            let looked_up = test.input([(0..16u64).collect()], 16).unwrap().map(move |n| {
                let table = table.collect().unwrap();
                table.into_iter().find(|(key, _)| *key == n % 8).map_or(0, |(_, count)| count)
            });
            let seen = test.collect(&looked_up);
            test.run(1).unwrap();
            assert_eq!(seen.all(), [8; 16]);
        }
    });
}
