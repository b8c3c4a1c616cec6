//! What `Text` costs beside `&str`: lines, words, pieces and fields of a megabyte that is in the cache.

mod common;

use std::ops::ControlFlow;

use criterion::{BenchmarkGroup, Criterion, Throughput, measurement::WallTime};
use millstream::job::Executor;
use millstream::receive::Content;
use millstream::text::{Utf8Chunk, for_each_line};
use millstream::{Text, rdd::Flow};
use millstream_bench::{check, input, settings, workload};

/// Bytes of text; no more than `BENCH_MB` asks for.
const BYTES: usize = 1_000_000;

/// Calls `f` with every line and sums up what it returns.
fn texts(chunks: &[Utf8Chunk], mut f: impl FnMut(Text) -> usize) -> usize {
    let mut sum = 0;
    for chunk in chunks {
        let _: Flow = for_each_line(chunk, 0..chunk.len(), |line| {
            sum += f(line);
            ControlFlow::Continue(())
        });
    }
    sum
}

struct Bench<'a> {
    group: BenchmarkGroup<'a, WallTime>,
    chunks: Vec<Utf8Chunk>,
    text: String,
}

impl Bench<'_> {
    /// Measures what is done to a line, as a `Text` and as a `&str`; both must give the same sum.
    fn compare(&mut self, name: &str, of_text: impl Fn(Text) -> usize, of_str: impl Fn(&str) -> usize) {
        let expected: usize = self.text.lines().map(&of_str).sum();
        check::same(name, texts(&self.chunks, &of_text), expected);
        self.group.bench_function(format!("{name}/text"), |b| b.iter(|| texts(&self.chunks, &of_text)));
        self.group.bench_function(format!("{name}/str"), |b| {
            b.iter(|| self.text.lines().map(&of_str).sum::<usize>());
        });
    }
}

/// The length of each piece and its first byte: enough to need the piece itself.
fn seen(piece: &str) -> usize {
    piece.len() + piece.as_bytes().first().map_or(0, |byte| usize::from(*byte))
}

fn bench(criterion: &mut Criterion) {
    let words = workload::text::Text::generate(settings::SEED, BYTES.min(settings::bytes()));
    let executor = Executor::local(1);
    let chunks = input::segments(&executor, &words.bytes).into_iter().map(|segment| {
        match segment.content(executor.chunks()) {
            Ok(Content::Text(chunk)) => chunk,
            _ => unreachable!("lines are sealed as text"),
        }
    });
    let chunks = chunks.collect();
    let text = String::from_utf8(words.bytes).expect("the words are ASCII");
    let mut group = criterion.benchmark_group("text");
    group.throughput(Throughput::Bytes(text.len() as u64));
    let mut bench = Bench { group, chunks, text };

    bench.compare("lines", |line| seen(&line), seen);
    bench.compare(
        "split_whitespace",
        |line| line.split_whitespace().map(|word| seen(&word)).sum(),
        |line| line.split_whitespace().map(seen).sum(),
    );
    bench.compare(
        "split",
        |line| line.split(' ').map(|piece| seen(&piece)).sum(),
        |line| line.split(' ').map(seen).sum(),
    );
    bench.compare(
        "field",
        |line| line.field(5).map_or(0, |field| seen(&field)),
        |line| line.split_ascii_whitespace().nth(5).map_or(0, seen),
    );
}

fn main() {
    common::main(bench);
}
