//! A receiver of your own: it reads lines from a server on a thread of its own.

use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use millstream::prelude::*;

mod common;
#[path = "common/streaming.rs"]
mod streaming;

/// Counts the words that a server sends, received by a receiver that this program brings along
#[derive(clap::Parser)]
#[command(after_help = "Example, in two terminals:\n  nc -lk 9999\n  custom_receiver localhost 9999")]
struct Options {
    /// The host of the server
    host: String,
    /// Its port
    port: u16,
    #[command(flatten)]
    streaming: streaming::Streaming,
}

fn main() -> ExitCode {
    common::run(|options: Options| {
        let ssc = options.streaming.context("CustomReceiver")?;

        let lines = ssc.receiver_stream(CustomReceiver::new(options.host, options.port))?;
        let words = lines.flat_map(|line| line.split_whitespace());
        let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
        counts.print();

        ssc.start()?;
        ssc.await_termination()?;
        Ok(())
    })
}

/// Receives lines from a server.
struct CustomReceiver {
    host: String,
    port: u16,
    is_stopped: Arc<AtomicBool>,
}

/// How long a read may wait before the thread looks whether it is to stop.
const READ_WAIT: Duration = Duration::from_millis(100);

impl CustomReceiver {
    fn new(host: String, port: u16) -> Self {
        CustomReceiver { host, port, is_stopped: Arc::default() }
    }
}

impl Receiver for CustomReceiver {
    type Format = Lines;

    /// Starts the thread that receives.
    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        self.is_stopped = Arc::default();
        let (address, is_stopped, cx) =
            ((self.host.clone(), self.port), Arc::clone(&self.is_stopped), cx.clone());
        thread::Builder::new().name("custom receiver".to_owned()).spawn(move || {
            let reason = match receive(&address, &is_stopped, &cx) {
                Ok(()) => "the server has no more data".to_owned(),
                Err(error) => format!("cannot receive from {}:{}: {error}", address.0, address.1),
            };
            if !is_stopped.load(Ordering::Acquire) {
                cx.restart(reason);
            }
        })?;
        Ok(())
    }

    /// Asks the thread to end.
    fn on_stop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
    }
}

/// Connects, and stores every line until there are no more or the receiver is stopped.
fn receive(
    address: &(String, u16),
    is_stopped: &AtomicBool,
    cx: &ReceiverContext<Lines>,
) -> Result<(), BoxError> {
    let server = TcpStream::connect(address)?;
    server.set_read_timeout(Some(READ_WAIT))?;
    let mut server = BufReader::new(server);
    let mut line = Vec::new();
    while !is_stopped.load(Ordering::Acquire) {
        match server.read_until(b'\n', &mut line) {
            Ok(0) if line.is_empty() => return Ok(()),
            Ok(_) => {
                cx.store(&Text::from_utf8_lossy(line.trim_ascii_end()).0)?;
                line.clear();
            }
            // What has come of the line stays in the buffer.
            Err(error) if is_timeout(&error) => (),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
