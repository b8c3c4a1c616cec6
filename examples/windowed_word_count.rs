//! Counts the words of the last half minute, every ten seconds.

use std::cmp::Reverse;
use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/duration.rs"]
mod duration;
#[path = "common/files.rs"]
mod files;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts the words of a sliding window, and prints the most frequent ones
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  windowed_word_count tcp://localhost:9999
  windowed_word_count replay:2000:data/moby-dick.txt --interval 100ms --window 600ms --slide 200ms --top 5")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// Length of a window: a multiple of the interval
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "30s")]
    window: Duration,
    /// How often a window is shown: a multiple of the interval
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "10s")]
    slide: Duration,
    /// How many words to print of each window
    #[arg(long, default_value_t = 10, value_name = "N")]
    top: usize,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("WindowedWordCount")?;

        let lines = options.input.lines(&ssc, Some(options.slide))?;
        let words = lines.flat_map(|line| line.split_whitespace()).map(|word| (word, 1u64));
        let (window, slide) = (options.window, options.slide);
        let counts = words.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide);
        counts.top_by(options.top, |(word, count)| (*count, Reverse(word.clone()))).print_n(options.top);

        options.input.run_to_end(&ssc)?;
        Ok(())
    })
}
