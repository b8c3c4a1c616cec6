//! Word count of text that is warm in memory: a plain program, an expert one, and the engine on one thread and on all cores, from
//! blocks as a receiver leaves them and from a file in the page cache.

mod common;

use std::io::Write;

use criterion::{BenchmarkId, Criterion, Throughput};
use millstream::Text;
use millstream::io::file::TextFiles;
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::Rdd;
use millstream_bench::program::word_count::plain;
use millstream_bench::program::word_count_expert::{Padded, expert};
use millstream_bench::{check, input, settings, workload};

/// The program that is measured, as a user writes it.
fn word_count(lines: impl Rdd<Item = Text>) -> Vec<(Text, u64)> {
    let words = lines.flat_map(|line| line.split_whitespace());
    words.map(|word| (word, 1)).reduce_by_key(|a, b| a + b).collect().expect("no task fails")
}

fn check(program: &str, text: &workload::text::Text, got: impl IntoIterator<Item = (Vec<u8>, u64)>) {
    let expected = text.word_counts().map(|(word, count)| (word.as_bytes().to_vec(), count));
    check::same_counts(program, got, expected);
}

fn check_engine(program: &str, text: &workload::text::Text, got: Vec<(Text, u64)>) {
    check(program, text, got.into_iter().map(|(word, count)| (word.as_bytes().to_vec(), count)));
}

fn bench(criterion: &mut Criterion) {
    let text = workload::text::Text::generate(settings::SEED, settings::bytes());
    let mut group = criterion.benchmark_group("word_count");
    group.throughput(Throughput::Bytes(text.bytes.len() as u64));

    check("plain", &text, plain(&text.bytes).into_iter().map(|(word, n)| (word.to_vec(), n)));
    group.bench_function("plain", |b| b.iter(|| plain(&text.bytes).len()));

    let padded = Padded::new(&text.bytes);
    check("expert", &text, expert(&padded).to_vec());
    group.bench_function("expert", |b| b.iter(|| expert(&padded).len()));
    drop(padded);

    let mut file = tempfile::NamedTempFile::new().expect("a file for the text");
    file.write_all(&text.bytes).expect("room for the text");
    for threads in settings::threads() {
        let executor = Executor::local(threads);
        let blocks = input::blocks(&executor, &text.bytes);
        check_engine("engine", &text, word_count(blocks.clone()));
        group.bench_function(BenchmarkId::new("engine", threads), |b| {
            b.iter(|| word_count(blocks.clone()).len());
        });

        let lines = TextFiles::open(&executor, [file.path()]).expect("the file is there");
        check_engine("engine_file", &text, word_count(lines.clone()));
        group.bench_function(BenchmarkId::new("engine_file", threads), |b| {
            b.iter(|| word_count(lines.clone()).len());
        });
    }
}

fn main() {
    common::main(bench);
}
