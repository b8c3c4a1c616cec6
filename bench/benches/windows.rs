//! What a slide of a window costs, for windows of 2 to 3,600 panes at the same entering data: a table that must be flat.
//!
//! The time is that of the step alone, on one thread: the entering pane is taken in, the leaving one out; making the pane and
//! reading the result are not in it. The windows of one row are measured in turns, so that a busy machine hits them all alike;
//! a figure is the median over the turns of the mean over a turn's slides. With 1 k keys every pane has all of them. With 1 M
//! keys a pane has its share of them, in turn, so that a short window holds fewer keys than a long one and more of it is in the
//! cache: the row of live keys says how many.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream::config::Master;
use millstream::graph::{BatchInput, StartInfo};
use millstream::operators::aggregate::{Aggregate, DistinctHll, Quantiles, TopK};
use millstream::operators::prelude::*;
use millstream::rdd::{BoxRdd, Parallelized, Rdd, Stored};
use millstream::receive::{Blocks, Lines};
use millstream::shuffle::{Combine, Wide};
use millstream::testkit::TestContext;
use millstream::window::{Invertible, Merge, MergeByValue, Sliding, Span, TwoStacks};
use millstream::{Config, InputStream, Result, Text, Time};
use millstream_bench::{check, input, settings, workload};

const RATIOS: [usize; 5] = [2, 10, 60, 600, 3_600];
const PANE: Duration = Duration::from_millis(10);

/// How much is measured.
struct Size {
    keys: u64,
    /// The keys of a pane.
    entering: u64,
    turns: usize,
    slides: usize,
}

impl Size {
    /// The panes after which the keys come again.
    fn cycle(&self) -> u64 {
        self.keys / self.entering
    }

    /// The keys of the pane number `t`, scattered.
    fn keys_of(&self, t: u64) -> impl Iterator<Item = u64> {
        let first = t % self.cycle() * self.entering;
        (first..first + self.entering).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// One of the values that the pane number `t` has for a key.
    fn value(&self, t: u64, key: u64, i: u64) -> u64 {
        ((t % self.cycle() + 1).wrapping_mul(0xd6e8_feb8_6659_fd93) ^ key ^ i)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            >> 44
    }
}

/// An endless row of panes, made before.
struct Panes<V: Stored>(Vec<Wide<(u64, V)>>, Mutex<Time>);

impl<V: Stored> InputStream for Panes<V> {
    type Rdd = Wide<(u64, V)>;

    fn start(&self, start: &StartInfo) -> Result<()> {
        *self.1.lock().expect("no panic") = start.zero;
        Ok(())
    }

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Self::Rdd>> {
        let since = batch.time().since(*self.1.lock().expect("no panic"));
        let number = (since.as_millis() / PANE.as_millis()) as usize;
        Ok(Some(self.0[number % self.0.len()].clone()))
    }
}

/// What a window gives.
type Pairs<Out> = BoxRdd<(u64, Out)>;

/// A window that slides on demand.
struct Rig<Out: Send + Sync + Clone + 'static> {
    test: TestContext,
    spent: Arc<Mutex<Duration>>,
    last: Arc<Mutex<Option<Pairs<Out>>>>,
    slides: usize,
    panes: usize,
}

