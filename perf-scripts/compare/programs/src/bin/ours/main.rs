//! The workloads of the comparison as programs for the engine, written as a user would write them.

use std::process::ExitCode;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, report};

mod access_log;
mod key_count;
mod once;
mod replay;
mod sliding_max;
mod socket;
mod stateful_count;
mod windowed_count;
mod word_count;
mod ysb;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["socket", port, threads] => report::end(socket::run(port, threads)),
        _ => report::run(workload),
    }
}

fn workload(arguments: &Arguments) -> Outcome {
    match arguments.workload.as_str() {
        "word_count" => word_count::run(arguments),
        "access_log" => access_log::run(arguments),
        "key_count" => key_count::run(arguments),
        "ysb" => {
            report::prepared_passes(arguments, || ysb::prepare(arguments), |load| ysb::run(arguments, load))
        }
        _ => report::passes(arguments, || replay(arguments)),
    }
}

fn replay(arguments: &Arguments) -> Outcome {
    match arguments.workload.as_str() {
        "windowed_count" => windowed_count::run(arguments),
        "sliding_max" => sliding_max::run(arguments),
        "stateful_count" => stateful_count::run(arguments),
        other => report::unknown(other),
    }
}
