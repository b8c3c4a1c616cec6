//! Workloads of the comparison in timely dataflow: `compare-dataflow WORKLOAD INPUT OUTPUT THREADS`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

mod count;
mod pieces;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PASSES: u32 = 2;

/// What can go wrong.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// What the program is asked to do.
#[derive(Clone)]
struct Arguments {
    workload: String,
    input: PathBuf,
    output: PathBuf,
    threads: usize,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [workload, input, output, threads] = &arguments[..] else {
        return Err("usage: compare-dataflow WORKLOAD INPUT OUTPUT THREADS".into());
    };
    let arguments = Arguments {
        workload: workload.clone(),
        input: input.into(),
        output: output.into(),
        threads: threads.parse()?,
    };
    (1..=PASSES).try_for_each(|number| pass(number, &arguments))
}

/// The first is the cold start, the last the figure of a process that is warm. It writes the same files in each.
fn pass(number: u32, arguments: &Arguments) -> Outcome {
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    match arguments.workload.as_str() {
        "word_count" => count::run(arguments, count::words)?,
        "key_count" => count::run(arguments, count::lines)?,
        other => return Err(format!("no such workload here: {other}").into()),
    }
    let (seconds, all) = (begin.elapsed().as_secs_f64(), cpu_seconds());
    writeln!(std::io::stdout(), "pass {number} {seconds:.6} {:.6} {all:.6}", all - cpu)?;
    Ok(())
}

/// User and system time of all threads so far.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
