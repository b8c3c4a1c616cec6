use std::io::{self, Cursor, Read};

use millstream_io::Sources;

use crate::support::{Told, config, context, counted, records, wait_until, with_room};

#[test]
fn a_reader_is_read_to_its_end_and_ends_the_program() {
    let test = context(config());
    let lines: String = (0..100_000).map(|i| format!("line {i}\n")).collect();
    let source = Cursor::new(lines + "bad \u{e9}\r\n").chain(&b"last \xff"[..]);
    let seen = test.collect(&test.reader_text_stream(source).unwrap());
    let all = records(&test, &seen, 100_002);
    assert!(all[..100_000].iter().enumerate().all(|(i, line)| *line == format!("line {i}").as_str()));
    assert_eq!(all[100_000..], ["bad \u{e9}", "last \u{fffd}"]);
    assert_eq!(counted(&test, "invalid UTF-8 replaced"), "1");
    test.run(1).unwrap();
    test.await_end().unwrap();
}

/// Gives some lines, then breaks.
struct Broken(Option<&'static [u8]>);

impl Read for Broken {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.0.take().ok_or_else(|| io::Error::other("the tape is torn"))?;
        buffer[..bytes.len()].copy_from_slice(bytes);
        Ok(bytes.len())
    }
}

#[test]
fn a_reader_that_breaks_is_reported_and_what_it_gave_is_kept() {
    let test = context(config());
    let told = Told::listen(&test);
    let seen = test.collect(&test.reader_text_stream(Broken(Some(b"one\ntwo"))).unwrap());
    assert_eq!(records(&test, &seen, 2), ["one", "two"]);
    wait_until("the error is reported", || told.has_error("the tape is torn"));
}

#[test]
fn a_reader_waits_for_room() {
    let test = context(with_room(8 << 10));
    let lines: String = (0..50_000).map(|i| format!("{i}\n")).collect();
    let seen = test.collect(&test.reader_text_stream(Cursor::new(lines)).unwrap());
    let all = records(&test, &seen, 50_000);
    assert!(all.iter().enumerate().all(|(i, line)| *line == i.to_string().as_str()));
}

#[test]
fn a_reader_that_never_gives_anything_does_not_hold_up_a_stop() {
    let test = context(config());
    let (pipe, _never_written) = std::os::unix::net::UnixStream::pair().unwrap();
    test.collect(&test.reader_text_stream(pipe).unwrap());
    test.run(2).unwrap();
    let before = std::time::Instant::now();
    test.stop(true).unwrap();
    assert!(before.elapsed().as_secs() < 5, "{:?}", before.elapsed());
}
