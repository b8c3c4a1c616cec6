//! A receiver of your own that loses nothing and takes nothing twice: it acknowledges records when they are safe, and knows those
//! that come again by their numbers.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::process::ExitCode;

use millstream::prelude::*;

mod common;
#[path = "common/streaming.rs"]
mod streaming;

/// Writes down the records of a server that keeps each until it is acknowledged, every record once, whatever happens to the process
///
/// The server says HELLO and its name; then it sends its records, one a line, NUMBER TEXT, numbered from 1 without a gap, from the first
/// one that is not acknowledged. `ACK NUMBER` tells it that all up to this one are safe, so that it may forget them. Each batch becomes a
/// folder, PREFIX/records-TIME. Kill the program and start it again with the same options: it goes on where it was.
#[derive(clap::Parser)]
#[command(after_help = "Example, in two terminals:
  printf 'HELLO shop\\n1 apples\\n2 pears\\n' | nc -l -p 9999
  reliable_custom_receiver localhost:9999 --checkpoint /tmp/orders/checkpoint --output /tmp/orders")]
struct Options {
    /// The address of the server
    #[arg(value_name = "HOST:PORT")]
    server: String,
    /// Where to keep what is needed to go on
    #[arg(long, value_name = "PATH")]
    checkpoint: PathBuf,
    /// Where to put the records: the parent of the folders
    #[arg(long, value_name = "PATH")]
    output: PathBuf,
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
    let ssc = options.streaming.context("ReliableCustomReceiver")?;
    let receiver = ReliableReceiver { server: options.server.clone(), connection: None };
    let records = ssc.receiver_stream(receiver)?;
    records.save_as_text_files(&options.output.join("records").display().to_string(), "");
    Ok(ssc)
}

/// Receives numbered records from a server that waits for acknowledgements.
struct ReliableReceiver {
    server: String,
    connection: Option<Connection>,
}

/// How long a server may be silent when it is connected to, and when it is answered.
const PATIENCE: Duration = Duration::from_secs(5);

impl Receiver for ReliableReceiver {
    type Format = Lines;

    fn on_start(&mut self, _cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        let stream = connect(&self.server)?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        self.connection = Some(Connection { stream, name: None, unread: Vec::new() });
        Ok(())
    }

    fn on_stop(&mut self) {
        self.connection = None;
    }

    /// Takes what has come. After an error the engine starts the receiver again, and the server sends again what is not acknowledged.
    fn poll(&mut self, cx: &ReceiverContext<Lines>, timeout: Duration) -> Result<(), BoxError> {
        let Some(connection) = self.connection.as_mut().filter(|_| cx.builder().has_room()) else {
            // What cannot be stored is not read, and so the server waits.
            std::thread::park_timeout(timeout);
            return Ok(());
        };
        connection.read(timeout)?;
        connection.store(cx)
    }
}

fn connect(server: &str) -> io::Result<TcpStream> {
    let mut outcome = Err(io::Error::other(format!("{server} has no address")));
    for address in server.to_socket_addrs()? {
        outcome = TcpStream::connect_timeout(&address, PATIENCE);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

struct Connection {
    stream: TcpStream,
    /// Of the server, when it has said it. Numbers count for a name: a server that begins anew at 1 takes a new one.
    name: Option<String>,
    /// What has come and is not stored.
    unread: Vec<u8>,
}

/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// The longest line.
const LINE_BYTES_MAX: usize = 1 << 20;

impl Connection {
    /// Waits for more, for `timeout` at the most.
    fn read(&mut self, timeout: Duration) -> Result<(), BoxError> {
        self.stream.set_read_timeout(Some(timeout.max(Duration::from_millis(1))))?;
        let mut bytes = [0; READ_BYTES];
        match self.stream.read(&mut bytes) {
            Ok(0) => return Err("the server has closed the connection".into()),
            Ok(read) => self.unread.extend_from_slice(&bytes[..read]),
            Err(error) if is_timeout(&error) => (),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Stores the lines that are whole as one block, and acknowledges them when they are safe: not before `store_block_of` returns.
    fn store(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        let Some(end) = self.unread.iter().rposition(|byte| *byte == b'\n') else {
            let is_bounded = self.unread.len() <= LINE_BYTES_MAX;
            return is_bounded.then_some(()).ok_or_else(|| "a line of the server does not end".into());
        };
        let lines: Vec<u8> = self.unread.drain(..=end).collect();
        let lines = String::from_utf8_lossy(&lines);
        let mut lines = lines.lines();
        let name = match self.name.take() {
            Some(name) => name,
            None => greeting(lines.next().unwrap_or_default())?,
        };
        let stored = cx.stored_of(&name);
        let records = records_behind(stored, lines)?;
        if !records.is_empty() {
            cx.store_block_of(&name, stored + records.len() as u64, records)?;
        }
        writeln!(self.stream, "ACK {}", cx.stored_of(&name))?;
        self.name = Some(name);
        Ok(())
    }
}

fn greeting(line: &str) -> Result<String, BoxError> {
    let name = line.strip_prefix("HELLO ").map(str::trim).filter(|name| !name.is_empty());
    Ok(name.map(str::to_owned).ok_or("the server does not begin with HELLO and its name")?)
}

/// The records that are not `stored` yet. When a crash swallows an acknowledgement, the server sends again what is safe already: the
/// number tells.
fn records_behind<'a>(stored: u64, lines: impl Iterator<Item = &'a str>) -> Result<Vec<Text>, BoxError> {
    let mut records = Vec::new();
    for line in lines {
        let number = line.split(' ').next().unwrap_or_default();
        let number: u64 = number.parse().map_err(|_| format!("{line:?} does not begin with a number"))?;
        let next = stored + records.len() as u64 + 1;
        if number > next {
            let message =
                format!("record {number} came where {next} was due: have the server send from {next}");
            return Err(message.into());
        }
        if number == next {
            records.push(Text::from(line));
        }
    }
    Ok(records)
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}
