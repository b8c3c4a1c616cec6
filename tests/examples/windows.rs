//! Examples with windows, on files that are replayed: every window is compared with one that is made of the lines themselves.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use crate::support::{PATIENCE, Page, Program, data, example, pages, run, serve, stderr, stdout};

/// Windows of four batches, every two batches.
const SPANS: [&str; 6] = ["--interval", "50ms", "--window", "200ms", "--slide", "100ms"];
const WINDOW: usize = 4;
const SLIDE: usize = 2;
const INTERVAL_MS: i64 = 50;

/// The lines of each window of a file that is replayed with `lines_per_batch`: the first ones are not full, and those behind the
/// end of the file are empty at last.
fn windows(text: &str, lines_per_batch: usize) -> impl Iterator<Item = Vec<&str>> {
    let lines: Vec<&str> = text.lines().collect();
    let batches: Vec<Vec<&str>> = lines.chunks(lines_per_batch).map(<[_]>::to_vec).collect();
    (1..).map(move |number| {
        let end = number * SLIDE;
        let inside = end.saturating_sub(WINDOW).min(batches.len())..end.min(batches.len());
        batches[inside].concat()
    })
}

/// How many windows there must be at least until each line has been in one.
fn windows_min(text: &str, lines_per_batch: usize) -> usize {
    text.lines().count().div_ceil(lines_per_batch).div_ceil(SLIDE)
}

/// The `n` most frequent keys as they are printed.
fn top<'a>(keys: impl Iterator<Item = &'a str>, n: usize) -> Vec<String> {
    let mut counts = BTreeMap::new();
    keys.for_each(|key| *counts.entry(key).or_insert(0u64) += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    counts.iter().take(n).map(|(key, count)| format!("({key},{count})")).collect()
}

fn client(line: &str) -> Option<&str> {
    line.ends_with('"').then(|| line.split(' ').next()).flatten()
}

/// Every page is the window of its place, and one comes every slide.
fn assert_windows(pages: &[Page], expected: impl Iterator<Item = Vec<String>>, min: usize) {
    assert!(pages.len() >= min, "{} windows, expected at least {min}", pages.len());
    for (i, (page, expected)) in pages.iter().zip(expected).enumerate() {
        assert_eq!(page.lines, expected, "window {}", i + 1);
        assert_eq!(page.time - pages[0].time, (i * SLIDE) as i64 * INTERVAL_MS);
    }
}

/// `windowed_word_count` on a source whose lines are those of `text`: its `n` most frequent words of each window.
/// Returns the number of windows compared.
pub(crate) fn check_words(path: &str, text: &str, n: usize, lines_per_batch: usize) -> usize {
    let source = format!("replay:{lines_per_batch}:{path}");
    let output = run("windowed_word_count", &[&[&source, "--top", &n.to_string()], &SPANS[..]].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let expected = windows(text, lines_per_batch)
        .map(|lines| top(lines.iter().flat_map(|line| line.split_whitespace()), n));
    let pages = pages(&stdout(&output));
    assert_windows(&pages, expected, windows_min(text, lines_per_batch));
    pages.len()
}

#[test]
fn words_of_windows_are_those_of_their_lines() {
    let path = data("moby-dick.txt");
    let text = fs::read_to_string(&path).unwrap();
    for lines_per_batch in [1_500, 21_424] {
        check_words(&path, &text, 40, lines_per_batch);
    }
}

#[test]
fn clients_of_windows_are_those_of_their_lines() {
    let path = data("access.log");
    let text = fs::read_to_string(&path).unwrap();
    let source = format!("replay:97:{path}");
    let output = run("ip_count", &[&[&source, "--top", "1000"], &SPANS[..]].concat());
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), "malformed lines: 11\n".to_owned()));
    let expected = windows(&text, 97).map(|lines| top(lines.into_iter().filter_map(client), 1_000));
    assert_windows(&pages(&stdout(&output)), expected, windows_min(&text, 97));
}

/// `log_event_processor` on a source whose lines are those of `text`: what it prints of each batch, and what it counts
/// in each window. Returns the number of windows compared.
pub(crate) fn check_log_events(path: &str, text: &str, pattern: &str, lines_per_batch: usize) -> usize {
    let is_match = |line: &&&str| line.contains(pattern);
    let source = format!("replay:{lines_per_batch}:{path}");
    let args = [&[source.as_str(), "--match", pattern], &SPANS[..]].concat();
    let output = run("log_event_processor", &args);
    let total = text.lines().filter(|line| line.contains(pattern)).count();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), format!("{total} matching lines\n")));

    // Where a window ends there are two pages: that of the batch, and behind it that of the window.
    let (mut batches, mut counts) = (Vec::<Page>::new(), Vec::new());
    for page in pages(&stdout(&output)) {
        let is_second = batches.last().is_some_and(|batch| batch.time == page.time);
        if is_second { &mut counts } else { &mut batches }.push(page);
    }
    let mut has_begun = false;
    let expected = windows(text, lines_per_batch).map(|lines| {
        let n = lines.iter().filter(is_match).count();
        has_begun |= n > 0;
        has_begun.then(|| format!("{n} matching lines in the last 200ms")).into_iter().collect()
    });
    assert_windows(&counts, expected, windows_min(text, lines_per_batch));

    let lines: Vec<_> = text.lines().collect();
    assert!(batches.len() >= lines.len().div_ceil(lines_per_batch));
    for (page, batch) in batches.iter().zip(lines.chunks(lines_per_batch).chain(std::iter::repeat(&[][..]))) {
        assert_eq!(page.lines, batch.iter().filter(is_match).copied().collect::<Vec<_>>());
    }
    counts.len()
}

