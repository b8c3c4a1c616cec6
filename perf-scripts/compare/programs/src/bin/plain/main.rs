//! The workloads as one writes them in Rust without thinking long: the whole file in memory, one thread, `HashMap`.

use std::fs;
use std::process::ExitCode;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output, report};
use millstream_bench::program;

mod access_log;
mod key_count;
mod ysb;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    report::run(|arguments| match arguments.workload.as_str() {
        "ysb" => {
            report::prepared_passes(arguments, || ysb::prepare(arguments), |load| ysb::run(arguments, load))
        }
        _ => report::passes(arguments, || file(arguments)),
    })
}

fn file(arguments: &Arguments) -> Outcome {
    match arguments.workload.as_str() {
        "word_count" => word_count(arguments),
        "access_log" => access_log::run(arguments),
        "key_count" => key_count::run(arguments),
        other => report::unknown(other),
    }
}

fn word_count(arguments: &Arguments) -> Outcome {
    let text = fs::read(&arguments.input)?;
    Ok(output::write_counts(&arguments.output, program::word_count::plain(&text))?)
}
