//! Sends lines by a schedule that nothing moves, and says as JSON lines how far it is and what came of it.

use std::error::Error;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Parser;
use millstream_bench::line_source::{LineSource, Repeated, Stamped};
use millstream_bench::open_loop::{Lateness, OpenLoop, Progress, Schedule, wake_punctually};
use millstream_bench::socket::Sent;
use millstream_bench::{latency, process, settings, stamped};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Sends lines at a fixed rate, each when it is due: an open loop, which a slow receiver cannot slow down
///
/// Standard output has a JSON object per line: `listening` (with --listen), `connected`, one per --report-ms, and in the end one
/// with `done`.
#[derive(Parser)]
struct Options {
    /// Connect to a program that listens there
    #[arg(long, value_name = "HOST:PORT", required_unless_present = "listen", conflicts_with = "listen")]
    connect: Option<SocketAddr>,
    /// Listen there (port 0: one that is free), for one program to connect
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<SocketAddr>,
    /// Lines per second
    #[arg(long)]
    rate: f64,
    /// For how long
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Bytes of a line, with its end
    #[arg(long, default_value_t = 100)]
    line_bytes: usize,
    /// Different keys of the lines
    #[arg(long, default_value_t = 1_000)]
    keys: usize,
    /// Send the lines of this file over and over, as they are; without it, lines of MOMENT KEY FILLING
    #[arg(long)]
    file: Option<PathBuf>,
    /// The shortest pause of the sender
    #[arg(long, default_value_t = 100, value_name = "MICROSECONDS")]
    pace_us: u64,
    /// How often to report
    #[arg(long, default_value_t = 1_000, value_name = "MILLISECONDS")]
    report_ms: u64,
    /// How long to try to connect
    #[arg(long, default_value_t = 20.0, value_name = "SECONDS")]
    patience: f64,
}

fn main() -> Outcome {
    let options = Options::parse();
    if !(options.rate.is_finite() && options.rate > 0.0 && options.seconds > 0.0) {
        return Err("--rate and --seconds must be above 0, or nothing would be sent".into());
    }
    match &options.file {
        None => deliver(&options, Stamped::new(settings::SEED, options.keys, options.line_bytes)),
        Some(path) => {
            let text =
                std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let lines =
                Repeated::new(text).ok_or_else(|| format!("{} has no line to send", path.display()))?;
            deliver(&options, lines)
        }
    }
}

fn say(object: &Value) {
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(io::stdout(), "{object}");
}

fn deliver(options: &Options, mut source: impl LineSource) -> Outcome {
    let mut socket = open(options)?;
    socket.set_nodelay(true)?;
    let schedule = Schedule::new(options.rate, Duration::from_secs_f64(options.seconds));
    let progress = Progress::default();
    wake_punctually();
    let made = process::cpu_time().unwrap_or_default();
    let (begin, begin_us) = (Instant::now(), stamped::now_us());
    say(&json!({ "connected": true, "begin_us": begin_us, "lines": schedule.lines() }));
    let sender = OpenLoop::new(schedule, Duration::from_micros(options.pace_us), &progress)?;
    let sent = std::thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        scope.spawn(|| report(ended, Duration::from_millis(options.report_ms), begin, schedule, &progress));
        let sent = sender.run(&mut socket, &mut source, begin, begin_us);
        drop(end);
        sent
    });
    let lateness = sent.map_err(|error| {
        format!("the program closed the connection after {} lines were sent: {error}", progress.sent())
    })?;
    let cpu = process::cpu_time().unwrap_or_default().saturating_sub(made);
    say(&summary(&source.given(), &lateness, begin.elapsed(), cpu));
    Ok(())
}

/// Tells how many lines are due and sent, until the sending ends.
#[expect(clippy::needless_pass_by_value, reason = "the thread that reports keeps the channel")]
fn report(
    ended: mpsc::Receiver<()>,
    every: Duration,
    begin: Instant,
    schedule: Schedule,
    progress: &Progress,
) {
    while ended.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
        let (elapsed, sent) = (begin.elapsed(), progress.sent());
        let behind = elapsed.saturating_sub(schedule.due(sent));
        say(&json!({
            "elapsed_ms": elapsed.as_millis() as u64,
            "due": schedule.due_by(elapsed),
            "sent": sent,
            "behind_ms": behind.as_secs_f64() * 1e3,
            "writing_ms": progress.writing().as_secs_f64() * 1e3,
        }));
    }
}

fn summary(sent: &Sent, lateness: &Lateness, elapsed: Duration, cpu: Duration) -> Value {
    json!({
        "done": true,
        "lines": sent.words,
        "bytes": sent.bytes,
        "digest": sent.digest.to_string(),
        "elapsed_ms": elapsed.as_millis() as u64,
        "writing_ms": lateness.writing.as_millis() as u64,
        "cpu_ms": cpu.as_millis() as u64,
        "own_lateness_us": latency::to_json(&lateness.own_us),
        "lateness_us": latency::to_json(&lateness.all_us),
    })
}

/// The connection to the program under test.
fn open(options: &Options) -> Outcome<TcpStream> {
    let patience = Duration::from_secs_f64(options.patience);
    if let Some(address) = options.listen {
        let listener =
            TcpListener::bind(address).map_err(|error| format!("cannot listen on {address}: {error}"))?;
        say(&json!({ "listening": listener.local_addr()?.to_string() }));
        return accept(&listener, patience);
    }
    let address = options.connect.ok_or("neither --connect nor --listen")?;
    let end = Instant::now() + patience;
    loop {
        match TcpStream::connect(address) {
            Ok(socket) => return Ok(socket),
            Err(error) if Instant::now() >= end => {
                let waited = patience.as_secs_f64();
                return Err(format!("nobody listens on {address} after {waited} s: {error}").into());
            }
            Err(_) => std::thread::sleep(CONNECT_AGAIN),
        }
    }
}

fn accept(listener: &TcpListener, patience: Duration) -> Outcome<TcpStream> {
    listener.set_nonblocking(true)?;
    let end = Instant::now() + patience;
    loop {
        match listener.accept() {
            Ok((socket, _)) => {
                socket.set_nonblocking(false)?;
                return Ok(socket);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && Instant::now() < end => {
                std::thread::sleep(CONNECT_AGAIN);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err("the program did not connect to the load generator in time".into());
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// How long a connection that cannot be made yet is left alone.
const CONNECT_AGAIN: Duration = Duration::from_millis(20);