/// Few lines match in a batch of 40, and more than any output shows by itself in one of 600.
#[test]
fn log_events_are_printed_by_batch_and_counted_by_window() {
    let path = data("access.log");
    let text = fs::read_to_string(&path).unwrap();
    for lines_per_batch in [40, 600] {
        check_log_events(&path, &text, "\" 404 ", lines_per_batch);
    }
    let first = text.lines().take(600).filter(|line| line.contains("\" 404 ")).count();
    assert!(first > 10, "{first} lines in the first batch");
}

#[test]
fn a_finite_source_ends_when_its_last_lines_have_been_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    fs::write(&file, "a b\nb").unwrap();
    let file = file.display();
    let spans = ["--interval", "20ms", "--window", "60s", "--slide", "100ms"];
    let all = vec!["(b,2)".to_owned(), "(a,1)".to_owned()];
    for source in [format!("file:{file}"), format!("replay:1:{file}"), format!("replay:9:{file}")] {
        let output = run("windowed_word_count", &[&[source.as_str()], &spans[..]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(pages(&stdout(&output))[0].lines, all, "{source}");
    }

    let mut command = example("windowed_word_count");
    command.arg("-").args(spans).args(["--master", "local[2]"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a b\nb").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(pages(&stdout(&output)).last().unwrap().lines, all);
}

#[test]
fn a_file_without_lines_is_replayed() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a"), "").unwrap();
    let source = format!("replay:3:{}", folder.path().display());
    let output = run("log_event_processor", &[&source, "--interval", "20ms"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), "0 matching lines\n".to_owned()));
    fs::write(folder.path().join("b"), "ERROR 1\r\nERROR 2\rERROR 3").unwrap();
    let source = format!("replay:1:{}", folder.path().display());
    let output = run("log_event_processor", &[&source, "--interval", "20ms"]);
    assert_eq!(stderr(&output), "3 matching lines\n");
    let lines: Vec<_> = pages(&stdout(&output)).into_iter().take(3).map(|page| page.lines).collect();
    assert_eq!(lines, [["ERROR 1"], ["ERROR 2"], ["ERROR 3"]]);
}

#[test]
fn windows_of_a_server_until_ctrl_c() {
    let (port, server) = serve("to be or not\nto be\n");
    let source = format!("tcp://127.0.0.1:{port}");
    let spans = ["--window", "60s", "--slide", "200ms"];
    let mut program = Program::start("windowed_word_count", &[&[source.as_str()], &spans[..]].concat());
    program.wait_for(&["(be,2)", "(to,2)", "(not,1)", "(or,1)"]);
    assert!(program.interrupt().success());
    assert!(program.err.recv_timeout(PATIENCE).is_err(), "nothing to complain about");
    drop(server.join().unwrap());
}

#[test]
fn ctrl_c_before_the_end_of_a_file_is_told() {
    let source = format!("replay:1:{}", data("moby-dick.txt"));
    let spans = ["--window", "200ms", "--slide", "100ms"];
    let mut program = Program::start("windowed_word_count", &[&[source.as_str()], &spans[..]].concat());
    program.wait_for(&["-------------------------------------------"]);
    assert_eq!(program.interrupt().code(), Some(1));
    let error = program.err.recv_timeout(PATIENCE).unwrap();
    assert!(error.starts_with("error: ") && error.contains("before the end of the source"), "{error}");
}

#[test]
fn windows_that_do_not_fit_are_refused() {
    let text = format!("file:{}", data("moby-dick.txt"));
    let cases: [(&str, &[&str], i32, &str); 7] = [
        ("windowed_word_count", &[&text, "--window", "2500ms"], 1, "2500 ms"),
        ("log_event_processor", &[&text, "--window", "3s", "--slide", "1500ms"], 1, "1500 ms"),
        ("ip_count", &["a", "b", "--window", "3s"], 1, "one SOURCE"),
        ("ip_count", &["data/access.log", "--window", "3s"], 1, "data/access.log: expected tcp://"),
        ("windowed_word_count", &["replay:9:no/such/file"], 1, "no/such/file"),
        ("windowed_word_count", &[&text, "--slide", "0s"], 2, "longer than nothing"),
        ("windowed_word_count", &["replay:0:x"], 2, "zero"),
    ];
    for (name, args, code, words) in cases {
        let output = run(name, args);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{name} {args:?}: {error}");
        assert!(error.starts_with("error: ") && error.contains(words), "{name} {args:?}: {error}");
        assert!(code == 2 || error.lines().count() == 1, "{name} {args:?}: {error}");
    }
    for (name, args) in [
        ("windowed_word_count", &["replay:x"] as &[&str]),
        ("windowed_word_count", &["replay:3:"]),
        ("windowed_word_count", &[&text, "--window", "3 parsecs"]),
        ("windowed_word_count", &[&text, "--window", "99999999999999999d"]),
        ("log_event_processor", &[&text, "--slide", "3s"]),
        ("ip_count", &["data/access.log", "--interval", "3s"]),
        ("ip_count", &["file:data/access.log", "--window", "3s", "--output", "x"]),
    ] {
        assert_eq!(run(name, args).status.code(), Some(2), "{name} {args:?}");
    }
}
