//! The program whose latency is measured: from a socket a count of stamped lines by key, and when each line's result was there.

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::Parser;
use millstream::prelude::*;
use millstream_bench::latency::{BatchOutput, Latencies, Stretch, to_json};
use millstream_bench::socket::Sent;
use millstream_bench::{process, stamped};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Counts stamped lines by key in each batch, and tells after SIGTERM or Ctrl-C how long lines waited for their result
///
/// The first line of standard output says where it listens, the last one is a JSON object with the latencies in microseconds.
/// Settings come from MILLSTREAM_* variables, unless an option says otherwise.
#[derive(Parser)]
struct Options {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:0", value_name = "HOST:PORT")]
    listen: String,
    /// Lines that were due in the first so many seconds are not in the figures
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    warm_up: f64,
    /// Also write a row per batch to this file
    #[arg(long, value_name = "FILE.csv")]
    batches: Option<PathBuf>,
}

/// What the batches gave.
#[derive(Default)]
struct Tally {
    counted: Sent,
    batches: Vec<BatchOutput>,
}

fn main() -> Outcome {
    let options = Options::parse();
    let ssc = StreamingContext::new(Config::new().app_name("latency_engine").layered()?)?;
    let (lines, server) = ssc.socket_server_text_stream(&options.listen)?;
    let tally = count_by_key(&lines);
    ssc.start()?;
    say(&json!({ "listening": server.address().to_string() }).to_string());
    ssc.await_termination()?;
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(path) = &options.batches {
        write_rows(path, &tally.batches)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    report(&tally, (options.warm_up * 1e6) as u64)
}

fn say(line: &str) {
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(io::stdout(), "{line}");
}

/// The job: parse, count by key, and take the whole result out of each batch.
fn count_by_key(lines: &DStream<impl Rdd<Item = Text>>) -> Arc<Mutex<Tally>> {
    let stamps = lines.filter_map(|line| {
        let mut fields = line.split_whitespace();
        let due = stamped::due_us(&fields.next()?)?;
        Some((fields.next()?, Stretch::line(due)))
    });
    let counts = stamps.reduce_by_key(Stretch::with);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let filled = Arc::clone(&tally);
    counts.foreach_rdd(move |counts, time| {
        let keys = counts.collect()?;
        let out_us = stamped::now_us();
        let stretch = keys.iter().map(|(_, stretch)| *stretch).fold(Stretch::NONE, Stretch::with);
        if stretch.lines > 0 {
            let closed_us = u64::try_from(time.as_millis()).unwrap_or(0) * 1_000;
            let mut tally = filled.lock().unwrap_or_else(PoisonError::into_inner);
            tally.batches.push(BatchOutput { closed_us, out_us, stretch });
            keys.iter().for_each(|(key, stretch)| tally.counted.add_word(key.as_bytes(), stretch.lines));
        }
        Ok(())
    });
    tally
}

/// One row per batch, for plots over time.
fn write_rows(path: &PathBuf, batches: &[BatchOutput]) -> io::Result<()> {
    let mut file = io::BufWriter::new(std::fs::File::create(path)?);
    writeln!(file, "closed_us,out_us,lines,first_due_us,last_due_us")?;
    for BatchOutput { closed_us, out_us, stretch } in batches {
        writeln!(file, "{closed_us},{out_us},{},{},{}", stretch.lines, stretch.first_us, stretch.last_us)?;
    }
    file.flush()
}

fn report(tally: &Tally, warm_up_us: u64) -> Outcome {
    let latencies = Latencies::of(&tally.batches, warm_up_us)?;
    let report = json!({
        "done": true,
        "lines": tally.counted.words,
        "digest": tally.counted.digest.to_string(),
        "batches": tally.batches.len(),
        "unevenness_us": latencies.unevenness_us,
        "line_us": to_json(&latencies.lines),
        "newest_us": to_json(&latencies.newest),
        "close_to_output_us": to_json(&latencies.close_to_output),
        "cpu_ms": process::cpu_time().unwrap_or_default().as_millis() as u64,
        "peak_mb": process::peak_resident_mb(),
    });
    say(&report.to_string());
    Ok(())
}
