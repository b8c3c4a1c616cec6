//! A server of a process that has no file left. The limit is the process's, so this test has a process of its own.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use millstream_engine::observe::{ReceiverInfo, StreamingListener};
use millstream_engine::testkit::TestContext;
use millstream_io::Sources;
use rustix::process::{Resource, getrlimit, setrlimit};

#[derive(Default)]
struct Errors(Mutex<String>);

impl StreamingListener for Errors {
    fn on_receiver_error(&self, receiver: &ReceiverInfo) {
        self.0.lock().unwrap().push_str(&receiver.last_error_message);
    }
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < end, "this did not happen: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn allow_files(more: u64) {
    let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, rustix::process::Rlimit { current: Some(open + more), ..limit }).unwrap();
}

#[test]
fn senders_wait_until_there_is_a_file_for_them() {
    let test = TestContext::new(Duration::from_secs(1)).unwrap();
    let errors = Arc::new(Errors::default());
    test.add_listener(Arc::clone(&errors) as _);
    let (stream, handle) = test.socket_server_text_stream("127.0.0.1:0").unwrap();
    let seen = test.collect(&stream);
    test.run(1).unwrap();
    allow_files(60);
    let in_the_way: Vec<_> = (0..40).map_while(|_| File::open("/dev/null").ok()).collect();
    let address = handle.local_addr().unwrap();
    let mut senders: Vec<_> = (0..15).map_while(|_| TcpStream::connect(address).ok()).collect();
    wait_until("the shortage is reported", || {
        errors.0.lock().unwrap().contains("no file is left for another sender")
    });
    drop(in_the_way);
    for (i, sender) in senders.iter_mut().enumerate() {
        writeln!(sender, "sender {i}").unwrap();
    }
    wait_until("all lines", || {
        test.run(1).unwrap();
        seen.all().len() == senders.len()
    });
    let lines: BTreeSet<_> = seen.all().iter().map(|line| line.as_str().to_owned()).collect();
    assert_eq!(lines, (0..senders.len()).map(|i| format!("sender {i}")).collect());
}
