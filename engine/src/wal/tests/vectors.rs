//! The cases of Spark's WriteAheadLogSuite that have a meaning here: what goes in, in which order it comes out, and what a bad end does.
//! Its handles are our record ids, its files our segments.

use serde_json::Value;

use super::support::*;
use crate::fs::{Fs, SimFs};
use crate::wal::{Log, RecordId, Recovery};

const SUITE: &str = include_str!("../../../../tests/vectors/WriteAheadLogSuite.json");

fn case(name: &str) -> Value {
    let cases: Vec<Value> = serde_json::from_str(SUITE).unwrap();
    cases.into_iter().find(|case| case["name"] == name).unwrap()
}

fn lists(value: &Value) -> Vec<Vec<String>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn texts(recovery: &Recovery) -> Vec<String> {
    recovery.records().map(|record| String::from_utf8(record.unwrap().payload).unwrap()).collect()
}

fn write(log: &Log, list: &[String]) -> Vec<RecordId> {
    let ids = list.iter().map(|text| log.append(0, text.clone().into_bytes()).unwrap());
    ids.inspect(|id| log.wait(*id).unwrap()).collect()
}

#[test]
fn read_all_logs() {
    let (disk, case) = (SimFs::new(), case("read all logs"));
    for list in lists(&case["input"]) {
        write(&open(&disk, &options()).0, &list);
    }
    assert_eq!(texts(&open(&disk, &options()).1), lists(&case["expected"])[0]);
}

#[test]
fn write_logs_to_more_than_one_file() {
    let (disk, case) = (SimFs::new(), case("write logs"));
    write(&open(&disk, &options()).0, &lists(&case["input"])[0]);
    assert!(segments(&disk).len() > 1);
    assert_eq!(texts(&open(&disk, &options()).1), lists(&case["expected"])[0]);
}

#[test]
fn each_record_can_be_read_right_after_its_write_and_in_any_order() {
    for name in [
        "FileBasedWriteAheadLogWriter - syncing of data by writing and reading immediately",
        "FileBasedWriteAheadLogRandomReader- reading data using random reader written with writer",
    ] {
        let case = case(name);
        let (list, expected) = (&lists(&case["input"])[0], &lists(&case["expected"])[0]);
        let (log, _) = open(&SimFs::new(), &options());
        let mut ids = Vec::new();
        for text in list {
            ids.extend(write(&log, std::slice::from_ref(text)));
            assert_eq!(log.read(*ids.last().unwrap()).unwrap(), text.as_bytes());
        }
        for stride in [1, 3, 7, 9, 11, 13, 17, 19, 21, 23] {
            let order = (0..ids.len()).map(|i| i * stride % ids.len());
            assert!(order.into_iter().all(|i| log.read(ids[i]).unwrap() == expected[i].as_bytes()));
        }
    }
}

#[test]
fn reading_data_written_with_writer_after_corrupted_write() {
    let case = case("FileBasedWriteAheadLogReader - reading data written with writer after corrupted write");
    let expected = lists(&case["expected"]);
    let disk = SimFs::new();
    // The log is not closed: in Spark's there is nothing that ends a file.
    let (log, _) = open(&disk, &crate::wal::LogOptions { segment_bytes: 1 << 20, ..options() });
    write(&log, &expected[0]);
    let disk = disk.crash(crate::fs::PowerCut::Kept);
    let path = &segments(&disk)[0];
    let len = disk.len(path).unwrap();
    disk.open_append(path).unwrap().write_all(b"This line appended to file!").unwrap();
    let (garbage, torn) = (disk.crash(crate::fs::PowerCut::Kept), disk);
    assert_eq!(texts(&open(&garbage, &options()).1), expected[0]);
    torn.open_append(path).unwrap().truncate(len - 1).unwrap();
    assert_eq!(texts(&open(&torn, &options()).1), expected[1]);
}

#[test]
fn closed_twice_and_written_to_after() {
    let (log, _) = open(&SimFs::new(), &options());
    log.close();
    log.close();
    assert!(log.append(0, "late").unwrap_err().to_string().contains("closed"));
}
