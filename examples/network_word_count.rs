//! Counts the words that a server sends, every second: the first program of the Spark Streaming literature.

use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts the words that a server sends, batch by batch
#[derive(clap::Parser)]
#[command(after_help = "Example, in two terminals:\n  nc -lk 9999\n  network_word_count localhost 9999")]
struct Options {
    /// The host of the server
    host: String,
    /// Its port
    port: u16,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("NetworkWordCount")?;

        let lines = ssc.socket_text_stream(&options.host, options.port)?;
        let words = lines.flat_map(|line| line.split_whitespace());
        let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
        counts.print();

        ssc.start()?;
        ssc.await_termination()?;
        Ok(())
    })
}
