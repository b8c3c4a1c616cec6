//! Counts words from the beginning of a stream on.

use std::cmp::Reverse;
use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/files.rs"]
mod files;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts words from the beginning of a stream on, and prints those that came in each batch with their counts so far
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  stateful_word_count tcp://localhost:9999 --snapshot 5
  stateful_word_count replay:2000:data/moby-dick.txt --interval 100ms --snapshot 5")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// How many of the words that came to print, those with the largest counts first
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    /// Also print the N most frequent of all words so far, after each batch
    #[arg(long, value_name = "N")]
    snapshot: Option<usize>,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("StatefulWordCount")?;

        let lines = options.input.lines(&ssc, None)?;
        let words = lines.flat_map(|line| line.split_whitespace());
        let new_counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
        let counts = new_counts.map_with_state(StateSpec::function(count));
        counts.top_by(options.top, by_count).print_n(options.top);
        if let Some(n) = options.snapshot {
            let top = counts.state_snapshots().top_by(n, by_count);
            top.map(|(word, count)| format!("{word}: {count} in all")).print_n(n);
        }

        options.input.run_to_end(&ssc)?;
        Ok(())
    })
}

/// Adds what came of a word to what had come.
fn count(word: &Text, new: Option<u64>, count: &mut State<u64>) -> (Text, u64) {
    let sum = count.get().unwrap_or(&0) + new.unwrap_or(0);
    count.update(sum);
    (word.clone(), sum)
}

/// The largest counts first, and among equals the first words.
fn by_count((word, count): &(Text, u64)) -> (u64, Reverse<Text>) {
    (*count, Reverse(word.clone()))
}
