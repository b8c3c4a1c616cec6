//! Finds the lines of a log that contain a word.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

use millstream::prelude::*;

mod common;
#[path = "common/files.rs"]
mod files;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;

/// Finds the lines of a log that contain a word, and prints the first ten of each batch
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  log_event_processor file:data/access.log --match '\" 500 '
  tail -f app.log | log_event_processor - --output errors/batch
  log_event_processor listen://127.0.0.1:9999")]
struct Options {
    #[arg(value_name = "SOURCE", help = source::FORMS)]
    source: source::Source,
    /// What the lines must contain
    #[arg(long = "match", default_value = "ERROR", value_name = "TEXT")]
    pattern: String,
    /// Also save all matching lines: the batch at time T, in milliseconds, as the folder PREFIX-T
    #[arg(long, value_name = "PREFIX")]
    output: Option<String>,
    /// With dir: also take the files that are in the directory already
    #[arg(long)]
    existing: bool,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("LogEventProcessor")?;

        let lines = options.source.lines(&ssc, options.existing)?;
        let pattern = options.pattern;
        // Few lines match, and each is detached: it would keep the block that it was cut from.
        let matching = lines.filter_map(move |line| line.contains(&pattern).then(|| line.detached()));
        matching.print();
        if let Some(prefix) = &options.output {
            matching.save_as_text_files(prefix, "");
        }
        let total = source::count(&matching);

        options.source.run_to_end(&ssc)?;
        writeln!(io::stderr(), "{} matching lines", total.load(Ordering::Relaxed))?;
        Ok(())
    })
}
