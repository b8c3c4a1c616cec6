//! Examples that run until they are stopped.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, UNIX_EPOCH};

use crate::support::{PATIENCE, Program, saved, serve};

#[test]
fn log_events_of_a_server() {
    let (port, server) = serve("ERROR one\nINFO two\nERROR three\n");
    let folder = tempfile::tempdir().unwrap();
    let prefix = folder.path().join("errors");
    let source = format!("tcp://127.0.0.1:{port}");
    let mut program = Program::start("log_event_processor", &[&source, "--output", prefix.to_str().unwrap()]);
    program.wait_for(&["ERROR one", "ERROR three"]);
    assert!(program.interrupt().success());
    assert_eq!(saved(&prefix), ["ERROR one", "ERROR three"]);
    drop(server.join().unwrap());
}

#[test]
fn log_events_of_many_senders() {
    let mut program = Program::start("log_event_processor", &["listen://127.0.0.1:0"]);
    let listening = program.err.recv_timeout(PATIENCE).unwrap();
    let address = listening.strip_prefix("listening on tcp://").unwrap();
    let mut senders: Vec<_> = (0..3).map(|_| TcpStream::connect(address).unwrap()).collect();
    for (i, sender) in senders.iter_mut().enumerate() {
        writeln!(sender, "ERROR {i}").unwrap();
    }
    program.wait_for(&["ERROR 0", "ERROR 1", "ERROR 2"]);
    assert!(program.interrupt().success());
    assert_eq!(program.err.recv_timeout(PATIENCE).unwrap(), "3 matching lines");
}

#[test]
fn log_events_of_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let appear = |name: &str, text: &str| {
        fs::write(folder.path().join(name), text).unwrap();
        fs::rename(folder.path().join(name), logs.join(name)).unwrap();
    };
    appear("old", "ERROR old\n");
    // Far older than a directory stream looks back.
    let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    fs::File::options().write(true).open(logs.join("old")).unwrap().set_modified(long_ago).unwrap();
    let source = format!("dir:{}", logs.display());

    let mut program = Program::start("log_event_processor", &[&source, "--existing"]);
    program.wait_for(&["ERROR old"]);
    appear("new", "ERROR new\n");
    program.wait_for(&["ERROR new"]);
    assert!(program.interrupt().success());
    assert_eq!(program.err.recv_timeout(PATIENCE).unwrap(), "2 matching lines");

    let mut program = Program::start("log_event_processor", &[&source]);
    program.wait_for(&["-------------------------------------------"]);
    appear("newer", "ERROR newer\n");
    program.wait_for(&["ERROR newer"]);
    assert!(program.interrupt().success());
    assert_eq!(program.err.recv_timeout(PATIENCE).unwrap(), "1 matching lines");
}

#[test]
fn words_of_a_server() {
    for name in ["network_word_count", "custom_receiver"] {
        let (port, server) = serve("to be or not\r\nto be\n");
        let mut program = Program::start(name, &["127.0.0.1", &port.to_string()]);
        program.wait_for(&["(to,2)", "(be,2)", "(or,1)", "(not,1)"]);
        assert!(program.interrupt().success(), "{name}");
        drop(server.join().unwrap());
    }
}

#[test]
fn a_server_that_is_not_there_is_reported_and_tried_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    drop(listener);
    for name in ["network_word_count", "custom_receiver"] {
        let mut program = Program::start(name, &["127.0.0.1", &port]);
        let warning = program.err.recv_timeout(PATIENCE).unwrap();
        assert!(warning.contains("refused") && warning.contains("2000 ms"), "{name}: {warning}");
        assert!(program.interrupt().success(), "{name}");
    }
}
