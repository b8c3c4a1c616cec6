//! The memory of a keyed state: ten million numbers, each with a number as its state. The keys come in twenty batches, and in twenty
//! more each is updated once. It counts what the process occupies more than before, with what the allocator keeps for itself, which
//! is the system's here: what a program gets that chooses none.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::config::Master;
use millstream::operators::prelude::*;
use millstream::rdd::Rdd;
use millstream::testkit::TestContext;
use millstream::{Config, Result, Time};
use millstream_bench::workload::cycle::{CYCLE, Cycle, INTERVAL, ranks_of};
use millstream_bench::{check, process, settings};

const KEYS: usize = 10_000_000;

/// The bytes for each of `keys` keys: those of the process, and those of the state's tables.
fn bytes_per_key(keys: usize) -> Result<Option<[f64; 2]>> {
    let config = Config::new().batch_interval(INTERVAL).master(Master::Local(1));
    let context = TestContext::with_config(config, Time::default())?;
    let pairs = context.input_stream("cycle", Cycle::new(&context, keys))?;
    let counts = pairs.map_with_state(StateSpec::function(count));
    let (sum, last) = (Arc::new(AtomicU64::new(0)), ranks_of(2 * CYCLE, keys).len() as u64);
    let seen = Arc::clone(&sum);
    counts.mapped().output("consume", move |job, rdd, _| {
        rdd.prepare(job)?;
        seen.store(rdd.sum()?, Ordering::Relaxed);
        Ok(())
    });
    let before = process::resident_mb();
    context.run(2 * CYCLE)?;
    let after = process::resident_mb();
    check::same("the sum of the last batch", sum.load(Ordering::Relaxed), 2 * last);
    check::same(
        "the keys of the state",
        context.operators().iter().map(|operator| operator.keys).sum(),
        keys,
    );
    let tables: usize = context.operators().iter().map(|operator| operator.bytes).sum();
    Ok(before
        .zip(after)
        .map(|(before, after)| [(after - before) * 1e6, tables as f64].map(|bytes| bytes / keys as f64)))
}

fn count(_: &u64, one: Option<u64>, state: &mut State<'_, u64>) -> u64 {
    let sum = state.get().unwrap_or(&0) + one.unwrap_or(0);
    state.update(sum);
    sum
}

#[expect(clippy::print_stdout, reason = "it is what the bench is for")]
fn main() {
    let keys = settings::scaled(KEYS);
    let raw = size_of::<(u64, u64)>();
    match bytes_per_key(keys).expect("no batch fails") {
        Some([process, tables]) => println!(
            "state of {keys} keys: {process:.1} bytes of memory for each, {tables:.1} of them its tables; number and state are {raw}"
        ),
        None => println!("state: this system does not tell how much memory a process has"),
    }
}
