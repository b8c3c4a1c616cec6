//! The programs with windows on the logs of a Kafka server, which are not part of the repository: `TEST_DATA`
//! names a folder that has them in `kafka0/`.

use std::fs;

use crate::support::kafka_logs;
use crate::windows::{check_log_events, check_words};

const LINES_PER_BATCH: usize = 400;

#[test]
fn windows_over_the_logs_of_a_kafka_server_are_those_of_their_lines() {
    let Some(files) = kafka_logs() else { return };
    let lines_of = |file: &std::path::PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        text.lines().map(|line| format!("{line}\n")).collect::<String>()
    };
    let (folder, text) = (files[0].parent().unwrap(), files.iter().map(lines_of).collect::<String>());
    let folder = folder.to_str().unwrap();
    let words = check_words(folder, &text, usize::MAX, LINES_PER_BATCH);
    let events = check_log_events(folder, &text, "ERROR", LINES_PER_BATCH);
    eprintln!(
        "kafka0: {} files, {} lines, {words} windows of words and {events} of ERROR lines compared",
        files.len(),
        text.lines().count()
    );
    for file in files.iter().filter(|file| lines_of(file).contains("ERROR")) {
        let (name, text) = (file.to_str().unwrap(), lines_of(file));
        let windows = check_log_events(name, &text, "ERROR", text.lines().count().div_ceil(60));
        eprintln!("{name}: {windows} windows of ERROR lines compared");
    }
}
