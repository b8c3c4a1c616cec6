//! From a socket to a result: a word count over batches, with the sender as a process of its own on the same machine.
//!
//! `run` starts the sender, counts until the sender is done and everything it sent is counted, and checks that it is exactly that.
//! `send` is the sender. `idle` measures what a context costs that has nothing to do.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use millstream::observe::{BatchInfo, StreamingListener};
use millstream::prelude::*;
use millstream_bench::socket::{Pieces, Sent};
use millstream_bench::{process, settings, workload};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Measures word count from a socket
#[derive(Parser)]
enum Options {
    /// Starts a sender and counts what it sends
    Run(RunOptions),
    /// Sends text to an engine and says what it has sent
    Send {
        /// Where the engine listens
        to: SocketAddr,
        #[command(flatten)]
        load: Load,
    },
    /// Runs batches without data and says what they cost
    Idle {
        /// Length of a batch in milliseconds
        #[arg(long, default_value_t = 10)]
        interval_ms: u64,
        /// How long
        #[arg(long, default_value_t = 10)]
        seconds: u64,
        /// With a listener, which every event is told to
        #[arg(long)]
        listen: bool,
    },
}

#[derive(clap::Args)]
struct RunOptions {
    /// Length of a batch in milliseconds
    #[arg(long, default_value_t = 1_000)]
    interval_ms: u64,
    /// Where to run; else with a thread more than there are cores, as the receiver's thread leaves most of its core to others
    #[arg(long)]
    master: Option<Master>,
    /// Keep a write-ahead log and checkpoints in this directory, which must be new or empty
    #[arg(long, value_name = "DIR")]
    checkpoint: Option<std::path::PathBuf>,
    #[command(flatten)]
    load: Load,
}

#[derive(clap::Args)]
struct Load {
    /// How long to send
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// MB per second to send; without it, as fast as the engine takes it
    #[arg(long)]
    rate: Option<f64>,
    /// A file to send over and over; without it, generated text of BENCH_MB
    #[arg(long)]
    file: Option<std::path::PathBuf>,
}

fn main() -> Outcome {
    match Options::parse() {
        Options::Run(options) => run(&options),
        Options::Send { to, load } => send(to, &load),
        Options::Idle { interval_ms, seconds, listen } => idle(interval_ms, seconds, listen),
    }
}

fn say(line: &str) {
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// What the batches gave, in all.
#[derive(Debug, Default)]
struct Tally {
    counted: Sent,
    /// When the first batch with words was counted, and how many words it had.
    first: Option<(Instant, u64)>,
    last: Option<Instant>,
}

/// Prints a row per batch and keeps the worst delay.
#[derive(Default)]
struct Rows(Mutex<Worst>);

#[derive(Clone, Copy, Default)]
struct Worst {
    batches: u64,
    scheduling: Duration,
    processing: Duration,
}

impl StreamingListener for Rows {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        let bytes: u64 = batch.stream_id_to_input_info.values().map(|input| input.bytes).sum();
        let scheduling = batch.scheduling_delay().unwrap_or_default();
        let processing = batch.processing_delay().unwrap_or_default();
        say(&format!(
            "{},{:.1},{},{},{},{:.1}",
            batch.batch_time.as_millis(),
            bytes as f64 / 1e6,
            batch.num_records(),
            scheduling.as_millis(),
            processing.as_millis(),
            process::resident_mb().unwrap_or(f64::NAN),
        ));
        let mut worst = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        worst.batches += 1;
        worst.scheduling = worst.scheduling.max(scheduling);
        worst.processing = worst.processing.max(processing);
    }
}

fn run(options: &RunOptions) -> Outcome {
    let config = Config::new().batch_interval(Duration::from_millis(options.interval_ms));
    let cores = std::thread::available_parallelism()?.get();
    let master = options.master.unwrap_or(Master::Local(cores + 1));
    let ssc = StreamingContext::new(config.master(master).app_name("socket_throughput"))?;
    let (lines, server) = ssc.socket_server_text_stream("127.0.0.1:0")?;
    let tally = count_words(&lines);
    if let Some(dir) = &options.checkpoint {
        ssc.checkpoint(dir)?;
    }
    let rows = Arc::new(Rows::default());
    ssc.add_listener(Arc::clone(&rows) as _);

    say("batch_ms,received_mb,records,scheduling_ms,processing_ms,rss_mb");
    ssc.start()?;
    let address = server.local_addr().ok_or("the server has no TCP address")?;
    let sender = start_sender(address, &options.load)?;
    let (sent, sender_cpu) = outcome_of(sender)?;
    await_all(&ssc, &tally, &sent)?;
    ssc.stop(true)?;
    report(&tally.lock().unwrap_or_else(PoisonError::into_inner), &rows, &sent, sender_cpu)
}

/// The word count, whose results of each batch go into a tally.
fn count_words(lines: &DStream<impl Rdd<Item = Text>>) -> Arc<Mutex<Tally>> {
    let words = lines.flat_map(|line| line.split_whitespace());
    let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let filled = Arc::clone(&tally);
    counts.foreach_rdd(move |counts, _| {
        let mut batch = Sent::default();
        for (word, count) in counts.collect()? {
            batch.add_word(word.as_bytes(), count);
        }
        if batch.words > 0 {
            let mut tally = filled.lock().unwrap_or_else(PoisonError::into_inner);
            tally.counted.add(&batch);
            tally.first.get_or_insert_with(|| (Instant::now(), batch.words));
            tally.last = Some(Instant::now());
        }
        Ok(())
    });
    tally
}

