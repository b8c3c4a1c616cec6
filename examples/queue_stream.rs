//! Counts the last digits of numbers that are put into a queue, an RDD at a time.

use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/streaming.rs"]
mod streaming;

/// Puts an RDD of the numbers from 1 to 1000 into a queue once per batch, and counts their last digits
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  queue_stream --rdds 3")]
struct Options {
    /// How many RDDs to put into the queue
    #[arg(long, default_value_t = 30, value_name = "N")]
    rdds: u32,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("QueueStream")?;

        let queue = RddQueue::new();
        let numbers = ssc.queue_stream(&queue, true)?;
        let digits = numbers.map(|x: u32| (x % 10, 1)).reduce_by_key(|a, b| a + b);
        digits.print();

        ssc.start()?;
        for _ in 0..options.rdds {
            queue.push(ssc.parallelize(1..=1_000, 10));
            if ssc.await_termination_or_timeout(ssc.config().batch_interval)? {
                break;
            }
        }
        queue.close();
        ssc.await_end()?;
        Ok(())
    })
}
