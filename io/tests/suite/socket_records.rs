use std::io::{BufRead, BufReader};
use std::net::TcpStream;

use millstream_engine::BoxError;
use millstream_engine::testkit::TestContext;
use millstream_io::Sources;
use millstream_io::socket::RawSocketConfig;

use crate::senders::{Server, send};
use crate::support::{Told, config, context, records, run_until, wait_until, with_room};

fn numbers(stream: TcpStream) -> impl Iterator<Item = Result<u64, BoxError>> {
    let lines = BufReader::new(stream).lines();
    lines.map(|line| match line?.as_str() {
        "panic" => panic!("the decoder was told to"),
        line => Ok(line.parse()?),
    })
}

fn decoded(test: &TestContext, server: &Server) -> millstream_engine::testkit::Collected<u64> {
    test.collect(&test.socket_stream("127.0.0.1", server.address.port(), numbers).unwrap())
}

#[test]
fn a_decoder_makes_records_and_starts_again_after_an_end_an_error_and_a_panic() {
    let (server, test) = (Server::start(), context(config()));
    let told = Told::listen(&test);
    let seen = decoded(&test, &server);
    test.run(1).unwrap();
    send(&mut server.next(), "1\n2\n");
    send(&mut server.next(), "3\nthree\n4\n");
    send(&mut server.next(), "5\npanic\n6\n");
    send(&mut server.next(), "7\n");
    assert_eq!(records(&test, &seen, 5), [1, 2, 3, 5, 7]);
    wait_until("the errors are reported", || {
        told.has_error("the decoder failed: invalid digit") && told.has_error("the decoder panicked")
    });
}

#[test]
fn a_decoder_that_waits_for_data_is_stopped() {
    let (server, test) = (Server::start(), context(config()));
    let seen = decoded(&test, &server);
    test.run(1).unwrap();
    let mut sender = server.next();
    send(&mut sender, "1\n");
    records(&test, &seen, 1);
    let before = std::time::Instant::now();
    test.stop(true).unwrap();
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
}

#[test]
fn a_decoder_waits_while_there_is_no_room() {
    let (server, test) = (Server::start(), context(with_room(4 << 10)));
    let seen = decoded(&test, &server);
    test.run(1).unwrap();
    let lines: String = (0..20_000).map(|i| format!("{i}\n")).collect();
    let mut sender = server.next();
    std::thread::spawn(move || send(&mut sender, lines));
    assert_eq!(records(&test, &seen, 20_000), (0..20_000).collect::<Vec<u64>>());
}

fn frame(records: &[(u32, String)]) -> Vec<u8> {
    let block = postcard::to_extend(records, Vec::new()).unwrap();
    [&(block.len() as u32).to_be_bytes()[..], &block].concat()
}

fn pairs(numbers: std::ops::Range<u32>) -> Vec<(u32, String)> {
    numbers.map(|i| (i, format!("value {i}"))).collect()
}

#[test]
fn each_frame_is_a_block_however_it_is_sent() {
    let (server, test) = (Server::start(), context(config()));
    let stream = test.raw_socket_stream::<(u32, String)>("127.0.0.1", server.address.port()).unwrap();
    let seen = test.collect(&stream);
    test.run(1).unwrap();
    let mut sender = server.next();
    for byte in frame(&pairs(0..10)) {
        send(&mut sender, [byte]);
    }
    send(&mut sender, [frame(&pairs(10..12)), frame(&[]), frame(&pairs(12..20_000))].concat());
    assert_eq!(records(&test, &seen, 20_000), pairs(0..20_000));
    let blocks = seen.partitions().into_iter().flat_map(|(_, parts)| parts).map(|part| part.len());
    assert_eq!(blocks.collect::<Vec<_>>(), [10, 2, 19_988]);
}

#[test]
fn a_frame_that_is_wrong_breaks_the_connection_and_no_other_frame() {
    let (server, test) = (Server::start(), context(config()));
    let told = Told::listen(&test);
    let limits = RawSocketConfig { max_frame_bytes: 1_000 };
    let port = server.address.port();
    let seen =
        test.collect(&test.raw_socket_stream_with::<(u32, String)>("127.0.0.1", port, limits).unwrap());
    test.run(1).unwrap();
    let good = |i| frame(&pairs(i..i + 1));
    send(&mut server.next(), [good(0), frame(&pairs(0..1_000))].concat());
    send(&mut server.next(), [good(1), vec![0, 0, 0, 3, 2, 255, 255]].concat());
    send(&mut server.next(), [good(2), vec![0, 0, 0, 2, 0, 0]].concat());
    send(&mut server.next(), [good(3), vec![0, 0]].concat());
    send(&mut server.next(), [good(4), vec![0, 0, 0, 9, 1]].concat());
    send(&mut server.next(), "GET / HTTP/1.1\r\n");
    send(&mut server.next(), good(5));
    assert_eq!(records(&test, &seen, 6), pairs(0..6));
    let expected = [
        "where 1000 are allowed",
        "holds no records of type",
        "1 bytes behind its records",
        "ended inside a frame",
        "a frame of 1195725856 bytes",
    ];
    wait_until("the errors are reported", || expected.iter().all(|error| told.has_error(error)));
}

#[test]
fn frames_wait_while_there_is_no_room_and_a_stop_does_not_wait_for_them() {
    let (server, test) = (Server::start(), context(with_room(4 << 10)));
    let seen = test.collect(&test.raw_socket_stream::<u64>("127.0.0.1", server.address.port()).unwrap());
    test.run(1).unwrap();
    let mut sender = server.next();
    std::thread::spawn(move || {
        for i in 0..1_000_000_u64 {
            let block = postcard::to_extend(&vec![i; 1_000], Vec::new()).unwrap();
            let frame = [&(block.len() as u32).to_be_bytes()[..], &block].concat();
            if std::io::Write::write_all(&mut sender, &frame).is_err() {
                return;
            }
        }
    });
    run_until(&test, "some frames", || seen.all().len() > 50_000);
    let all = seen.all();
    assert!(all.iter().enumerate().all(|(i, n)| *n == i as u64 / 1_000), "in order, none lost");
    let before = std::time::Instant::now();
    test.stop(false).unwrap();
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
}