fn start_sender(to: SocketAddr, load: &Load) -> Outcome<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["send", &to.to_string(), "--seconds", &load.seconds.to_string()]);
    if let Some(rate) = load.rate {
        command.args(["--rate", &rate.to_string()]);
    }
    if let Some(file) = &load.file {
        command.arg("--file").arg(file);
    }
    Ok(command.stdout(Stdio::piped()).spawn()?)
}

/// Waits for the sender; its one line says what it has sent and what that cost it.
fn outcome_of(mut sender: Child) -> Outcome<(Sent, Duration)> {
    let output = sender.stdout.take().ok_or("the sender has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    if !sender.wait()?.success() {
        return Err("the sender failed".into());
    }
    let fields: Vec<u64> = line.split_whitespace().filter_map(|field| field.parse().ok()).collect();
    let [bytes, words, digest, cpu_ms] = fields[..] else {
        return Err(format!("the sender said {line:?}").into());
    };
    Ok((Sent { bytes, words, digest }, Duration::from_millis(cpu_ms)))
}

/// Waits until as many words are counted as were sent: a backlog takes time.
fn await_all(ssc: &StreamingContext, tally: &Mutex<Tally>, sent: &Sent) -> Outcome {
    let end = Instant::now() + Duration::from_secs(60);
    while tally.lock().unwrap_or_else(PoisonError::into_inner).counted.words < sent.words {
        if ssc.await_termination_or_timeout(Duration::from_millis(20))? || Instant::now() > end {
            break;
        }
    }
    Ok(())
}

fn report(tally: &Tally, rows: &Rows, sent: &Sent, sender_cpu: Duration) -> Outcome {
    if (tally.counted.words, tally.counted.digest) != (sent.words, sent.digest) {
        return Err(format!("counted {:?}, but sent {sent:?}: no figures", tally.counted).into());
    }
    let worst = *rows.0.lock().unwrap_or_else(PoisonError::into_inner);
    let cpu = process::cpu_time().unwrap_or_default();
    let gigabytes = sent.bytes as f64 / 1e9;
    say(&format!("# answer: {} words, each of them counted", sent.words));
    say(&format!("# sent and counted: {:.0} MB in {} batches", sent.bytes as f64 / 1e6, worst.batches));
    say(&format!("# worst scheduling delay {:?}, worst processing {:?}", worst.scheduling, worst.processing));
    say(&format!(
        "# processor time per GB: engine {:.2} s, sender {:.2} s",
        cpu.as_secs_f64() / gigabytes,
        sender_cpu.as_secs_f64() / gigabytes,
    ));
    say(&format!("# peak resident memory: {:.0} MB", process::peak_resident_mb().unwrap_or(f64::NAN)));
    if let (Some((first, words)), Some(last)) = (tally.first, tally.last) {
        let seconds = (last - first).as_secs_f64();
        let counted = sent.bytes as f64 / 1e6 * (sent.words - words) as f64 / sent.words as f64;
        say(&format!("# first result to last: {seconds:.2} s, {:.1} MB/s", counted / seconds));
    }
    Ok(())
}

fn send(to: SocketAddr, load: &Load) -> Outcome {
    let bytes = match &load.file {
        Some(file) => std::fs::read(file)?,
        None => workload::text::Text::generate(settings::SEED, settings::bytes()).bytes,
    };
    let pieces = Pieces::new(bytes);
    let made = process::cpu_time().unwrap_or_default();
    let mut socket = TcpStream::connect(to)?;
    let sent = pieces.send(&mut socket, Duration::from_secs(load.seconds), load.rate)?;
    let cpu = process::cpu_time().unwrap_or_default().saturating_sub(made);
    say(&format!("{} {} {} {}", sent.bytes, sent.words, sent.digest, cpu.as_millis()));
    Ok(())
}

/// Wants to hear everything, and does nothing with it.
struct Ear;

impl StreamingListener for Ear {}

fn idle(interval_ms: u64, seconds: u64, listen: bool) -> Outcome {
    let config = Config::new().batch_interval(Duration::from_millis(interval_ms));
    let ssc = StreamingContext::new(config.app_name("idle"))?;
    let (lines, _server) = ssc.socket_server_text_stream("127.0.0.1:0")?;
    let tally = count_words(&lines);
    if listen {
        ssc.add_listener(Arc::new(Ear));
    }
    ssc.start()?;
    std::thread::sleep(Duration::from_secs(1));
    let (cpu, start) = (process::cpu_time().ok_or("this needs /proc")?, Instant::now());
    std::thread::sleep(Duration::from_secs(seconds));
    let cpu = process::cpu_time().ok_or("this needs /proc")?.saturating_sub(cpu);
    let share = 100.0 * cpu.as_secs_f64() / start.elapsed().as_secs_f64();
    ssc.stop(true)?;
    let counted = tally.lock().unwrap_or_else(PoisonError::into_inner).counted.words;
    if counted != 0 {
        return Err(format!("counted {counted} words that nobody sent").into());
    }
    say(&format!("# idle with batches of {interval_ms} ms: {share:.2} % of a core"));
    Ok(())
}
