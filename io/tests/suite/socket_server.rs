use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines, Write, stdin, stdout};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdout, Command, Stdio};

use millstream_engine::Text;
use millstream_engine::testkit::{Collected, TestContext};
use millstream_io::Sources;
use millstream_io::socket::{ServerHandle, SocketServerConfig};

use crate::senders::{reset, send};
use crate::support::{Told, config, context, counted, records, run_until, wait_until, with_room};

fn server(test: &TestContext, bind: &str) -> (Collected<Text>, ServerHandle) {
    let (stream, handle) = test.socket_server_text_stream(bind).unwrap();
    (test.collect(&stream), handle)
}

fn connect(handle: &ServerHandle) -> TcpStream {
    TcpStream::connect(handle.local_addr().unwrap()).unwrap()
}

#[test]
fn half_lines_of_many_senders_are_not_mixed() {
    let test = context(config());
    let (seen, handle) = server(&test, "127.0.0.1:0");
    test.run(1).unwrap();
    let mut senders: Vec<_> = (0..20).map(|_| connect(&handle)).collect();
    for part in ["begin #, ", "middle #, ", "end #\r", "\n", "last #"] {
        for (i, sender) in senders.iter_mut().enumerate() {
            send(sender, part.replace('#', &i.to_string()));
        }
        test.run(1).unwrap();
    }
    wait_until("all are connected", || handle.connections() == 20);
    drop(senders);
    let mut all = records(&test, &seen, 40);
    all.sort();
    let line = |i| [format!("begin {i}, middle {i}, end {i}"), format!("last {i}")];
    let mut expected: Vec<_> = (0..20).flat_map(line).collect();
    expected.sort();
    assert_eq!(all, expected.as_slice());
    wait_until("all are gone", || handle.connections() == 0);
}

#[test]
fn a_sender_that_resets_leaves_its_half_line_and_harms_no_other() {
    let test = context(config());
    let (seen, handle) = server(&test, "tcp://127.0.0.1:0");
    test.run(1).unwrap();
    let (mut good, mut bad) = (connect(&handle), connect(&handle));
    send(&mut good, "good be");
    send(&mut bad, "bad line\nbad ha");
    run_until(&test, "the bad line", || seen.all() == ["bad line"]);
    reset(bad);
    run_until(&test, "the half line", || seen.all() == ["bad line", "bad ha"]);
    send(&mut good, "ginning\n");
    assert_eq!(records(&test, &seen, 3), ["bad line", "bad ha", "good beginning"]);
    assert_eq!(counted(&test, "half lines"), "1");
}

#[test]
fn a_unix_socket_takes_lines_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.sock");
    let test = context(config());
    let (seen, handle) = server(&test, &format!("unix:{}", path.display()));
    assert_eq!(handle.local_addr(), None);
    let mut sender = UnixStream::connect(&path).unwrap();
    sender.write_all(b"sent before the start\nlast").unwrap();
    drop(sender);
    test.run(1).unwrap();
    assert_eq!(records(&test, &seen, 2), ["sent before the start", "last"]);
    test.stop(true).unwrap();
    assert!(!path.exists(), "the socket is removed");
}

#[test]
fn a_port_in_use_is_told_where_the_stream_is_defined() {
    let test = context(config());
    let (_, handle) = server(&test, "127.0.0.1:0");
    let error = test.socket_server_text_stream(&handle.address().to_string()).err().unwrap().to_string();
    for part in ["cannot listen", "127.0.0.1", "nothing can be received", "port 0"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn senders_above_the_limit_are_refused_counted_and_reported() {
    let test = context(config());
    let told = Told::listen(&test);
    let limits = SocketServerConfig { max_connections: 2 };
    let (stream, handle) = test.socket_server_text_stream_with("127.0.0.1:0", limits).unwrap();
    let seen = test.collect(&stream);
    test.run(1).unwrap();
    let mut senders = [connect(&handle), connect(&handle)];
    wait_until("two are connected", || handle.connections() == 2);
    let _third = connect(&handle);
    wait_until("the third is refused", || counted(&test, "refused connections") == "1");
    wait_until("the refusal is reported", || told.has_error("Raise max_connections"));
    send(&mut senders[0], "one\n");
    drop(senders);
    wait_until("there is a place", || handle.connections() == 0);
    send(&mut connect(&handle), "two\n");
    assert_eq!(records(&test, &seen, 2), ["one", "two"]);
}

#[test]
fn senders_wait_while_there_is_no_room_and_none_is_forgotten() {
    let test = context(with_room(16 << 10));
    let (seen, handle) = server(&test, "127.0.0.1:0");
    test.run(1).unwrap();
    let writers: Vec<_> = (0..8).map(|i| write_lines(handle.local_addr().unwrap(), i, 20_000)).collect();
    run_until(&test, "all lines", || seen.batches().iter().map(Vec::len).sum::<usize>() == 160_000);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    assert_eq!(seen.all().into_iter().collect::<BTreeSet<_>>().len(), 160_000);
}

fn write_lines(to: SocketAddr, sender: usize, lines: usize) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        let text: String = (0..lines).map(|line| format!("{sender}-{line}\n")).collect();
        send(&mut stream, text);
    })
}