impl<Out: Send + Sync + Clone + 'static> Rig<Out> {
    fn new<V: Stored, S: Sliding<V, Out = Out>>(
        size: &Size,
        panes: usize,
        value: &impl Fn(u64, u64) -> V,
        sliding: impl FnOnce(Span) -> S,
    ) -> Result<Self> {
        let config = Config::new().batch_interval(PANE).master(Master::Local(1));
        let test = TestContext::with_config(config, Time::default())?;
        let executor = test.executor();
        let ready = (0..size.cycle()).map(|t| {
            let pairs: Vec<(u64, V)> = size.keys_of(t).map(|key| (key, value(t, key))).collect();
            let only = Combine::new("pane", executor, 1, |v| v, |v: V, _: V| v, |v, _| v);
            Wide::new(Parallelized::new(executor.clone(), pairs, 1), only)
        });
        let input = Panes(ready.collect(), Mutex::default());
        let windows = test.input_stream("panes", input)?.keyed_window(
            "bench",
            (PANE * panes as u32, PANE),
            1,
            false,
            sliding,
        );
        let (spent, last) = (Arc::<Mutex<Duration>>::default(), Arc::<Mutex<Option<Pairs<Out>>>>::default());
        let (clock, result) = (Arc::clone(&spent), Arc::clone(&last));
        windows.output("slide", move |job, rdd, _| {
            // The result of the slide before must not be read any more, or it would be copied.
            *result.lock().expect("no panic") = None;
            let start = Instant::now();
            rdd.prepare(job)?;
            *clock.lock().expect("no panic") += start.elapsed();
            *result.lock().expect("no panic") = Some(rdd.boxed());
            Ok(())
        });
        Ok(Rig { test, spent, last, slides: 0, panes })
    }

    /// Slides so often; the time per slide.
    fn slide(&mut self, slides: usize) -> Duration {
        *self.last.lock().expect("no panic") = None;
        *self.spent.lock().expect("no panic") = Duration::ZERO;
        self.test.run(slides).expect("the window slides");
        self.slides += slides;
        *self.spent.lock().expect("no panic") / slides as u32
    }

    /// Stops the bench unless the window gives for every hundredth key what `expected` makes of its values, newest first.
    fn check<V>(
        &self,
        size: &Size,
        value: &impl Fn(u64, u64) -> V,
        expected: &impl Fn(Vec<V>) -> Out,
    ) -> usize
    where
        Out: PartialEq + std::fmt::Debug,
    {
        let last = self.last.lock().expect("no panic").clone().expect("the window has slid");
        let got = last.collect().expect("a window");
        let oldest = self.slides.saturating_sub(self.panes) + 1;
        for (key, out) in got.iter().step_by(got.len() / 100 + 1) {
            let has = |t: &u64| size.cycle() == 1 || size.keys_of(*t).any(|other| other == *key);
            let mut times: Vec<u64> = (oldest as u64..=self.slides as u64).rev().filter(has).collect();
            times.iter_mut().for_each(|t| *t %= size.cycle());
            let values = times.into_iter().map(|t| value(t, *key)).collect();
            check::same(
                &format!("a window of {} panes, key {key}", self.panes),
                out.clone(),
                expected(values),
            );
        }
        got.len()
    }
}

/// Merges accumulators.
struct Merging<A>(Arc<A>);

impl<A: Aggregate<u64>> Merge<A::Acc> for Merging<A> {
    fn merge(&self, all: &mut A::Acc, other: &A::Acc) {
        self.0.merge(all, other);
    }
}

/// Measures one row of the table.
fn row<V: Stored, S: Sliding<V, Out: PartialEq + std::fmt::Debug>>(
    name: &str,
    size: &Size,
    value: impl Fn(u64, u64) -> V,
    sliding: impl Fn(Span) -> S,
    expected: impl Fn(Vec<V>) -> S::Out,
) -> Vec<Duration> {
    let mut rigs: Vec<Rig<S::Out>> =
        RATIOS.iter().map(|panes| Rig::new(size, *panes, &value, &sliding).expect("a window")).collect();
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); rigs.len()];
    rigs.iter_mut().zip(RATIOS).for_each(|(rig, panes)| {
        rig.slide(panes + size.cycle() as usize + 1);
    });
    for _ in 0..size.turns {
        for (rig, times) in rigs.iter_mut().zip(&mut times) {
            times.push(rig.slide(size.slides));
        }
    }
    let live: Vec<usize> = rigs.iter().map(|rig| rig.check(size, &value, &expected)).collect();
    let medians: Vec<Duration> = times.into_iter().map(median).collect();
    let cell = |time: &Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
    let cells: Vec<String> = medians.iter().map(cell).collect();
    let flat = medians.iter().max().expect("ratios").as_secs_f64() / medians[0].as_secs_f64().max(1e-9);
    common::line(&format!("| {name} | {} | {} | {flat:.2} | {live:?} |", size.entering, cells.join(" | ")));
    medians
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn sketch<A: Aggregate<u64> + Clone>(name: &str, size: &Size, aggregate: &A)
where
    A::Out: PartialEq + std::fmt::Debug,
{
    let of_pane = |t, key| {
        let mut acc = aggregate.zero();
        (0..3).for_each(|i| aggregate.add(&mut acc, size.value(t, key, i)));
        acc
    };
    let shared = Arc::new(aggregate.clone());
    let sliding = |span: Span| {
        let finish = Arc::clone(&shared);
        TwoStacks::new(Merging(Arc::clone(&shared)), move |acc: &A::Acc| finish.finish(acc), span.panes())
    };
    row(name, size, of_pane, sliding, |accs| {
        let mut all = aggregate.zero();
        accs.iter().for_each(|acc| aggregate.merge(&mut all, acc));
        aggregate.finish(&all)
    });
}

