//! The workloads of the comparison as programs for the engine, written as a user would write them.

use std::process::ExitCode;

use compare_programs::report;

mod access_log;
mod key_count;
mod once;
mod word_count;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    report::run(|arguments| match arguments.workload.as_str() {
        "word_count" => word_count::run(arguments),
        "access_log" => access_log::run(arguments),
        "key_count" => key_count::run(arguments),
        other => report::unknown(other),
    })
}
