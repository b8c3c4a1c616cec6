//! Sealed segments handed from one thread to another: the engine's ring, with crossbeam's queue and the standard library's channel
//! of the same capacity beside it. Both ends spin, with a yield now and then, as neither has anything else to do.

mod common;

use std::sync::Arc;
use std::sync::mpsc::{self, TrySendError};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::Backoff;
use millstream::block::{Segment, ring};
use millstream::job::Executor;
use millstream_bench::{check, input, settings, workload};

/// Places in each queue: the default of `receiver.ring_segments`.
const CAPACITY: usize = 64;
/// Segments per measurement.
const SEGMENTS: u64 = 200_000;

/// Sends clones of `segment`, each with its number, and gives the time until all have arrived in order.
fn hand_over(
    segment: &Segment,
    mut push: impl FnMut((u64, Segment)) -> Result<(), (u64, Segment)> + Send,
    mut pop: impl FnMut() -> Option<(u64, Segment)>,
) -> Duration {
    let start = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for number in 0..SEGMENTS {
                let (mut item, backoff) = ((number, segment.clone()), Backoff::new());
                while let Err(back) = push(item) {
                    item = back;
                    backoff.snooze();
                }
            }
        });
        let mut bytes = 0;
        for expected in 0..SEGMENTS {
            let backoff = Backoff::new();
            let (number, segment) = loop {
                match pop() {
                    Some(item) => break item,
                    None => backoff.snooze(),
                }
            };
            check::same("ring", number, expected);
            bytes += segment.len() as u64;
        }
        check::same("ring", bytes, SEGMENTS * segment.len() as u64);
    });
    start.elapsed()
}

fn by_ring(segment: &Segment) -> Duration {
    let (mut producer, mut consumer) = ring::channel(CAPACITY);
    hand_over(segment, move |item| producer.try_push(item).map_err(|full| full.0), move || consumer.try_pop())
}

fn by_array_queue(segment: &Segment) -> Duration {
    let queue = Arc::new(ArrayQueue::new(CAPACITY));
    let same = Arc::clone(&queue);
    hand_over(segment, move |item| queue.push(item), move || same.pop())
}

fn by_mpsc(segment: &Segment) -> Duration {
    let (sender, receiver) = mpsc::sync_channel(CAPACITY);
    let push = move |item| match sender.try_send(item) {
        Ok(()) => Ok(()),
        Err(TrySendError::Full(item) | TrySendError::Disconnected(item)) => Err(item),
    };
    let pop = move || receiver.try_recv().ok();
    hand_over(segment, push, pop)
}

fn bench(criterion: &mut Criterion) {
    let text = workload::text::Text::generate(settings::SEED, 100_000);
    let segment = &input::segments(&Executor::local(1), &text.bytes)[0];
    let mut group = criterion.benchmark_group("ring");
    group.throughput(Throughput::Elements(SEGMENTS));
    type HandOver = fn(&Segment) -> Duration;
    for (name, hand_over) in
        [("ring", by_ring as HandOver), ("array_queue", by_array_queue), ("mpsc", by_mpsc)]
    {
        group.bench_function(name, |b| b.iter_custom(|n| (0..n).map(|_| hand_over(segment)).sum()));
    }
}

fn main() {
    common::main(bench);
}
