//! Counts the requests of each client in access logs.

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

/// Counts the requests of each client in access logs of Apache or nginx, in common or combined format
#[derive(clap::Parser)]
#[command(after_help = "Example:\n  ip_count data/access.log --top 5 --output clients.tsv")]
struct Options {
    #[command(flatten)]
    replay: replay::Replay,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let counts = options.replay.run("requests", |lines| {
            let clients = lines.filter_map(|line| line.get(..access_log::client(&line)?.len()));
            clients.map(|client| (client, 1)).reduce_by_key(|a, b| a + b)
        })?;
        // Every line that is well formed is one request.
        writeln!(std::io::stdout(), "malformed lines: {}", counts.lines - counts.total())?;
        Ok(())
    })
}
