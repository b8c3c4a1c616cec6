//! Pairs of numbers through every kind of shuffle, into one partition and into as many as there are threads, and four times that.

mod common;

use std::collections::HashMap;

use criterion::{BatchSize, BenchmarkGroup, BenchmarkId, Criterion, Throughput, measurement::WallTime};
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::{Parallelized, Rdd};
use millstream_bench::workload::keys::{Keys, Spread};
use millstream_bench::{check, settings};

/// Rows and keys at the default size.
const ROWS: usize = 2_000_000;
const KEYS: usize = 100_000;
/// Map partitions.
const SLICES: usize = 16;

type Pairs = Parallelized<(u64, u64)>;
type Counts = Vec<(u64, u64)>;

fn reduce_by_key(pairs: Pairs, partitions: usize) -> Counts {
    pairs.reduce_by_key_in(partitions, |a, b| a + b).collect().expect("no task fails")
}

fn group_by_key(pairs: Pairs, partitions: usize) -> Counts {
    let groups = pairs.group_by_key_in(partitions).map(|(key, values)| (key, values.len() as u64));
    groups.collect().expect("no task fails")
}

/// The rows of each partition; the sum over the keys is as good as the counts here.
fn partition_by(pairs: Pairs, partitions: usize) -> u64 {
    pairs.partition_by(partitions).count().expect("no task fails")
}

/// Every row finds its key in a table of all keys.
fn join(pairs: Pairs, table: Pairs, partitions: usize) -> u64 {
    let joined = pairs.join_in(partitions, table).map(|(_, (n, one))| n * one);
    joined.sum().expect("no task fails")
}

fn check_partition_by(pairs: &Pairs, keys: &Keys, partitions: usize) {
    let parts = pairs.clone().partition_by(partitions).glom().collect().expect("no task fails");
    let (mut counts, mut home) = (HashMap::new(), HashMap::new());
    for (partition, part) in parts.iter().enumerate() {
        for (key, n) in part {
            *counts.entry(*key).or_insert(0) += n;
            check::same(
                "partition_by: a key in one place",
                *home.entry(*key).or_insert(partition),
                partition,
            );
        }
    }
    check_counts("partition_by", keys, counts);
}

fn check_counts(program: &str, keys: &Keys, got: impl IntoIterator<Item = (u64, u64)>) {
    let mut different = 0;
    for (key, count) in got {
        check::same(program, count, keys.count(key));
        different += 1;
    }
    check::same(program, different, keys.different);
}

fn bench_partitions(
    group: &mut BenchmarkGroup<'_, WallTime>,
    keys: &Keys,
    [pairs, table]: [&Pairs; 2],
    partitions: usize,
) {
    let threads = pairs.executor().threads();
    let mut measure = |name: &str, run: &dyn Fn(Pairs) -> u64| {
        group.bench_function(BenchmarkId::new(format!("{name}/{threads}_threads"), partitions), |b| {
            b.iter_batched(|| pairs.clone(), run, BatchSize::PerIteration);
        });
    };
    check_counts("reduce_by_key", keys, reduce_by_key(pairs.clone(), partitions));
    measure("reduce_by_key", &|pairs| reduce_by_key(pairs, partitions).len() as u64);
    check_counts("group_by_key", keys, group_by_key(pairs.clone(), partitions));
    measure("group_by_key", &|pairs| group_by_key(pairs, partitions).len() as u64);
    check_partition_by(pairs, keys, partitions);
    measure("partition_by", &|pairs| partition_by(pairs, partitions));
    check::same("join", join(pairs.clone(), table.clone(), partitions), keys.rows.len() as u64);
    measure("join", &|pairs| join(pairs, table.clone(), partitions));
}

fn bench(criterion: &mut Criterion) {
    let rows = settings::scaled(ROWS);
    let keys = Keys::generate(settings::SEED, rows, settings::scaled(KEYS), Spread::Zipf);
    let mut group = criterion.benchmark_group("shuffle");
    group.throughput(Throughput::Elements(rows as u64));
    let all: Vec<u64> = {
        let mut all = keys.rows.clone();
        all.sort_unstable();
        all.dedup();
        all
    };
    for threads in settings::threads() {
        let executor = Executor::local(threads);
        let ones = |keys: &[u64]| keys.iter().map(|key| (*key, 1)).collect();
        let pairs = Parallelized::new(executor.clone(), ones(&keys.rows), SLICES);
        let table = Parallelized::new(executor, ones(&all), SLICES);
        let mut partitions = vec![1, threads, 4 * threads];
        partitions.dedup();
        for partitions in partitions {
            bench_partitions(&mut group, &keys, [&pairs, &table], partitions);
        }
    }
}

fn main() {
    common::main(bench);
}
