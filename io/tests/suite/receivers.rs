use std::thread::JoinHandle;

use millstream_engine::BoxError;
use millstream_engine::config::Master;
use millstream_engine::receive::{Receiver, ReceiverContext, Records};
use millstream_io::Sources;
use millstream_io::queue::RddQueue;

use crate::support::{config, context, records, vector};

struct ManyThreads {
    threads: u64,
    per_thread: u64,
    running: Vec<JoinHandle<()>>,
}

impl Receiver for ManyThreads {
    type Format = Records<u64>;

    fn on_start(&mut self, cx: &ReceiverContext<Records<u64>>) -> Result<(), BoxError> {
        for thread in 0..self.threads {
            let (cx, count) = (cx.clone(), self.per_thread);
            self.running.push(std::thread::spawn(move || {
                (0..count).for_each(|i| cx.store(&(thread * count + i)).unwrap());
            }));
        }
        Ok(())
    }

    fn on_stop(&mut self) {
        self.running.drain(..).for_each(|thread| thread.join().unwrap());
    }
}

#[test]
fn many_threads_store_as_in_sparks_input_streams_suite() {
    let vector = vector("multi-thread receiver");
    let threads = vector["params"]["threads"].as_u64().unwrap();
    let per_thread = vector["params"]["recordsPerThread"].as_u64().unwrap();
    let total = vector["expected"]["sum of all counts"].as_u64().unwrap();
    let test = context(config());
    let receiver = ManyThreads { threads, per_thread, running: Vec::new() };
    let seen = test.collect(&test.receiver_stream(receiver).unwrap());
    let mut all = records(&test, &seen, total as usize);
    all.sort_unstable();
    assert_eq!(all, (0..total).collect::<Vec<_>>());
}

#[test]
fn streams_are_numbered_as_in_sparks_input_streams_suite() {
    let vector = vector("test track the number of input stream");
    let test = context(config().master(Master::Local(3)));
    let receiver = || ManyThreads { threads: 0, per_thread: 0, running: Vec::new() };
    for id in 0..5 {
        assert_eq!(test.num_input_streams(), id);
        match id {
            0 | 1 => drop(test.receiver_stream(receiver()).unwrap()),
            _ => drop(
                test.queue_stream(&RddQueue::<millstream_engine::rdd::Parallelized<u8>>::new(), true)
                    .unwrap(),
            ),
        }
    }
    assert_eq!(test.num_input_streams() as u64, vector["expected"]["input streams"].as_u64().unwrap());
}

struct Nothings;

impl Receiver for Nothings {
    type Format = Records<()>;

    fn on_start(&mut self, cx: &ReceiverContext<Records<()>>) -> Result<(), BoxError> {
        cx.store(&())?;
        cx.store(&())?;
        Ok(cx.store_block([(), (), ()])?)
    }
}

#[test]
fn records_without_bytes_are_records() {
    let test = context(config());
    let seen = test.collect(&test.receiver_stream(Nothings).unwrap());
    assert_eq!(records(&test, &seen, 5).len(), 5);
}
