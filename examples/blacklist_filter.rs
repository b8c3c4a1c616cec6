//! Leaves out the lines of clients on a blacklist: every batch is joined with an RDD.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;

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
#[path = "common/total.rs"]
mod total;

/// Leaves out the lines of clients on a blacklist, and prints the first ten others of each batch. Lines are those of access logs in
/// common or combined format, or of the form ip##time##request##status##bytes
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  blacklist_filter file:data/access.log --deny 192.0.2.1 --deny 192.0.2.5 --output allowed
  blacklist_filter tcp://localhost:9999 --blacklist clients.txt")]
struct Options {
    #[command(flatten)]
    input: source::Input,
    /// A client to leave out; may be given many times
    #[arg(long, value_name = "IP")]
    deny: Vec<Text>,
    /// A file with a client to leave out in each line
    #[arg(long, value_name = "FILE")]
    blacklist: Option<PathBuf>,
    /// Also save all lines that are left: the batch at time T, in milliseconds, as the folder PREFIX-T
    #[arg(long, value_name = "PREFIX")]
    output: Option<String>,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("BlacklistFilter")?;
        let blacklist = ssc.parallelize(options.denied()?.into_iter().map(|client| (client, true)), 0);
        let denied_lines = ssc.accumulators().long("lines left out");

        let lines = options.input.lines(&ssc, None)?;
        let (by_client, malformed) =
            parsed::parsed(&ssc, &lines, |line| client(line).map(|client| (client, line.clone())));
        let left_out = denied_lines.clone();
        let allowed = by_client.transform(move |rdd| {
            let left_out = left_out.clone();
            rdd.left_outer_join(blacklist.clone()).filter_map(move |(_, (line, denied))| match denied {
                Some(true) => {
                    left_out.add(1);
                    None
                }
                _ => Some(line),
            })
        });
        allowed.print();
        if let Some(prefix) = &options.output {
            allowed.save_as_text_files(prefix, "");
        }

        let kept = total::count(&allowed);

        options.input.run_to_end(&ssc)?;
        let (kept, denied, malformed) = (kept.load(Ordering::Relaxed), denied_lines.sum(), malformed.sum());
        writeln!(io::stderr(), "{kept} lines kept, {denied} left out, {malformed} malformed")?;
        Ok(())
    })
}

impl Options {
    /// The clients to leave out, each once: one that is named twice would join every line twice.
    fn denied(&self) -> Result<Vec<Text>, BoxError> {
        let mut denied = self.deny.clone();
        if let Some(path) = &self.blacklist {
            let list = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
            denied.extend(list.lines().map(str::trim).filter(|line| !line.is_empty()).map(Text::from));
        }
        denied.sort();
        denied.dedup();
        Ok(denied)
    }
}

/// The client at the beginning of a line; `None` when the line is malformed.
fn client(line: &Text) -> Option<Text> {
    match line.split_once("##") {
        Some((client, _)) if !client.is_empty() && !client.contains(' ') => Some(client),
        _ => line.get(..access_log::client(line)?.len()),
    }
}
