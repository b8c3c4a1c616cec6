//! What a program tells the comparison, on standard output: `pass NUMBER SECONDS CPU_SECONDS CPU_SECONDS_SINCE_START`, when the
//! results of a pass over the input have been written.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::Outcome;
use crate::arguments::Arguments;

/// Runs `work` as the only pass and tells what it took; an error goes to standard error.
pub fn run(work: impl FnOnce(&Arguments) -> Outcome) -> ExitCode {
    end(Arguments::from_command_line().and_then(|arguments| pass(|| work(&arguments))))
}

/// The same for work whose input is made in memory before its time begins.
pub fn run_prepared<T>(
    prepare: impl FnOnce(&Arguments) -> Outcome<T>,
    work: impl FnOnce(&Arguments, T) -> Outcome,
) -> ExitCode {
    end(Arguments::from_command_line().and_then(|arguments| {
        let prepared = prepare(&arguments)?;
        pass(|| work(&arguments, prepared))
    }))
}

/// The exit code of an outcome; an error goes to standard error.
pub fn end(outcome: Outcome) -> ExitCode {
    if let Err(error) = &outcome {
        // Nobody is left to be told when this fails.
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn pass(work: impl FnOnce() -> Outcome) -> Outcome {
    let (cpu_before, begin) = (cpu_time(), Instant::now());
    work()?;
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_time());
    let mut out = std::io::stdout().lock();
    let in_pass = (cpu - cpu_before).as_secs_f64();
    writeln!(out, "pass 1 {seconds:.6} {in_pass:.6} {:.6}", cpu.as_secs_f64())?;
    Ok(out.flush()?)
}

/// User and system time of all threads so far.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The error for a workload that a program does not have.
///
/// # Errors
/// Always.
pub fn unknown(workload: &str) -> Outcome {
    Err(format!("no such workload here: {workload}").into())
}
