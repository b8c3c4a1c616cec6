//! Keyed state of a thousand to ten million keys, of which a twentieth comes in every batch: every key once in twenty batches, as
//! a number with a number as its state. The time is that of one batch from the clock's tick to its end, the throughput that of
//! the keys which the function sees: those of the batch, for `update_state_by_key` all.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput};
use millstream::config::Master;
use millstream::operators::prelude::*;
use millstream::rdd::{BoxRdd, Data, Rdd};
use millstream::testkit::TestContext;
use millstream::{Config, DStream, Result, Time};
use millstream_bench::workload::cycle::{CYCLE, Cycle, INTERVAL, SLICES, key_of, ranks_of};
use millstream_bench::{check, settings};

/// Longer than a key is idle, so that timers fire and keys stay.
const TIMEOUT: Duration = Duration::from_secs(CYCLE as u64 + 4);
const SIZES: [(&str, usize); 4] = [("1k", 1_000), ("100k", 100_000), ("1M", 1_000_000), ("10M", 10_000_000)];

/// What is measured.
#[derive(Clone, Copy, PartialEq)]
enum Operator {
    Map,
    MapWithTimeout,
    Update,
}

const OPERATORS: [(&str, Operator); 3] = [
    ("map_with_state", Operator::Map),
    ("map_with_state_timeout", Operator::MapWithTimeout),
    ("update_state_by_key", Operator::Update),
];

/// A context with an operator under load.
struct Program {
    operator: Operator,
    keys: usize,
    context: TestContext,
    /// What the records of the last batch came to, while somebody asks for it.
    sum: Arc<AtomicU64>,
    is_asked: Arc<AtomicBool>,
}

impl Program {
    /// With `is_full` all keys are there from the start, with 1 as their state.
    fn new(operator: Operator, keys: usize, threads: usize, is_full: bool) -> Result<Self> {
        let config = Config::new().batch_interval(INTERVAL).master(Master::Local(threads));
        let context = TestContext::with_config(config, Time::default())?;
        let pairs = context.input_stream("cycle", Cycle::new(&context, keys))?;
        let initial = if is_full { keys } else { 0 };
        let initial = context.parallelize((0..initial).map(|rank| (key_of(rank), 1)), SLICES);
        let program = Program {
            operator,
            keys,
            context,
            sum: Arc::default(),
            is_asked: Arc::new(AtomicBool::new(true)),
        };
        match operator {
            Operator::Update => {
                let f = |new: &[u64], state: Option<u64>| Some(state.unwrap_or(0) + new.iter().sum::<u64>());
                let spec = UpdateSpec::values(f).initial(initial);
                program.consume(&pairs.update_state_by_key_with(spec), |(_, n)| n);
            }
            Operator::Map | Operator::MapWithTimeout => {
                let spec = StateSpec::function(count).initial_state(initial);
                let spec = if operator == Operator::Map { spec } else { spec.timeout(TIMEOUT) };
                program.consume(pairs.map_with_state(spec).mapped(), |n| n);
            }
        }
        Ok(program)
    }

    fn consume<T: Data>(&self, stream: &DStream<BoxRdd<T>>, number: fn(T) -> u64) {
        let (sum, is_asked) = (Arc::clone(&self.sum), Arc::clone(&self.is_asked));
        stream.output("consume", move |job, rdd, _| {
            rdd.prepare(job)?;
            if is_asked.load(Ordering::Relaxed) {
                sum.store(rdd.map(number).sum()?, Ordering::Relaxed);
            }
            Ok(())
        });
    }

    /// Runs the first batches, so many that every timer has fired once, and checks what each of them gives.
    fn checked(self) -> Result<Self> {
        let batches = if self.operator == Operator::MapWithTimeout { 2 * CYCLE } else { 3 };
        let mut sum_of_all = self.keys as u64;
        for batch in 1..=batches {
            self.context.run(1)?;
            let came = ranks_of(batch, self.keys).len() as u64;
            sum_of_all += came;
            let expected = match self.operator {
                Operator::Map | Operator::MapWithTimeout => came * (1 + batch.div_ceil(CYCLE) as u64),
                Operator::Update => sum_of_all,
            };
            check::same("state", self.sum.load(Ordering::Relaxed), expected);
        }
        self.is_asked.store(false, Ordering::Relaxed);
        Ok(self)
    }
}

fn count(_: &u64, one: Option<u64>, state: &mut State<'_, u64>) -> u64 {
    let sum = state.get().unwrap_or(&0) + one.unwrap_or(0);
    state.update(sum);
    sum
}

fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    (name, operator): (&str, Operator),
    (size, keys): (&str, usize),
    threads: usize,
) {
    let seen = if operator == Operator::Update { keys } else { keys / CYCLE };
    group.throughput(Throughput::Elements(seen as u64));
    let mut program = None;
    group.bench_function(BenchmarkId::new(format!("{name}/{threads}"), size), |b| {
        let program = program.get_or_insert_with(|| {
            let program = Program::new(operator, keys, threads, true).expect("a program");
            program.checked().expect("no batch fails")
        });
        b.iter_custom(|batches| {
            let start = Instant::now();
            program.context.run(batches as usize).expect("no batch fails");
            start.elapsed()
        });
    });
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state");
    group.sampling_mode(SamplingMode::Flat);
    for (size, keys) in SIZES {
        for threads in settings::threads() {
            for operator in OPERATORS {
                measure(&mut group, operator, (size, settings::scaled(keys)), threads);
            }
        }
    }
}

fn main() {
    common::main(bench);
}
