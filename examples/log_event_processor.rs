//! Finds the lines of a log that contain a word.

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::atomic::Ordering;

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
#[path = "common/total.rs"]
mod total;
#[path = "common/windows.rs"]
mod windows;

/// Finds the lines of a log that contain a word, and prints all of them, batch by batch. With --window it also counts
/// those of the last while
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  log_event_processor file:data/access.log --match '\" 500 '
  tail -f app.log | log_event_processor - --output errors/batch
  log_event_processor listen://127.0.0.1:9999 --window 30s --slide 10s")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// What the lines must contain
    #[arg(long = "match", default_value = "ERROR", value_name = "TEXT")]
    pattern: String,
    /// Also save all matching lines: the batch at time T, in milliseconds, as the folder PREFIX-T
    #[arg(long, value_name = "PREFIX")]
    output: Option<String>,
    #[command(flatten)]
    windows: windows::Windows,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("LogEventProcessor")?;

        let spans = options.windows.spans();
        let lines = options.input.lines(&ssc, spans.map(|(_, slide)| slide))?;
        let pattern = options.pattern;
        // Few lines match, and each is detached: it would keep the block that it was cut from.
        let matching = lines.filter_map(move |line| line.contains(&pattern).then(|| line.detached()));
        matching.print_n(usize::MAX);
        if let Some(prefix) = &options.output {
            matching.save_as_text_files(prefix, "");
        }
        if let Some((window, slide)) = spans {
            let counts = matching.count_by_window(window, slide);
            counts.map(move |n| format!("{n} matching lines in the last {window:?}")).print();
        }
        let total = total::count(&matching);

        options.input.run_to_end(&ssc)?;
        writeln!(io::stderr(), "{} matching lines", total.load(Ordering::Relaxed))?;
        Ok(())
    })
}
