//! A sender that keeps every line until it is acknowledged, and goes on behind that when it has to connect again.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use crate::process::{Process, Random, eventually};

pub(crate) struct Sender {
    name: &'static str,
    /// All lines that it has ever made; it goes on from any of them.
    made: Vec<String>,
    /// So many are acknowledged.
    acknowledged: usize,
}

/// A connection, with how many lines it has sent.
struct Connection {
    stream: TcpStream,
    sent: usize,
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
        let Some(mut connection) = process.address().and_then(|address| self.connect(address)) else {
            return;
        };
        while Instant::now() < end {
            let more = connection.sent + random.below(300) as usize;
            if self.send(&mut connection, more).and_then(|()| self.hear(&mut connection)).is_none() {
                return;
            }
            std::thread::sleep(Duration::from_millis(random.below(10)));
        }
    }

    /// Sends what is not acknowledged, and waits until it is; all lines that there ever were.
    pub(crate) fn finish(&mut self, process: &mut Process) -> Vec<String> {
        let address = process.address().expect("it listens");
        let mut connection = self.connect(address).expect("it answers");
        let all = self.made.len().max(1);
        self.send(&mut connection, all).expect("it reads");
        eventually("all lines are acknowledged", || {
            self.hear(&mut connection).expect("it lives");
            self.acknowledged == all
        });
        self.made.clone()
    }

    fn connect(&mut self, address: std::net::SocketAddr) -> Option<Connection> {
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
        Some(Connection { stream, sent: durable, answers: Vec::new() })
    }

    /// Sends the lines up to number `to`.
    fn send(&mut self, connection: &mut Connection, to: usize) -> Option<()> {
        while self.made.len() < to {
            self.made.push(line(self.made.len()));
        }
        let lines = &self.made[connection.sent..to];
        let bytes: String = lines.iter().map(|line| format!("{line}\n")).collect();
        connection.sent = to;
        connection.stream.set_nonblocking(false).ok()?;
        connection.stream.write_all(bytes.as_bytes()).ok()?;
        connection.stream.set_nonblocking(true).ok()
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
