//! Sends text to whoever connects, at rates that rise step by step, and says what it has sent.
//!
//! `sender steps FILE FIRST_MB_PER_S FACTOR SECONDS_PER_STEP STEPS_MAX WARM_UP_SECONDS` listens on a free port, prints `port PORT`, sends
//! at the first rate while the receiver warms up, and prints after each step `step RATE BYTES SECONDS WORDS DIGEST`, the last two in
//! all. A step that the receiver holds up is over when its time is over;
//! after three steps in a row with less than 95 % of their rate it ends. `sender ceiling FILE SECONDS` sends to a thread of its own
//! that only reads, and prints `ceiling MB_PER_S`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use compare_programs::Outcome;
use millstream_bench::socket::Pieces;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A step with less than this part of its rate was held up by the receiver.
const REACHED: f64 = 0.95;
/// So many of them in a row are the end.
const MISSES_MAX: u32 = 3;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words[..] {
        ["steps", file, first, factor, seconds, most, warm_up] => {
            Stairs::of([first, factor, seconds, most, warm_up]).and_then(|stairs| steps(file, &stairs))
        }
        ["ceiling", file, seconds] => parse(seconds).and_then(|seconds| ceiling(file, seconds)),
        _ => Err(
            "usage: sender steps FILE FIRST FACTOR SECONDS STEPS_MAX WARM_UP | sender ceiling FILE SECONDS"
                .into(),
        ),
    };
    if let Err(error) = &outcome {
        // Nobody is left to be told when this fails.
        let _ = writeln!(std::io::stderr(), "error: {error}");
    }
    ExitCode::from(u8::from(outcome.is_err()))
}

fn parse(number: &str) -> Outcome<f64> {
    number.parse().map_err(|error| format!("{number:?}: {error}").into())
}

fn say(line: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// How the rate rises.
struct Stairs {
    first: f64,
    factor: f64,
    step: Duration,
    steps_max: u32,
    warm_up: Duration,
}

impl Stairs {
    fn of([first, factor, seconds, most, warm_up]: [&str; 5]) -> Outcome<Self> {
        Ok(Stairs {
            first: parse(first)?,
            factor: parse(factor)?,
            step: Duration::try_from_secs_f64(parse(seconds)?)?,
            steps_max: most.parse()?,
            warm_up: Duration::try_from_secs_f64(parse(warm_up)?)?,
        })
    }
}

fn steps(file: &str, stairs: &Stairs) -> Outcome {
    let pieces = Pieces::new(std::fs::read(file)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    say(&format!("port {}", listener.local_addr()?.port()))?;
    let (mut socket, _) = listener.accept()?;
    let (mut rate, mut misses) = (stairs.first, 0);
    let mut all = pieces.send(&mut socket, stairs.warm_up, Some(rate))?;
    for _ in 0..stairs.steps_max {
        let begin = Instant::now();
        let sent = pieces.send(&mut socket, stairs.step, Some(rate))?;
        let took = begin.elapsed().as_secs_f64();
        all.add(&sent);
        say(&format!("step {rate:.2} {} {took:.3} {} {}", sent.bytes, all.words, all.digest))?;
        misses = if (sent.bytes as f64) < REACHED * rate * 1e6 * took { misses + 1 } else { 0 };
        if misses == MISSES_MAX {
            break;
        }
        rate *= stairs.factor;
    }
    say("end")?;
    // Whoever reads would take the end of the connection for a failure: it stays until standard input is closed.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn ceiling(file: &str, seconds: f64) -> Outcome {
    let pieces = Pieces::new(std::fs::read(file)?);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut to = TcpStream::connect(listener.local_addr()?)?;
    let (mut from, _) = listener.accept()?;
    let reader = std::thread::spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        while matches!(from.read(&mut buffer), Ok(read) if read > 0) {}
    });
    let begin = Instant::now();
    let sent = pieces.send(&mut to, Duration::from_secs_f64(seconds), None)?;
    let rate = sent.bytes as f64 / 1e6 / begin.elapsed().as_secs_f64();
    drop(to);
    reader.join().map_err(|_| "the reader panicked")?;
    say(&format!("ceiling {rate:.1}"))
}