fn table(name: &str, size: &Size, sketched: &Size) {
    common::line(&format!("\n{name}: µs per slide, by panes in the window"));
    common::line("| aggregate | keys per pane | 2 | 10 | 60 | 600 | 3600 | most / first | live keys |");
    common::line("|---|---|---|---|---|---|---|---|---|");
    let one = |t, key| size.value(t, key, 0);
    let location = std::panic::Location::caller();
    let add = |a: u64, b: u64| a.wrapping_add(b);
    let invertible = |_| Invertible::new(add, |a: u64, b: u64| a.wrapping_sub(b), location);
    row("sum (inverse)", size, one, invertible, |values| values.into_iter().fold(0, add));
    let largest = |span: Span| TwoStacks::new(MergeByValue(u64::max), u64::clone, span.panes());
    row("max (two stacks)", size, one, largest, |values| values.into_iter().max().expect("a value"));
    sketch("distinct (HyperLogLog)", sketched, &DistinctHll::new(10).expect("a precision"));
    sketch("p50, p99 (DDSketch)", sketched, &Quantiles::new(0.01, [0.5, 0.99]).expect("quantiles"));
    sketch("top 3 (exact)", sketched, &TopK::new(3));
}

/// A batch that comes again and again, as a receiver leaves it.
struct Again(Blocks<Lines>);

impl InputStream for Again {
    type Rdd = Blocks<Lines>;

    fn compute(&self, _batch: &BatchInput<'_>) -> Result<Option<Self::Rdd>> {
        Ok(Some(self.0.clone()))
    }
}

/// The words of each batch, or of the last 30 batches, every batch; how long it takes to make `batches` of them.
struct WordCount {
    test: TestContext,
    words: Arc<AtomicU64>,
}

impl WordCount {
    fn new(text: &workload::text::Text, window: Option<u32>) -> Result<Self> {
        let config = Config::new().batch_interval(Duration::from_secs(1)).master(Master::Local(1));
        let test = TestContext::with_config(config, Time::default())?;
        let lines = test.input_stream("text", Again(input::blocks(test.executor(), &text.bytes)))?;
        let words = lines.flat_map(|line| line.split_whitespace()).map(|word| (word, 1u64));
        let total = Arc::new(AtomicU64::new(0));
        let sum = Arc::clone(&total);
        let count = move |rdd: BoxRdd<(Text, u64)>| {
            sum.store(rdd.map(|(_, count)| count).sum()?, Ordering::Relaxed);
            Ok(())
        };
        match window {
            None => words.reduce_by_key(|a, b| a + b).foreach_rdd(move |rdd, _| count(rdd.boxed())),
            Some(panes) => {
                let second = Duration::from_secs(1);
                let counts =
                    words.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, second * panes, second);
                counts.foreach_rdd(move |rdd, _| count(rdd.boxed()));
            }
        }
        Ok(WordCount { test, words: total })
    }

    fn run(&self, batches: usize) -> Duration {
        let start = Instant::now();
        self.test.run(batches).expect("batches of text");
        start.elapsed() / batches as u32
    }
}

/// What a window adds to a word count at 1 s batches. All words are read in every batch, of the batch and of the window.
fn word_count(bytes: usize, turns: usize) {
    const WINDOW: u32 = 30;
    let text = workload::text::Text::generate(settings::SEED, bytes);
    let total: u64 = text.word_counts().map(|(_, count)| count).sum();
    let programs = [None, Some(WINDOW)].map(|window| WordCount::new(&text, window).expect("a word count"));
    let mut times = [Vec::new(), Vec::new()];
    programs.iter().for_each(|program| _ = program.run(WINDOW as usize));
    for _ in 0..turns {
        programs.iter().zip(&mut times).for_each(|(program, times)| times.push(program.run(3)));
    }
    for (program, batches) in programs.iter().zip([1, u64::from(WINDOW)]) {
        check::same("word count", program.words.load(Ordering::Relaxed), total * batches);
    }
    let [plain, windowed] = times.map(median);
    let ratio = windowed.as_secs_f64() / plain.as_secs_f64();
    common::line(&format!(
        "\nword count of {} MB per batch, one thread: {plain:.1?} a batch; over a window of {WINDOW} batches {windowed:.1?}: \
         {ratio:.2} times",
        bytes / 1_000_000
    ));
}

fn main() {
    let test = std::env::args().any(|argument| argument == "--test");
    let (turns, slides) = if test { (1, 2) } else { (9, 40) };
    let size = |keys, entering| Size { keys, entering, turns, slides };
    if test {
        word_count(1_000_000, 1);
        return table("20 keys", &size(20, 20), &size(20, 20));
    }
    word_count(settings::bytes(), 5);
    table("1 k keys", &size(1_000, 1_000), &size(1_000, 1_000));
    table("1 M keys", &size(1_000_000, 10_000), &size(1_000_000, 1_000));
}
