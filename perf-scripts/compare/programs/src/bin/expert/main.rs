//! The workloads by someone who counts cycles, on one thread: a file is read in pieces that stay in the cache.

use std::process::ExitCode;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output, report};
use millstream_bench::program::word_count_expert::{Counts, Padded};

mod access_log;
mod key_count;
mod pieces;
mod table;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    report::run(|arguments| {
        report::passes(arguments, || match arguments.workload.as_str() {
            "word_count" => word_count(arguments),
            "access_log" => access_log::run(arguments),
            "key_count" => key_count::run(arguments),
            other => report::unknown(other),
        })
    })
}

fn word_count(arguments: &Arguments) -> Outcome {
    let mut counts = Counts::default();
    pieces::for_each(&arguments.input, |piece| {
        let padded = Padded::from(piece);
        counts.count(&padded);
        padded.into_bytes()
    })?;
    Ok(output::write_counts(&arguments.output, counts.to_vec())?)
}
