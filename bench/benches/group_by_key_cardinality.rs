//! Reducing and grouping by ten to ten million keys, whose rows are spread evenly, by Zipf's law, or with half of them on one key.
//! Beside it a plain `HashMap` on one thread.

mod common;

use std::cell::LazyCell;
use std::collections::HashMap;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode, Throughput, measurement::WallTime};
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::Parallelized;
use millstream_bench::workload::keys::{Keys, Spread};
use millstream_bench::{check, settings};

/// Rows at the default size: ten million for the reduction to ten million keys, else these.
const ROWS: usize = 4_000_000;
const ROWS_OF_MOST_KEYS: usize = 10_000_000;
const CARDINALITIES: [(&str, usize); 5] =
    [("10", 10), ("1k", 1_000), ("100k", 100_000), ("1M", 1_000_000), ("10M", 10_000_000)];
/// Map partitions.
const SLICES: usize = 16;

fn plain(rows: &[u64]) -> HashMap<u64, u64, ahash::RandomState> {
    let mut counts = HashMap::default();
    for key in rows {
        *counts.entry(*key).or_insert(0) += 1;
    }
    counts
}

fn reduce(rows: Parallelized<u64>) -> Vec<(u64, u64)> {
    rows.map(|key| (key, 1u64)).reduce_by_key(|a, b| a + b).collect().expect("no task fails")
}

/// The size of each group. The groups themselves are made; they are only not copied out.
fn group(rows: Parallelized<u64>) -> Vec<(u64, u64)> {
    let groups = rows.map(|key| (key, 1u64)).group_by_key();
    groups.map(|(key, values)| (key, values.len() as u64)).collect().expect("no task fails")
}

fn check_counts(program: &str, keys: &Keys, got: impl IntoIterator<Item = (u64, u64)>) {
    let mut different = 0;
    for (key, count) in got {
        check::same(program, count, keys.count(key));
        different += 1;
    }
    check::same(program, different, keys.different);
}

/// Measures one program, if it is asked for; only then are its keys made and its answer checked.
fn measure<C: IntoIterator<Item = (u64, u64)>>(
    benches: &mut BenchmarkGroup<'_, WallTime>,
    id: BenchmarkId,
    keys: &Lazy<'_, Keys>,
    run: impl Fn() -> C,
) {
    let mut is_checked = false;
    benches.bench_function(id, |b| {
        if !is_checked {
            check_counts("group_by_key_cardinality", keys, run());
            is_checked = true;
        }
        b.iter(&run);
    });
}

type Lazy<'a, T> = LazyCell<T, Box<dyn FnOnce() -> T + 'a>>;

fn bench_keys(
    benches: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    keys: &Lazy<'_, Keys>,
    with_groups: bool,
) {
    measure(benches, BenchmarkId::new("plain", name), keys, || plain(&keys.rows));
    for threads in settings::threads() {
        let rows: Lazy<'_, _> = LazyCell::new(Box::new(|| {
            Parallelized::new(Executor::local(threads), keys.rows.clone(), SLICES)
        }));
        let id = |kind: &str| BenchmarkId::new(format!("{kind}/{threads}"), name);
        measure(benches, id("reduce"), keys, || reduce(rows.clone()));
        if with_groups {
            measure(benches, id("group"), keys, || group(rows.clone()));
        }
    }
}

fn bench(criterion: &mut Criterion) {
    let mut benches = criterion.benchmark_group("group_by_key_cardinality");
    benches.sampling_mode(SamplingMode::Flat);
    for (many, cardinality) in CARDINALITIES {
        for (spread_name, spread) in Spread::ALL {
            let is_most = cardinality == CARDINALITIES[4].1;
            let rows = settings::scaled(if is_most { ROWS_OF_MOST_KEYS } else { ROWS });
            let keys: Lazy<'_, _> =
                LazyCell::new(Box::new(move || Keys::generate(settings::SEED, rows, cardinality, spread)));
            benches.throughput(Throughput::Elements(rows as u64));
            bench_keys(&mut benches, &format!("{many}_{spread_name}"), &keys, !is_most);
        }
    }
}

fn main() {
    common::main(bench);
}
