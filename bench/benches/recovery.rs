//! What checkpoints cost, and how long a restart takes: `map_with_state` over ten million keys, of which a twentieth comes in every
//! batch. Batches follow one another without a pause; a checkpoint is due after every tenth.

mod common;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream::config::Master;
use millstream::fs::RealFs;
use millstream::operators::prelude::*;
use millstream::recovery::CheckpointStatus;
use millstream::testkit::{Collected, TestContext};
use millstream::{Config, Result, Time};
use millstream_bench::workload::cycle::{CYCLE, Cycle, INTERVAL};
use millstream_bench::{check, process, settings};

/// Batches that are measured.
const BATCHES: usize = 2 * CYCLE;
/// Batches from one checkpoint to the next.
const EVERY: u32 = 10;
const KEYS: usize = 10_000_000;
const THREADS: usize = 2;

/// A context with the state, and what the records of each batch come to.
fn program(keys: usize, dir: Option<&Path>, after: usize) -> Result<(TestContext, Collected<u64>)> {
    let config = Config::new().batch_interval(INTERVAL).master(Master::Local(THREADS));
    let config = config.checkpoint_interval(INTERVAL * EVERY);
    let context = TestContext::with_config(config, Time::default() + INTERVAL * after as u32)?;
    let pairs = context.input_stream("cycle", Cycle::new(&context, keys))?;
    let count = |_: &u64, one: Option<u64>, state: &mut State<'_, u64>| {
        let sum = state.get().unwrap_or(&0) + one.unwrap_or(0);
        state.update(sum);
        sum
    };
    let sums =
        context.collect(&pairs.map_with_state(StateSpec::function(count)).mapped().reduce(|a, b| a + b));
    if let Some(dir) = dir {
        context.go_on(Arc::new(RealFs), &dir.display().to_string())?;
    }
    Ok((context, sums))
}

/// What the measured batches took.
struct Run {
    time: Duration,
    processor: Duration,
    checkpoints: CheckpointStatus,
}

fn run(keys: usize, dir: Option<&Path>) -> Result<Run> {
    let (context, sums) = program(keys, dir, 0)?;
    context.run(CYCLE)?;
    settle(&context);
    let (begin, processor) = (Instant::now(), process::cpu_time().unwrap_or_default());
    context.run(BATCHES)?;
    let time = begin.elapsed();
    settle(&context);
    let processor = process::cpu_time().unwrap_or_default() - processor;
    let last = sums.all().pop();
    check::same("recovery", last, Some(sum_after(CYCLE + BATCHES, keys)));
    let checkpoints = context.checkpoint_status().unwrap_or_default();
    context.stop(true)?;
    Ok(Run { time, processor, checkpoints })
}

/// What the records of a batch come to when each key has come once in every cycle.
fn sum_after(batches: usize, keys: usize) -> u64 {
    (keys / CYCLE * batches.div_ceil(CYCLE)) as u64
}

/// Waits until no checkpoint is being written.
fn settle(context: &TestContext) {
    let mut before = context.checkpoint_status();
    loop {
        std::thread::sleep(Duration::from_millis(500));
        let now = context.checkpoint_status();
        if now == before {
            return;
        }
        before = now;
    }
}

/// How long it takes from the start to the first new result.
fn restart(keys: usize, dir: &Path) -> Result<Duration> {
    let (context, sums) = program(keys, Some(dir), CYCLE + BATCHES)?;
    let begin = Instant::now();
    context.run(1)?;
    let took = begin.elapsed();
    check::same("recovery", sums.all().pop(), Some(sum_after(CYCLE + BATCHES + 1, keys)));
    context.stop(false)?;
    Ok(took)
}

fn main() -> Result<()> {
    let keys = settings::scaled(KEYS) / CYCLE * CYCLE;
    let dir = tempfile::tempdir().map_err(|e| millstream::Error::io("making a directory", e))?;
    let without = run(keys, None)?;
    let with = run(keys, Some(dir.path()))?;
    let CheckpointStatus { written, skipped, failed, bytes, duration, .. } = with.checkpoints;
    check::same("recovery", (failed, written > 1), (0, true));
    let batch = |run: &Run| run.time.as_secs_f64() * 1e3 / BATCHES as f64;
    eprintln!("{keys} keys, {THREADS} threads, {} of them in each batch:", keys / CYCLE);
    eprintln!("  a batch without checkpoints   {:.1} ms", batch(&without));
    eprintln!("  a batch, one in {EVERY} of them with a checkpoint   {:.1} ms", batch(&with));
    eprintln!(
        "  the newest checkpoint: {:.1} MB in {:.2} s; {written} written, {skipped} left out",
        bytes as f64 / 1e6,
        duration.as_secs_f64()
    );
    let written = written.max(1) as f64;
    let slower = (with.time.as_secs_f64() - without.time.as_secs_f64()).max(0.0) / written;
    let more = (with.processor.as_secs_f64() - without.processor.as_secs_f64()).max(0.0) / written;
    eprintln!("  one checkpoint holds the batches up for {slower:.2} s and takes {more:.2} s of a core:");
    eprintln!(
        "  every ten seconds, {:.1} % of the time and {:.1} % of the cores",
        slower * 10.0,
        more * 10.0 / THREADS as f64
    );
    eprintln!("  restart to the first new result   {:.2} s", restart(keys, dir.path())?.as_secs_f64());
    Ok(())
}
