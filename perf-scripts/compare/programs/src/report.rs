//! What a program tells the comparison, on standard output: `pass NUMBER SECONDS CPU_SECONDS CPU_SECONDS_SINCE_START`, when the
//! results of a pass over the input have been written.

use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use crate::arguments::Arguments;
use crate::{Outcome, output};

/// The first pass is the cold start, the last the figure of a process that is warm; the same for all peers.
const PASSES: u32 = 2;

/// The exit code of what the command line asks for; an error goes to standard error.
pub fn run(work: impl FnOnce(&Arguments) -> Outcome) -> ExitCode {
    end(Arguments::from_command_line().and_then(|arguments| work(&arguments)))
}

/// The exit code of an outcome; an error goes to standard error.
pub fn end(outcome: Outcome) -> ExitCode {
    if let Err(error) = &outcome {
        // Nobody is left to be told when this fails.
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

/// Does the work in several passes, and tells what each took. Only the results of the last are left.
///
/// # Errors
/// Those of the work.
pub fn passes(arguments: &Arguments, mut work: impl FnMut() -> Outcome) -> Outcome {
    prepared_passes(arguments, || Ok(()), |()| work())
}

/// The same for work whose input is made in memory before the time of a pass begins.
///
/// # Errors
/// Those of the work.
pub fn prepared_passes<T>(
    arguments: &Arguments,
    mut prepare: impl FnMut() -> Outcome<T>,
    mut work: impl FnMut(T) -> Outcome,
) -> Outcome {
    for number in 1..=PASSES {
        output::clear(&arguments.output)?;
        let prepared = prepare()?;
        pass(number, || work(prepared))?;
    }
    Ok(())
}

fn pass(number: u32, work: impl FnOnce() -> Outcome) -> Outcome {
    let (cpu_before, begin) = (cpu_time(), Instant::now());
    work()?;
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_time());
    let mut out = std::io::stdout().lock();
    let in_pass = (cpu - cpu_before).as_secs_f64();
    writeln!(out, "pass {number} {seconds:.6} {in_pass:.6} {:.6}", cpu.as_secs_f64())?;
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
