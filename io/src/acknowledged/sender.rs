use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use memchr::{memchr, memchr_iter, memrchr};
use millstream_engine::BoxError;
use millstream_engine::receive::{Lines, ReceiverContext};

use super::senders::{Senders, Storing};
use super::server::AcknowledgedConfig;

/// The connection of one sender, on a thread of its own.
pub(super) struct Sender {
    pub(super) stream: TcpStream,
    pub(super) cx: ReceiverContext<Lines>,
    pub(super) senders: Arc<Senders>,
    pub(super) config: AcknowledgedConfig,
    pub(super) max_line: usize,
    pub(super) stopping: Arc<AtomicBool>,
}

/// What a sender is to the server: nobody, before its first line.
struct Identity {
    name: Option<(String, Storing)>,
    /// The number of its last durable line.
    acknowledged: u64,
}

/// How long a read waits before the thread looks whether it is wanted.
const LOOK_UP: Duration = Duration::from_millis(100);

/// How much is read, and made durable, at once.
const READ_BYTES: usize = 1 << 20;

const HELLO: &[u8] = b"HELLO ";

/// The longest name of a sender.
const NAME_BYTES_MAX: usize = 256;

impl Sender {
    /// Serves the sender until it leaves, breaks the protocol, or is not wanted any more.
    pub(super) fn run(mut self) {
        if let Err(error) = self.serve() {
            let peer =
                self.stream.peer_addr().map_or_else(|_| "a sender".to_owned(), |peer| peer.to_string());
            self.cx.report_error(
                format!("the connection of {peer} was closed; it may go on where it was"),
                error.to_string(),
            );
        }
    }

    fn serve(&mut self) -> Result<(), BoxError> {
        self.stream.set_read_timeout(Some(LOOK_UP))?;
        self.stream.set_nodelay(true)?;
        let mut identity = None;
        let mut buffer = Vec::new();
        while self.read(&mut buffer)? {
            if identity.is_none() {
                identity = self.introduce(&mut buffer)?;
            }
            if let Some(identity) = &mut identity
                && !self.take_lines(identity, &mut buffer)?
            {
                return Ok(());
            }
            if buffer.len() > self.max_line + READ_BYTES {
                return Err(format!(
                    "a line is longer than {} bytes (receiver.max_line_bytes)",
                    self.max_line
                )
                .into());
            }
        }
        Ok(())
    }

    /// Reads on; false at the end, and when the server stops.
    fn read(&mut self, buffer: &mut Vec<u8>) -> io::Result<bool> {
        let begin = buffer.len();
        buffer.resize(begin + READ_BYTES, 0);
        loop {
            if self.stopping.load(Ordering::Acquire) {
                return Ok(false);
            }
            match self.stream.read(&mut buffer[begin..]) {
                Ok(read) => {
                    buffer.truncate(begin + read);
                    return Ok(read > 0);
                }
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Finds out who it is, when the first line has come.
    fn introduce(&mut self, buffer: &mut Vec<u8>) -> Result<Option<Identity>, BoxError> {
        let Some(end) = memchr(b'\n', buffer) else { return Ok(None) };
        let Some(name) = buffer[..end].strip_prefix(HELLO) else {
            return Ok(Some(Identity { name: None, acknowledged: 0 }));
        };
        let name = str::from_utf8(name.trim_ascii())
            .ok()
            .filter(|name| !name.is_empty() && name.len() <= NAME_BYTES_MAX);
        let Some(name) = name.map(str::to_owned) else {
            return Err(format!("a sender's name must be 1 to {NAME_BYTES_MAX} bytes of UTF-8").into());
        };
        buffer.drain(..=end);
        let Some(storing) = self.senders.begin(&name, self.config.max_senders) else {
            return Err(
                format!("{} senders have names already (max_senders)", self.config.max_senders).into()
            );
        };
        let acknowledged = self.cx.stored_of(&name);
        self.acknowledge(acknowledged)?;
        Ok(Some(Identity { name: Some((name, storing)), acknowledged }))
    }

    /// Stores the whole lines of the buffer and acknowledges them; false when another connection has taken the sender's name.
    fn take_lines(&mut self, identity: &mut Identity, buffer: &mut Vec<u8>) -> Result<bool, BoxError> {
        let Some(end) = memrchr(b'\n', buffer) else { return Ok(true) };
        let lines = &buffer[..=end];
        let number = identity.acknowledged + memchr_iter(b'\n', lines).count() as u64;
        match &identity.name {
            None => self.cx.store_bytes(lines)?,
            Some((name, storing)) => match storing.store(|| self.cx.store_bytes_of(name, number, lines)) {
                Some(stored) => stored?,
                None => return Ok(false),
            },
        }
        identity.acknowledged = number;
        buffer.drain(..=end);
        self.acknowledge(number)?;
        Ok(true)
    }

    fn acknowledge(&mut self, number: u64) -> io::Result<()> {
        let answer = format!("ACK {number}\n");
        let mut left = answer.as_bytes();
        while !left.is_empty() {
            match self.stream.write(left) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => left = &left[written..],
                Err(error) if is_pause(&error) && !self.stopping.load(Ordering::Acquire) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn is_pause(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}
