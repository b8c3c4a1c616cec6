//! Counts the words of text files.

use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/files.rs"]
mod files;
#[path = "common/gauge.rs"]
mod gauge;
#[path = "common/replay.rs"]
mod replay;

/// Counts the words of text files: what stands between white space, in upper and lower case as it is written
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  word_count data/moby-dick.txt --top 5 --output counts.tsv")]
struct Options {
    #[command(flatten)]
    replay: replay::Replay,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        options.replay.run("words", |lines| {
            let words = lines.flat_map(|line| line.split_ascii_whitespace());
            words.map(|word| (word, 1)).reduce_by_key(|a, b| a + b)
        })?;
        Ok(())
    })
}
