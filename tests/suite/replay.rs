//! Logs replayed batch by batch: every window is compared with one that is made of the lines themselves.
//!
//! The text that comes with the repository always; the logs of a Kafka server if `TEST_DATA` names a folder that
//! has them in `kafka0/`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use millstream::prelude::*;
use millstream::testkit::{Collected, TestContext};

const SECOND: Duration = Duration::from_secs(1);

/// Windows and slides in batches: the usual half a minute every ten seconds, one that is no multiple of its slide, and one
/// with a slide that leaves lines out.
const SPANS: [(usize, usize); 3] = [(30, 10), (7, 3), (4, 6)];

/// The lines of each batch: about 120 batches of sizes that differ, some without lines, and as many empty ones behind
/// them as a window is long.
fn batches(text: &str) -> Vec<Vec<&str>> {
    let mut lines = text.lines().peekable();
    let usual = text.lines().count().div_ceil(120);
    let mut sizes = [usual, 2 * usual, 0, 1, usual / 2].into_iter().cycle();
    let mut batches: Vec<Vec<&str>> = Vec::new();
    while lines.peek().is_some() {
        batches.push(lines.by_ref().take(sizes.next().unwrap_or(1)).collect());
    }
    batches.resize_with(batches.len() + 31, Vec::new);
    batches
}

/// What there is to see of one window.
struct Outputs {
    span: (usize, usize),
    words: Collected<(Text, u64)>,
    errors: Collected<u64>,
}

fn outputs(test: &TestContext, lines: &DStream<impl Rdd<Item = Text>>, span: (usize, usize)) -> Outputs {
    let (window, slide) = (SECOND * span.0 as u32, SECOND * span.1 as u32);
    let words = lines.flat_map(|line| line.split_whitespace()).map(|word| (word, 1u64));
    let words = words.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide);
    let errors = lines.filter(|line| line.contains("ERROR")).count_by_window(window, slide);
    Outputs { span, words: test.collect(&words), errors: test.collect(&errors) }
}

impl Outputs {
    /// Compares every window; returns their number.
    fn check(&self, batches: &[Vec<&str>], name: &str) -> usize {
        let (window, slide) = self.span;
        let (words, errors) = (self.words.sorted(), self.errors.timed());
        let mut errors: BTreeMap<i64, Vec<u64>> =
            errors.into_iter().map(|(time, count)| (time.as_millis() / 1_000, count)).collect();
        assert_eq!(words.len(), batches.len() / slide, "{name}");
        let mut has_begun = false;
        for (seen, end) in words.iter().zip((slide..).step_by(slide)) {
            let lines = batches[end.saturating_sub(window)..end].concat();
            let mut expected: BTreeMap<&str, u64> = BTreeMap::new();
            let all = lines.iter().flat_map(|line| line.split_whitespace());
            all.for_each(|word| *expected.entry(word).or_default() += 1);
            let seen: Vec<(&str, u64)> = seen.iter().map(|(word, count)| (&**word, *count)).collect();
            assert_eq!(seen, expected.into_iter().collect::<Vec<_>>(), "{name}, window {window} at {end} s");

            let count = lines.iter().filter(|line| line.contains("ERROR")).count() as u64;
            has_begun |= count > 0;
            let expected = if has_begun { vec![count] } else { vec![] };
            let seen = errors.remove(&(end as i64)).unwrap_or_default();
            assert_eq!(seen, expected, "{name}, errors of window {window} at {end} s");
        }
        assert_eq!(errors.len(), 0, "{name}: {errors:?}");
        words.len()
    }
}

/// Replays a file; the number of its lines, and that of the windows compared.
fn check(file: &Path) -> (usize, usize) {
    let (name, text) = (file.display().to_string(), fs::read_to_string(file).unwrap());
    let batches = batches(&text);
    let test = TestContext::new(SECOND).unwrap();
    let texts = batches.iter().map(|lines| lines.iter().copied().map(Text::from).collect());
    let lines = test.input(texts.collect::<Vec<Vec<Text>>>(), 2).unwrap();
    let outputs = SPANS.map(|span| outputs(&test, &lines, span));
    test.run(batches.len()).unwrap();
    let windows = outputs.iter().map(|outputs| 2 * outputs.check(&batches, &name)).sum();
    (batches.concat().len(), windows)
}

fn check_all(files: &[PathBuf], name: &str) {
    let (mut lines, mut windows) = (0, 0);
    for file in files {
        let of_file = check(file);
        (lines, windows) = (lines + of_file.0, windows + of_file.1);
    }
    assert!(lines > 0 && windows > files.len() * 100, "{lines} lines, {windows} windows");
    eprintln!("{name}: {} files, {lines} lines, {windows} windows compared", files.len());
}

#[test]
fn windows_over_the_text_of_the_repository_are_those_of_its_lines() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let errors = tempfile::NamedTempFile::new().unwrap();
    let log = fs::read_to_string(data.join("access.log")).unwrap().replace("\" 404 ", "\" ERROR ");
    fs::write(errors.path(), log).unwrap();
    check_all(&[data.join("moby-dick.txt"), data.join("access.log"), errors.path().to_owned()], "data");
}

#[test]
fn windows_over_the_logs_of_a_kafka_server_are_those_of_their_lines() {
    let Some(folder) = std::env::var_os("TEST_DATA") else {
        // Seen even where the output of tests is not shown.
        let _ =
            writeln!(io::stderr(), "LEFT OUT: the logs of kafka0: TEST_DATA names no folder that has them");
        return;
    };
    let folder = Path::new(&folder).join("kafka0");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    check_all(&files, "kafka0");
}
