use std::time::Duration;

use millstream_engine::rdd::Parallelized;
use millstream_engine::testkit::{Collected, TestContext};
use millstream_io::Sources;
use millstream_io::queue::RddQueue;

use crate::support::{config, context, strings, vector};

type Strings = RddQueue<Parallelized<String>>;

fn queue(test: &TestContext, one_at_a_time: bool) -> (Strings, Collected<String>) {
    let queue = RddQueue::new();
    let seen = test.collect(&test.queue_stream(&queue, one_at_a_time).unwrap());
    (queue, seen)
}

fn push(test: &TestContext, queue: &Strings, records: &[&str]) {
    assert!(queue.push_records(test, records.iter().map(|s| (*s).to_owned())));
}

#[test]
fn all_that_waits_is_one_batch_as_in_sparks_input_streams_suite() {
    let vector = vector("queue input stream - oneAtATime = false");
    let test = context(config());
    let (queue, seen) = queue(&test, false);
    ["1", "2", "3"].iter().for_each(|record| push(&test, &queue, &[record]));
    test.run(1).unwrap();
    ["4", "5"].iter().for_each(|record| push(&test, &queue, &[record]));
    test.run(1).unwrap();
    let expected: Vec<_> = vector["expected"].as_array().unwrap().iter().map(strings).collect();
    assert_eq!(seen.batches(), expected);
}

#[test]
fn one_rdd_is_one_batch_and_an_empty_queue_an_empty_one() {
    let test = context(config());
    let (queue, seen) = queue(&test, true);
    push(&test, &queue, &["a", "b"]);
    push(&test, &queue, &["c"]);
    assert_eq!(queue.len(), 2);
    test.run(3).unwrap();
    assert_eq!(seen.batches(), [vec!["a", "b"], vec!["c"], vec![]]);
}

#[test]
fn an_empty_queue_gives_the_default_as_in_sparks_input_streams_suite() {
    let vector = vector("queueStream on an empty queue");
    let expected: Vec<Vec<u64>> = serde_json::from_value(vector["expected"].clone()).unwrap();
    let test = context(config());
    let queue = RddQueue::new();
    let without = test.collect(&test.queue_stream(&queue, true).unwrap());
    let default = test.parallelize(expected[1].clone(), 1);
    let with = test.collect(&test.queue_stream_or(&queue, true, default).unwrap());
    test.run(1).unwrap();
    assert_eq!([without.batches(), with.batches()].concat(), expected);
}

#[test]
fn a_closed_queue_ends_the_program_when_it_is_empty() {
    let test = context(config());
    let (queue, seen) = queue(&test, true);
    push(&test, &queue, &["a"]);
    push(&test, &queue, &["b"]);
    queue.close();
    assert!(!queue.push_records(&test, ["late".to_owned()]));
    test.run(3).unwrap();
    test.await_end().unwrap();
    assert_eq!(seen.all(), ["a", "b"]);
}

#[test]
fn a_constant_stream_has_the_same_records_in_every_batch() {
    let test = context(config());
    let seen = test.collect(&test.constant_stream(test.parallelize([1, 2], 2)).unwrap());
    test.run(2).unwrap();
    assert_eq!(seen.batches(), [[1, 2], [1, 2]]);
    assert!(!test.await_termination_or_timeout(Duration::ZERO).unwrap());
}
