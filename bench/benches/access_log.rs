//! An access log parsed and counted by status and by client: plain, expert, and the engine; one line in a thousand is malformed.

mod common;

use criterion::{BenchmarkId, Criterion, Throughput};
use millstream::Text;
use millstream::io::format::access_log;
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::Rdd;
use millstream_bench::program::access_log::{
    expert_by_client, expert_by_status, plain_by_client, plain_by_status,
};
use millstream_bench::workload::access_log::AccessLog;
use millstream_bench::{check, input, settings};

fn count_by_status(lines: impl Rdd<Item = Text>) -> Vec<(u16, u64)> {
    let statuses = lines.filter_map(|line| access_log::status(&line));
    statuses.map(|status| (status, 1)).reduce_by_key(|a, b| a + b).collect().expect("no task fails")
}

fn count_by_client(lines: impl Rdd<Item = Text>) -> Vec<(Text, u64)> {
    let clients = lines.filter_map(|line| access_log::client(&line).map(Text::from));
    clients.map(|client| (client, 1)).reduce_by_key(|a, b| a + b).collect().expect("no task fails")
}

/// With all fields of a line taken apart: what a program does that needs more than one of them.
fn count_by_status_of_parsed(lines: impl Rdd<Item = Text>) -> Vec<(u16, u64)> {
    let statuses = lines.filter_map(|line| {
        let log = access_log::parse(&line).ok()?;
        std::hint::black_box(log.user_agent());
        Some(log.status)
    });
    statuses.map(|status| (status, 1)).reduce_by_key(|a, b| a + b).collect().expect("no task fails")
}

fn by_status(criterion: &mut Criterion, log: &AccessLog) {
    let text = str::from_utf8(&log.bytes).expect("the log is ASCII");
    let mut group = criterion.benchmark_group("access_log/by_status");
    group.throughput(Throughput::Bytes(log.bytes.len() as u64));

    check::same_counts("plain", plain_by_status(text), log.by_status());
    group.bench_function("plain", |b| b.iter(|| plain_by_status(text).len()));
    check::same_counts("expert", expert_by_status(&log.bytes), log.by_status());
    group.bench_function("expert", |b| b.iter(|| expert_by_status(&log.bytes).len()));

    for threads in settings::threads() {
        let blocks = input::blocks(&Executor::local(threads), &log.bytes);
        check::same_counts("engine", count_by_status(blocks.clone()), log.by_status());
        group.bench_function(BenchmarkId::new("engine", threads), |b| {
            b.iter(|| count_by_status(blocks.clone()).len());
        });
        check::same_counts("engine_parse", count_by_status_of_parsed(blocks.clone()), log.by_status());
        group.bench_function(BenchmarkId::new("engine_parse", threads), |b| {
            b.iter(|| count_by_status_of_parsed(blocks.clone()).len());
        });
    }
}

fn by_client(criterion: &mut Criterion, log: &AccessLog) {
    let text = str::from_utf8(&log.bytes).expect("the log is ASCII");
    let mut group = criterion.benchmark_group("access_log/by_client");
    group.throughput(Throughput::Bytes(log.bytes.len() as u64));

    check::same_counts("plain", plain_by_client(text), log.by_client());
    group.bench_function("plain", |b| b.iter(|| plain_by_client(text).len()));
    let bytes = log.by_client().map(|(client, n)| (client.as_bytes(), n));
    check::same_counts("expert", expert_by_client(&log.bytes), bytes);
    group.bench_function("expert", |b| b.iter(|| expert_by_client(&log.bytes).len()));

    for threads in settings::threads() {
        let blocks = input::blocks(&Executor::local(threads), &log.bytes);
        let texts = log.by_client().map(|(client, n)| (Text::from(client), n));
        check::same_counts("engine", count_by_client(blocks.clone()), texts);
        group.bench_function(BenchmarkId::new("engine", threads), |b| {
            b.iter(|| count_by_client(blocks.clone()).len());
        });
    }
}

fn bench(criterion: &mut Criterion) {
    let log = AccessLog::generate(settings::SEED, settings::bytes());
    by_status(criterion, &log);
    by_client(criterion, &log);
}

fn main() {
    common::main(bench);
}
