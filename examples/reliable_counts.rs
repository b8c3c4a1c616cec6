//! Counts keys since the beginning and over a window, and loses nothing and counts nothing twice, whatever happens to the process.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/duration.rs"]
mod duration;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts keys since the beginning and over a window, exactly, whatever happens to the process
///
/// The key of a line is what stands before its first blank. Each batch writes three folders: PREFIX/lines-TIME (the lines that
/// contain what was asked for), PREFIX/totals-TIME (the keys that came, with their counts since the beginning) and PREFIX/window-TIME
/// (the keys of the window, with their counts in it). Kill it and start it again with the same options: it goes on where it was.
#[derive(clap::Parser)]
#[command(after_help = "Examples:
  reliable_counts --listen 127.0.0.1:9999 --checkpoint /var/lib/counts --output /srv/counts
  reliable_counts --dir /var/spool/lines --checkpoint /var/lib/counts --output /srv/counts --window 10m
A sender that must lose nothing says HELLO and its name, sends lines, and keeps those that no ACK has come for:
  printf 'HELLO me\\nweb GET /\\nweb GET /a\\n' | nc 127.0.0.1 9999")]
struct Options {
    /// Listen here for senders that wait for acknowledgements
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "dir", conflicts_with = "dir")]
    listen: Option<String>,
    /// Read new files in this directory
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,
    /// Where to keep what is needed to go on
    #[arg(long, value_name = "PATH")]
    checkpoint: PathBuf,
    /// Where to put the results: the parent of the folders
    #[arg(long, value_name = "PATH")]
    output: PathBuf,
    /// Lines that do not contain this are left out
    #[arg(long, value_name = "TEXT", default_value = "")]
    matching: String,
    /// Length of the window: a multiple of the interval
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "30s")]
    window: Duration,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = StreamingContext::get_or_create(&options.checkpoint, || build(&options))?;
        ssc.start()?;
        ssc.await_termination()?;
        Ok(())
    })
}

fn build(options: &Options) -> Result<StreamingContext> {
    let ssc = options.streaming.context("ReliableCounts")?;
    let matching = options.matching.clone();
    let lines = lines(&ssc, options)?.filter(move |line| line.contains(&matching));
    let ones = lines.map(|line| (line.split(' ').next().unwrap_or_default(), 1u64));

    let totals = ones.reduce_by_key(|a, b| a + b).map_with_state(StateSpec::function(add)).named("totals");
    let windowed =
        ones.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, options.window, ones.slide());

    let into = |name: &str| options.output.join(name).display().to_string();
    lines.save_as_text_files(&into("lines"), "");
    totals.mapped().map(|(key, count)| format!("{key} {count}")).save_as_text_files(&into("totals"), "");
    windowed
        .named("window")
        .map(|(key, count)| format!("{key} {count}"))
        .save_as_text_files(&into("window"), "");
    Ok(ssc)
}

fn lines(ssc: &StreamingContext, options: &Options) -> Result<DStream<BoxRdd<Text>>> {
    if let Some(dir) = &options.dir {
        return Ok(ssc.text_file_stream(dir)?.boxed());
    }
    let (lines, server) = ssc.acknowledged_socket_stream(options.listen.as_deref().unwrap_or_default())?;
    // Whoever started the program may have gone; it need not know.
    let _ = writeln!(io::stderr(), "listening on tcp://{}", server.local_addr());
    Ok(lines.boxed())
}

/// Adds what came of a key to what had come.
fn add(key: &Text, new: Option<u64>, total: &mut State<u64>) -> (Text, u64) {
    let sum = total.get().unwrap_or(&0) + new.unwrap_or(0);
    total.update(sum);
    (key.clone(), sum)
}
