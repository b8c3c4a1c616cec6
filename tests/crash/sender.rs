//! A sender that keeps every line until it is acknowledged, and goes on behind that when it has to connect again.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::process::{Process, Random, eventually};

pub(crate) struct Sender {
    name: &'static str,
    /// All lines that it has ever made; it goes on from any of them.
    made: Vec<String>,
    /// So many are acknowledged.
    acknowledged: usize,
}

/// A connection, with how many lines it is to send.
pub(crate) struct Connection {
    stream: TcpStream,
    sent: usize,
    /// What of these the other side does not take yet.
    unsent: VecDeque<u8>,
    answers: Vec<u8>,
}

/// The `number`-th line: a key of a few, and what makes the line different from all others.
pub(crate) fn line(number: usize) -> String {
    format!("key-{} {number} {:x}", number * 7 % 23, (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

impl Sender {
    pub(crate) fn new(name: &'static str) -> Self {
        Sender { name, made: Vec::new(), acknowledged: 0 }
    }

    /// Sends lines to the process for a while. That may die meanwhile.
    pub(crate) fn serve(&mut self, process: &mut Process, during: Duration, random: &mut Random) {
        let end = Instant::now() + during;
        let Some(mut connection) = self.connect_to(process) else { return };
        while Instant::now() < end {
            if connection.unsent.is_empty() {
                self.make(&mut connection, random.below(300) as usize);
            }
            if self.exchange(&mut connection).is_none() {
                return;
            }
            std::thread::sleep(Duration::from_millis(random.below(10)));
        }
    }

    /// Sends what is not acknowledged, and waits until it is; all lines that there ever were.
    pub(crate) fn finish(&mut self, connection: &mut Connection) -> Vec<String> {
        if self.made.is_empty() {
            self.make(connection, 1);
        }
        let unsent = self.made[connection.sent..].iter().map(|line| format!("{line}\n"));
        connection.unsent.extend(unsent.collect::<String>().as_bytes());
        connection.sent = self.made.len();
        eventually("all lines are acknowledged", || {
            self.exchange(connection).expect("it lives");
            self.acknowledged == self.made.len()
        });
        self.made.clone()
    }

    /// The lines that are acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged
    }

    /// The lines that the connection has been given and that are not acknowledged.
    pub(crate) fn under_way(&self, connection: &Connection) -> usize {
        connection.sent - self.acknowledged
    }

    /// Connects to the process when that listens.
    pub(crate) fn connect_to(&mut self, process: &mut Process) -> Option<Connection> {
        let address = process.address()?;
        self.connect(address)
    }

    pub(crate) fn connect(&mut self, address: SocketAddr) -> Option<Connection> {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
        stream.write_all(format!("HELLO {}\n", self.name).as_bytes()).ok()?;
        let mut answer = String::new();
        BufReader::new(stream.try_clone().ok()?).read_line(&mut answer).ok()?;
        let durable: usize = answer.strip_prefix("ACK ")?.trim().parse().ok()?;
        assert!(
            durable >= self.acknowledged,
            "{durable} lines are durable, but {} were acknowledged",
            self.acknowledged
        );
        assert!(durable <= self.made.len(), "{durable} lines are durable of {}", self.made.len());
        self.acknowledged = durable;
        stream.set_nonblocking(true).ok()?;
        Some(Connection { stream, sent: durable, unsent: VecDeque::new(), answers: Vec::new() })
    }

    /// Gives the connection so many lines more to send: first those that another one had sent and nobody has acknowledged.
    pub(crate) fn make(&mut self, connection: &mut Connection, lines: usize) {
        let to = connection.sent + lines;
        while self.made.len() < to {
            self.made.push(line(self.made.len()));
        }
        let bytes: String = self.made[connection.sent..to].iter().map(|line| format!("{line}\n")).collect();
        connection.unsent.extend(bytes.as_bytes());
        connection.sent = to;
    }

    /// Sends what the other side takes, and takes the acknowledgements that have come; `None` when it is gone.
    pub(crate) fn exchange(&mut self, connection: &mut Connection) -> Option<()> {
        while !connection.unsent.is_empty() {
            match connection.stream.write(connection.unsent.make_contiguous()) {
                Ok(sent) => drop(connection.unsent.drain(..sent)),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        self.hear(connection)
    }

    /// Takes the acknowledgements that have come.
    fn hear(&mut self, connection: &mut Connection) -> Option<()> {
        let mut bytes = [0; 4_096];
        loop {
            match connection.stream.read(&mut bytes) {
                Ok(0) => return None,
                Ok(read) => connection.answers.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                Err(_) => return None,
            }
        }
        while let Some(end) = connection.answers.iter().position(|byte| *byte == b'\n') {
            let answer: Vec<u8> = connection.answers.drain(..=end).collect();
            let answer = String::from_utf8(answer).unwrap();
            let durable: usize = answer.strip_prefix("ACK ").unwrap().trim().parse().unwrap();
            assert!(self.acknowledged <= durable && durable <= connection.sent, "{answer}");
            self.acknowledged = durable;
        }
        Some(())
    }
}
