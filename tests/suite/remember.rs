//! What an earlier run received and no batch had is read from its log, as long as its batch is remembered.

use std::sync::Arc;

use millstream::fs::{Fs, SimFs};
use millstream::prelude::*;
use millstream::testkit::{PowerCut, TestContext};

use crate::recovery::SECOND;
use crate::support::{HandEnd, hand};

/// More than a segment of the log has.
const RECORDS: u64 = 40_000;

fn begin(disk: &SimFs) -> (TestContext, HandEnd<u64>, DStream<BoxRdd<u64>>) {
    let config =
        Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 2).wal_segment_bytes(64 << 10);
    let config = config.master(Master::Local(2)).pin_receivers(false);
    let test = TestContext::with_config(config, Time::default()).unwrap();
    let (receiver, end) = hand::<u64>();
    let numbers = test.receiver_stream(receiver).unwrap().boxed();
    numbers.foreach_rdd(|rdd, _| Ok(rdd.count().map(drop)?));
    test.remember(SECOND * 60).unwrap();
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.start().unwrap();
    (test, end, numbers)
}

#[test]
fn a_batch_of_what_was_left_in_the_log_is_had_again_while_it_is_remembered() {
    let disk = SimFs::new();
    let (test, end, _) = begin(&disk);
    end.started().store_block(0..RECORDS).unwrap();
    let left = disk.crash(PowerCut::Lost);
    drop(test);

    let (test, end, numbers) = begin(&left);
    let receiver = end.started();
    // Checkpoints are written, and the log is as long as it must be.
    for _ in 0..10 {
        test.run(1).unwrap();
        receiver.store_block(0..RECORDS).unwrap();
    }
    let first = numbers.slice(Time::from_millis(1_000), Time::from_millis(1_000)).unwrap();
    assert_eq!(first[0].collect().unwrap(), (0..RECORDS).collect::<Vec<_>>());
}
