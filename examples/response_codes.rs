//! Counts the status codes of access logs from the beginning of a stream on.

use std::io::{self, Write};
use std::process::ExitCode;

use millstream::io::format::access_log;
use millstream::prelude::*;

mod common;
#[path = "common/files.rs"]
mod files;
#[path = "common/parsed.rs"]
mod parsed;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts the status codes of access logs of Apache or nginx from the beginning of a stream on, and prints all counts in each batch
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  response_codes replay:100:data/access.log --interval 100ms
  tail -f /var/log/nginx/access.log | response_codes -")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("ResponseCodes")?;

        let lines = options.input.lines(&ssc, None)?;
        let (codes, malformed) = parsed::parsed(&ssc, &lines, |line| access_log::status(line));
        // The state of a code is looked at with all its new values; it need not be one for each line.
        let new_counts = codes.map(|code| (code, 1u64)).reduce_by_key(|a, b| a + b);
        let counts = new_counts
            .update_state_by_key(|new: &[u64], count| Some(count.unwrap_or(0) + new.iter().sum::<u64>()));
        counts.sort_by_key(true).print_n(usize::MAX);

        options.input.run_to_end(&ssc)?;
        writeln!(io::stderr(), "malformed lines: {}", malformed.sum())?;
        Ok(())
    })
}