/// Senders that are connected: has each send the line of this number.
type SendLine = Box<dyn FnMut(usize)>;

/// Has `connections` senders connected at one time, each sending `lines` lines, in two halves.
fn many_connections(connections: usize, lines: usize, begin: impl FnOnce(SocketAddr, usize) -> SendLine) {
    let test = context(config());
    let (seen, handle) = server(&test, "127.0.0.1:0");
    test.run(1).unwrap();
    let mut send_line = begin(handle.local_addr().unwrap(), connections);
    wait_until("all are connected", || handle.connections() == connections);
    for line in 0..lines {
        send_line(line);
        test.run(1).unwrap();
    }
    drop(send_line);
    run_until(&test, "all lines", || {
        seen.batches().iter().map(Vec::len).sum::<usize>() >= connections * lines
    });
    let all = seen.all();
    assert_eq!(all.len(), connections * lines);
    let expected =
        (0..connections).flat_map(|i| (0..lines).map(move |line| format!("{i} sends its line {line}")));
    let all: BTreeSet<_> = all.iter().map(|line| line.as_str().to_owned()).collect();
    assert_eq!(all, expected.collect());
}

fn in_this_process(to: SocketAddr, connections: usize) -> SendLine {
    let mut senders: Vec<_> = (0..connections).map(|_| TcpStream::connect(to).unwrap()).collect();
    Box::new(move |line| {
        for (i, sender) in senders.iter_mut().enumerate() {
            send(sender, format!("{i} sends its li"));
            send(sender, format!("ne {line}\n"));
        }
    })
}

/// What the senders' process is told: where to connect, and how often.
const SENDERS: &str = "MILLSTREAM_TEST_SENDERS";

/// The process of the senders, which sends a line of each for every number that it reads, and says so.
struct Senders {
    child: Child,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Senders {
    /// This program, told to run the test that is theirs.
    fn start(to: SocketAddr, connections: usize) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "socket_server::senders_of_another_process", "--nocapture"]);
        command.env(SENDERS, format!("{to} {connections}")).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        Senders { child, answers }
    }

    fn send_line(&mut self, line: usize) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let sent = self.answers.any(|answer| answer.unwrap().ends_with(&sent(line)));
        assert!(sent, "the senders have ended");
    }
}

/// They close their connections and end when there is nothing more to read.
impl Drop for Senders {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn sent(line: usize) -> String {
    format!("line {line} is sent")
}

/// Has nothing to do among the other tests.
#[test]
fn senders_of_another_process() {
    let Ok(told) = std::env::var(SENDERS) else { return };
    let (to, connections) = told.split_once(' ').unwrap();
    open_files_max();
    let mut send_line = in_this_process(to.parse().unwrap(), connections.parse().unwrap());
    for line in stdin().lines() {
        let line = line.unwrap().parse().unwrap();
        send_line(line);
        writeln!(stdout(), "{}", sent(line)).unwrap();
    }
}

/// How many files this process may have open, made as many as it may make them.
fn open_files_max() -> u64 {
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, limit);
    limit.current.unwrap_or(u64::MAX)
}

#[test]
fn a_thousand_senders_lose_nothing() {
    many_connections(1_000, 5, in_this_process);
}

/// Each end is in a process of its own: a connection is one of the files that it may have.
#[test]
fn ten_thousand_senders_lose_nothing() {
    let files = usize::try_from(open_files_max()).unwrap();
    let connections = files.saturating_sub(1_000).min(10_000);
    if connections < 10_000 {
        eprintln!("only {connections} senders: {files} open files are allowed (ulimit -Hn)");
    }
    many_connections(connections, 2, |to, connections| {
        let mut senders = Senders::start(to, connections);
        Box::new(move |line| senders.send_line(line))
    });
}
