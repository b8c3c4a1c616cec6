//! A receiver that a user wrote, with a server that sends again what was not acknowledged: the example is killed.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::ledger::Ledger;
use crate::oracle::{batches, check_lines};
use crate::process::{Folder, Program, Random, eventually};
use crate::sender::line;
use crate::{cycles, life};

/// A server of numbered records that keeps each until it is acknowledged.
struct Server {
    listener: TcpListener,
    connection: Option<TcpStream>,
    answers: Vec<u8>,
    /// The number of the last record that was made, and of the last one that the connection was given.
    made: u64,
    sent: u64,
    /// The number in the last acknowledgement, and in the one before it.
    acknowledged: u64,
    before: u64,
    /// Records that were sent again although they had been acknowledged.
    repeated: u64,
}

/// Records that may be under way: they have room in the buffers of a connection, so that sending never waits.
const UNDER_WAY_MAX: u64 = 1_000;

/// How long the server waits for an answer before it goes on.
const PAUSE: Duration = Duration::from_millis(5);

fn record(number: u64) -> String {
    format!("{number} {}", line(number as usize))
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (made, sent, acknowledged, before, repeated) = (0, 0, 0, 0, 0);
        Server { listener, connection: None, answers: Vec::new(), made, sent, acknowledged, before, repeated }
    }

    fn address(&self) -> String {
        self.listener.local_addr().unwrap().to_string()
    }

    /// Sends up to so many records, new ones if need be, and takes the answers that come.
    fn serve(&mut self, records: u64) {
        while let Ok((stream, _)) = self.listener.accept() {
            self.begin(stream);
        }
        let Some(mut stream) = self.connection.take() else { return };
        let to = (self.sent + records).min(self.acknowledged + UNDER_WAY_MAX).max(self.sent);
        let lines: String = (self.sent + 1..=to).map(|number| record(number) + "\n").collect();
        (self.sent, self.made) = (to, self.made.max(to));
        if stream.write_all(lines.as_bytes()).is_ok() && self.hear(&mut stream) {
            self.connection = Some(stream);
        }
    }

    /// Goes on behind the last acknowledgement but one: it takes the last one for lost on its way, which a kill can bring about.
    fn begin(&mut self, mut stream: TcpStream) {
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PAUSE)).unwrap();
        self.repeated += self.acknowledged - self.before;
        (self.sent, self.answers) = (self.before, Vec::new());
        self.connection = stream.write_all(b"HELLO records\n").is_ok().then_some(stream);
    }

    /// Takes the acknowledgements that have come; false when the other side is gone.
    fn hear(&mut self, stream: &mut TcpStream) -> bool {
        let mut bytes = [0; 4_096];
        match stream.read(&mut bytes) {
            Ok(0) => return false,
            Ok(read) => self.answers.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => (),
            Err(_) => return false,
        }
        while let Some(end) = self.answers.iter().position(|byte| *byte == b'\n') {
            let answer: Vec<u8> = self.answers.drain(..=end).collect();
            self.acknowledge(String::from_utf8(answer).unwrap().trim());
        }
        true
    }

    fn acknowledge(&mut self, answer: &str) {
        let number: u64 = answer.strip_prefix("ACK ").unwrap().parse().unwrap();
        assert!(number >= self.acknowledged, "{answer}, but {} were acknowledged before", self.acknowledged);
        assert!(number <= self.made, "{answer}, but there are only {}", self.made);
        if number > self.acknowledged {
            (self.before, self.acknowledged) = (self.acknowledged, number);
        }
    }
}

#[test]
fn nothing_that_a_receiver_of_the_users_own_acknowledges_is_lost_or_comes_twice() {
    let (folder, mut random) = (Folder::new(), Random::new(23));
    let mut server = Server::new();
    let program = Program::of_example("reliable_custom_receiver", folder.path(), &[&server.address()]);
    let cycles = cycles(5);
    let mut ledger = Ledger::new("kill -9, custom receiver with acknowledgements to files", cycles);
    for cycle in 0..cycles {
        let mut process = program.start();
        let (before, end) = (server.acknowledged, Instant::now() + life(&mut random));
        // Some lives end at any moment, others in the midst of their work.
        let is_over = |now: u64| if cycle % 2 == 0 { now > before } else { Instant::now() > end };
        eventually("something is acknowledged", || {
            server.serve(random.below(100));
            is_over(server.acknowledged)
        });
        process.kill();
    }
    let mut process = program.start();
    eventually("all records are acknowledged", || {
        server.serve(server.made - server.sent);
        server.connection.is_some() && server.acknowledged == server.made
    });
    process.stop();
    let sent: Vec<String> = (1..=server.made).map(record).collect();
    let found = check_lines(&batches(&program.output(), "records"), &sent);
    ledger.set("repeated", server.repeated);
    ledger.set("memory_max_kib", program.memory_kib());
    found.note(ledger, folder.path());
    assert!(found.is_exact(), "{found:?}");
    assert!(server.repeated > 0, "no record was sent again");
    program.assert_memory_is_bounded();
}
