//! Counts the requests of each status in access logs.

use std::io::Write;
use std::process::ExitCode;

use millstream::io::format::access_log;
use millstream::prelude::*;

mod common;
#[path = "common/files.rs"]
mod files;
#[path = "common/gauge.rs"]
mod gauge;
#[path = "common/replay.rs"]
mod replay;

/// Counts the requests of each status in access logs of Apache or nginx, in common or combined format
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  status_count data/access.log --output statuses.tsv")]
struct Options {
    #[command(flatten)]
    replay: replay::Replay,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let counts = options.replay.run("requests", |lines| {
            let statuses = lines.filter_map(|line| access_log::status(&line));
            statuses.map(|status| (status, 1)).reduce_by_key(|a, b| a + b)
        })?;
        // Every line that is well formed is one request.
        writeln!(std::io::stdout(), "malformed lines: {}", counts.lines - counts.total())?;
        Ok(())
    })
}
