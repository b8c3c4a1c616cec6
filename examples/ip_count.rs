//! Counts the requests of each client in access logs: of whole files, or of the last while of a stream.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::process::ExitCode;

use millstream::io::format::access_log;
use millstream::prelude::*;

mod common;
#[path = "common/duration.rs"]
mod duration;
#[path = "common/files.rs"]
mod files;
#[path = "common/gauge.rs"]
mod gauge;
#[path = "common/parsed.rs"]
mod parsed;
#[path = "common/replay.rs"]
mod replay;
#[path = "common/source.rs"]
mod source;
#[path = "common/streaming.rs"]
mod streaming;
#[path = "common/windows.rs"]
mod windows;

/// Counts the requests of each client in access logs of Apache or nginx, in common or combined format. With --window it takes a
/// SOURCE in place of files, and counts the requests of the last while, over and over
#[derive(clap::Parser)]
#[command(
    override_usage = "ip_count [OPTIONS] <PATH>...\n       ip_count [OPTIONS] --window <TIME> <SOURCE>"
)]
#[command(after_help = after_help(), mut_args = with_window)]
struct Options {
    #[command(flatten)]
    replay: replay::Replay,
    #[command(flatten, next_help_heading = "With a window")]
    windows: windows::Windows,
    /// With dir: also take the files that are in the directory already
    #[arg(long)]
    existing: bool,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn after_help() -> String {
    format!(
        "SOURCE, with a window
{}

Examples:
  ip_count data/access.log --top 5 --output clients.tsv
  ip_count --window 30s --slide 10s tcp://localhost:9999
  ip_count --window 600ms --slide 200ms --interval 100ms --top 3 replay:100:data/access.log",
        source::FORMS
    )
}

/// Refuses options that would do nothing.
fn with_window(option: clap::Arg) -> clap::Arg {
    match option.get_id().as_str() {
        "existing" | "interval" | "master" => option.requires("window"),
        "output" | "threads" => option.conflicts_with("window"),
        _ => option,
    }
}

fn main() -> ExitCode {
    common::run(|options: Options| match options.windows.spans() {
        Some(spans) => count_windows(&options, spans),
        None => count_files(&options.replay),
    })
}

fn count_files(replay: &replay::Replay) -> Result<(), BoxError> {
    let counts = replay.run("requests", |lines| {
        let clients = lines.filter_map(|line| client(&line));
        clients.map(|client| (client, 1)).reduce_by_key(|a, b| a + b)
    })?;
    // Every line that is well formed is one request.
    writeln!(io::stdout(), "malformed lines: {}", counts.lines - counts.total())?;
    Ok(())
}

fn count_windows(options: &Options, (window, slide): (Duration, Duration)) -> Result<(), BoxError> {
    let [path] = options.replay.paths.as_slice() else {
        return Err("--window takes one SOURCE, see --help".into());
    };
    let source = path.to_string_lossy().parse().map_err(|error| format!("{}: {error}", path.display()))?;
    let input = source::Input { source, existing: options.existing };
    let ssc = options.streaming.context("IpCount")?;

    let lines = input.lines(&ssc, Some(slide))?;
    let (clients, malformed) = parsed::parsed(&ssc, &lines, client);
    let requests = clients.map(|client| (client, 1u64));
    let counts = requests.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide);
    let top = options.replay.top;
    counts.top_by(top, |(client, count)| (*count, Reverse(client.clone()))).print_n(top);

    input.run_to_end(&ssc)?;
    writeln!(io::stderr(), "malformed lines: {}", malformed.sum())?;
    Ok(())
}

/// The client of a line that is well formed.
fn client(line: &Text) -> Option<Text> {
    line.get(..access_log::client(line)?.len())
}
