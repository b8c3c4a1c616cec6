//! One record on its way through the engine, with a look at every hop. Read it to know the engine.

use std::sync::{Arc, Mutex, mpsc};

use millstream::prelude::*;
use millstream::receive::{BlockFormat, Records};
use millstream::shuffle::partition_of;

use crate::support::{Diary, at, config, eventually, hand, ms, test_context};

/// The record: a word and how often it counts.
type Word = (String, u64);

#[test]
fn one_record_from_the_receiver_to_the_output() {
    // The program: words from a receiver, counted in 4 partitions, given to an output operation. The output operation waits for
    // a sign, so that the batch can be looked at while it runs.
    let test = test_context(config().default_parallelism(4));
    let diary = Diary::of(&test);
    let (receiver, end) = hand::<Word>();
    let mapped = Arc::<Mutex<Vec<Word>>>::default();
    let in_map = Arc::clone(&mapped);
    let words = test.receiver_stream(receiver).unwrap().map(move |word: Word| {
        in_map.lock().unwrap().push(word.clone());
        word
    });
    let counts = words.reduce_by_key(|a, b| a + b);
    let (result, results) = mpsc::channel();
    let (go_on, sign) = mpsc::channel::<()>();
    let sign = Mutex::new(sign);
    counts.output("give", move |job, rdd, time| {
        rdd.prepare(job)?;
        let parts: Vec<Vec<Word>> = rdd.executor().run(job, whole(&rdd), |task| partition(&rdd, task))?;
        result.send((time, parts))?;
        Ok(sign.lock().unwrap().recv()?)
    });
    test.start().unwrap();
    let pool = test.executor().chunks().clone();

    // Hop 1, receive: the record is encoded into a chunk of the pool. It belongs to no segment yet, and so to no batch.
    let receiving = end.started();
    let record: Word = ("mill".to_owned(), 1);
    receiving.store(&record).unwrap();
    assert_eq!(pool.chunks_in_use(), 1);
    assert_eq!(test.held_bytes(), 0);

    // The block interval ends: the chunk is sealed into a segment and goes through the ring to the block tracker.
    let mut encoded = Vec::new();
    Records::<Word>::encode(&record, &mut encoded).unwrap();
    test.clock().advance(ms(10));
    eventually("the segment is sealed", || test.held_bytes() == encoded.len());
    assert!(diary.submitted().is_empty(), "it waits for its batch");

    // Hop 2, batch: the batch interval ends. The open batch is closed under the name of that time and handed to the scheduler.
    test.clock().advance(ms(90));
    eventually("the batch is made", || diary.submitted().len() == 1);
    let batch = diary.submitted().remove(0);
    let input = &batch.stream_id_to_input_info[&0];
    assert_eq!((batch.batch_time, input.num_records), (at(100), 1));
    assert_eq!((input.name.as_str(), input.bytes), ("Custom receiver [0]", encoded.len() as u64));

    // Hop 3, job: a task decodes the record and pushes it through the narrow operators, once.
    let (time, parts) = results.recv_timeout(crate::support::BOUND).unwrap();
    assert_eq!(*mapped.lock().unwrap(), std::slice::from_ref(&record));

    // Hop 4, shuffle: the hash of its key decides the partition in which it is counted.
    let home = partition_of(test.executor().hasher().hash_one(&record.0), 4);
    assert_eq!((time, parts.len()), (at(100), 4));
    for (i, part) in parts.iter().enumerate() {
        assert_eq!(part.as_slice(), if i == home { std::slice::from_ref(&record) } else { &[] });
    }

    // While its batch is under way, its bytes are kept: the batch could be run again.
    assert_eq!(test.held_bytes(), encoded.len());

    // Output: the operation ends, the batch is complete, and all that the record took is given back.
    go_on.send(()).unwrap();
    eventually("the batch is complete", || diary.completed().len() == 1);
    assert!(diary.completed()[0].output_operation_infos[&0].failure_reason.is_none());
    eventually("its bytes are forgotten", || test.held_bytes() == 0);
    eventually("its chunk is back in the pool", || pool.chunks_in_use() == 0);
}

/// All partitions of `rdd` as one stage.
fn whole<R: Rdd>(rdd: &R) -> millstream::job::Stage<'static> {
    millstream::job::Stage { name: "give", partitions: rdd.num_partitions(), weight: rdd.weight() }
}

/// The records of the task's partition.
fn partition<R: Rdd>(rdd: &R, task: &millstream::job::Task) -> Vec<R::Item> {
    let mut records = Vec::new();
    let _ = rdd.compute(task.partition(), task, |record| {
        records.push(record);
        millstream::rdd::Flow::Continue(())
    });
    records
}
