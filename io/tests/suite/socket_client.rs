use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use millstream_engine::Text;
use millstream_engine::testkit::{Collected, TestContext};
use millstream_io::Sources;

use crate::senders::{Server, free_port, reset, send};
use crate::support::{
    Told, config, context, counted, ms, records, run_until, strings, vector, wait_until, with_room,
};

fn client(test: &TestContext, server: &Server) -> Collected<Text> {
    test.collect(&test.socket_text_stream("127.0.0.1", server.address.port()).unwrap())
}

#[test]
fn lines_come_as_in_sparks_input_streams_suite() {
    let vector = vector("socket input stream");
    let (server, test) = (Server::start(), context(config()));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    for batch in vector["input"].as_array().unwrap() {
        strings(batch).iter().for_each(|line| send(&mut sender, line));
        test.run(1).unwrap();
    }
    assert_eq!(records(&test, &seen, 5), strings(&vector["expected"]).as_slice());
    let nothing = seen.batches().iter().filter(|batch| batch.is_empty()).count();
    assert!(nothing > 0, "a batch without a block is complete and empty");
}

#[test]
fn lines_are_whole_and_in_order_however_they_are_sent() {
    let (server, test) = (Server::start(), context(config()));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    let text = "one\r\ntwo\n\n\u{e9}t\u{e9} \u{20ac}\rfour\nlast";
    for byte in text.as_bytes() {
        send(&mut sender, [*byte]);
        std::thread::yield_now();
    }
    drop(sender);
    assert_eq!(records(&test, &seen, 6), ["one", "two", "", "\u{e9}t\u{e9} \u{20ac}", "four", "last"]);
}

#[test]
fn any_bytes_are_taken_and_bad_ones_are_counted() {
    let (server, test) = (Server::start(), context(config()));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    send(&mut sender, b"a\0b\n\xff\xfe\nok\xe2\x82\n\x80\n");
    assert_eq!(records(&test, &seen, 4), ["a\0b", "\u{fffd}\u{fffd}", "ok\u{fffd}", "\u{fffd}"]);
    assert_eq!(counted(&test, "invalid UTF-8 replaced"), "4");
}

#[test]
fn an_endless_line_is_cut_once_and_the_next_one_is_whole() {
    let (server, test) = (Server::start(), context(config().max_line_bytes(1_000)));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    for _ in 0..30 {
        send(&mut sender, [b'x'; 100]);
        std::thread::yield_now();
    }
    send(&mut sender, "\ngood\n");
    assert_eq!(records(&test, &seen, 2), ["x".repeat(1_000).as_str(), "good"]);
    assert_eq!(counted(&test, "lines cut"), "1");
}

#[test]
fn a_line_may_be_longer_than_a_chunk() {
    let (server, test) = (Server::start(), context(config().segment_bytes(4 << 10)));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    let long = "long ".repeat(40_000);
    send(&mut sender, format!("short\n{long}"));
    run_until(&test, "the short line", || seen.all() == ["short"]);
    send(&mut sender, "\nshort\n");
    assert_eq!(records(&test, &seen, 3), ["short", &long, "short"]);
    assert_eq!(counted(&test, "lines cut"), "0");
}

#[test]
fn a_client_waits_for_its_server() {
    let (port, test) = (free_port(), context(config()));
    let told = Told::listen(&test);
    let seen = test.collect(&test.socket_text_stream("127.0.0.1", port).unwrap());
    test.run(1).unwrap();
    wait_until("the refusal is reported", || told.has_error("cannot connect to 127.0.0.1"));
    let server = Server::on(TcpListener::bind(("127.0.0.1", port)).unwrap());
    send(&mut server.next(), "at last\n");
    assert_eq!(records(&test, &seen, 1), ["at last"]);
}

#[test]
fn a_client_comes_back_after_every_end() {
    let (server, test) = (Server::start(), context(config()));
    let told = Told::listen(&test);
    let seen = client(&test, &server);
    test.run(1).unwrap();
    send(&mut server.next(), "one\ntwo");
    send(&mut server.next(), "three");
    let mut third = server.next();
    send(&mut third, "four\nfi");
    run_until(&test, "four lines", || seen.all().len() == 4);
    reset(third);
    send(&mut server.next(), "six\n");
    assert_eq!(records(&test, &seen, 6), ["one", "two", "three", "four", "fi", "six"]);
    assert_eq!(counted(&test, "half lines"), "1");
    for error in ["Socket data stream had no more data", "the connection broke"] {
        wait_until("both ends are reported", || told.has_error(error));
    }
}

#[test]
fn an_unknown_host_is_reported_and_a_stop_does_not_wait_for_it() {
    let test = context(config().restart_delay(Duration::from_secs(3_600)));
    let told = Told::listen(&test);
    test.collect(&test.socket_text_stream("nowhere.invalid", 1).unwrap());
    test.run(1).unwrap();
    wait_until("the host is reported", || told.has_error("cannot connect to nowhere.invalid:1"));
    let before = Instant::now();
    test.stop(true).unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn a_receiver_without_a_server_is_stopped_between_two_tries() {
    let test = context(config().restart_delay(Duration::ZERO));
    let told = Told::listen(&test);
    test.collect(&test.socket_text_stream("nowhere.invalid", 1).unwrap());
    test.run(1).unwrap();
    wait_until("the host is reported", || told.has_error("nowhere.invalid"));
    let before = Instant::now();
    test.stop(true).unwrap();
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
}

#[test]
fn a_rate_limit_slows_the_sender_and_loses_nothing() {
    let (server, test) = (Server::start(), context(config().max_rate(2_000.0)));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    let before = Instant::now();
    let lines: String = (0..3_000).map(|i| format!("{i}\n")).collect();
    send(&mut sender, &lines);
    let all = records(&test, &seen, 3_000);
    assert!(before.elapsed() > ms(1_200), "3,000 lines at 2,000 a second took {:?}", before.elapsed());
    assert!(all.iter().enumerate().all(|(i, line)| *line == i.to_string().as_str()));
}

#[test]
fn a_sender_waits_while_there_is_no_room_and_nothing_is_lost() {
    let config = with_room(64 << 10);
    let (server, test) = (Server::start(), context(config));
    let seen = client(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    let writer = std::thread::spawn(move || {
        (0..200_000_u32).for_each(|i| writeln!(sender, "line number {i}").unwrap());
    });
    let mut largest = 0;
    run_until(&test, "all lines", || {
        largest = largest.max(seen.batches().last().map_or(0, Vec::len));
        seen.batches().iter().map(Vec::len).sum::<usize>() == 200_000
    });
    writer.join().unwrap();
    assert!(largest * 12 < 256 << 10, "a batch of {largest} lines");
    let in_order = seen.all().iter().enumerate().all(|(i, line)| line.ends_with(&format!(" {i}")));
    assert!(in_order);
}
