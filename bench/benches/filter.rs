//! Lines that contain `ERROR`, at three selectivities: a plain loop, an expert one, and the engine.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput};
use millstream::Text;
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::Rdd;
use millstream_bench::program::filter::{expert, plain};
use millstream_bench::workload::log_lines::{LogLines, NEEDLE};
use millstream_bench::{check, input, settings};

/// The lines that match, and their bytes.
fn errors(lines: impl Rdd<Item = Text>) -> (u64, u64) {
    let errors = lines.filter(|line| line.contains(NEEDLE));
    let add = |(lines, bytes), line: Text| (lines + 1, bytes + line.len() as u64);
    let merge = |a: (u64, u64), b: (u64, u64)| (a.0 + b.0, a.1 + b.1);
    errors.aggregate((0, 0), add, merge).expect("no task fails")
}

fn bench(criterion: &mut Criterion) {
    for (name, share) in [("0.1%", 0.001), ("10%", 0.1), ("90%", 0.9)] {
        let log = LogLines::generate(settings::SEED, settings::bytes(), share);
        let text = str::from_utf8(&log.bytes).expect("the log is ASCII");
        let answer = (log.matching, log.matching_bytes);
        let mut group = criterion.benchmark_group(format!("filter/{name}"));
        group.throughput(Throughput::Bytes(log.bytes.len() as u64));

        check::same("plain", plain(text, NEEDLE), answer);
        group.bench_function("plain", |b| b.iter(|| plain(text, NEEDLE)));
        check::same("expert", expert(&log.bytes, NEEDLE), answer);
        group.bench_function("expert", |b| b.iter(|| expert(&log.bytes, NEEDLE)));
        for threads in settings::threads() {
            let blocks = input::blocks(&Executor::local(threads), &log.bytes);
            check::same("engine", errors(blocks.clone()), answer);
            group.bench_function(BenchmarkId::new("engine", threads), |b| b.iter(|| errors(blocks.clone())));
        }
    }
}

fn main() {
    common::main(bench);
}
