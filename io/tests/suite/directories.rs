use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use millstream_engine::clock::Clock;
use millstream_engine::fs::RealFs;
use millstream_engine::rdd::Rdd;
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, Time};
use millstream_io::Sources;
use millstream_io::file::{EachFile, OnMissing, TextFiles, TextReader};

use crate::support::{Told, config, counted, ms, strings, vector};

/// A context with batches of `batch_ms` whose clock shows `now_ms`.
fn at(now_ms: i64, batch_ms: u64) -> TestContext {
    with(config().batch_interval(ms(batch_ms)), now_ms)
}

pub(crate) fn with(config: Config, now_ms: i64) -> TestContext {
    TestContext::with_config(config, Time::from_millis(now_ms)).unwrap()
}

pub(crate) fn write(path: &Path, text: &str, modified_ms: i64) {
    fs::write(path, text).unwrap();
    touch(path, modified_ms);
}

fn touch(path: &Path, modified_ms: i64) {
    let time = UNIX_EPOCH + Duration::from_millis(modified_ms as u64);
    File::options().append(true).open(path).unwrap().set_modified(time).unwrap();
}

fn spark_files(new_files_only: bool) {
    let vector = vector(&format!("file input stream - newFilesOnly = {new_files_only}"));
    let folder = tempfile::tempdir().unwrap();
    write(&folder.path().join("0"), "0\n", 10_000);
    let test = at(12_000, 2_000);
    let stream = test.file_stream(folder.path(), |_: &Path| true, new_files_only, TextReader).unwrap();
    let seen = test.collect(&stream);
    test.start().unwrap();
    test.clock().advance(ms(1_000));
    for file in ["1", "2", "3", "4", "5"] {
        write(&folder.path().join(file), &format!("{file}\n"), test.clock().now().as_millis());
        test.run(1).unwrap();
    }
    let all: BTreeSet<String> = seen.all().iter().map(|line| line.as_str().to_owned()).collect();
    assert_eq!(all, strings(&vector["expected"]).into_iter().collect());
    assert_eq!(seen.all().len(), all.len(), "each file is read once");
}

#[test]
fn new_files_come_as_in_sparks_input_streams_suite() {
    spark_files(true);
}

#[test]
fn files_that_were_there_come_too_as_in_sparks_input_streams_suite() {
    spark_files(false);
}

#[test]
fn files_of_a_renamed_directory_come_as_in_sparks_input_streams_suite() {
    let vector = vector("Modified files are correctly detected.");
    let root = tempfile::tempdir().unwrap();
    let [generated, streaming] = ["generated", "streaming"].map(|name| root.path().join(name));
    fs::create_dir_all(generated.join("subdir")).unwrap();
    fs::create_dir_all(&streaming).unwrap();
    write(&generated.join("subdir/existing"), "existing\n", 10_000);
    let test = at(12_000, 2_000);
    let seen = test.collect(&test.text_file_stream(streaming.join("sub*")).unwrap());
    test.run(1).unwrap();
    write(&generated.join("subdir/renamed.txt"), "renamed\n", test.clock().now().as_millis());
    fs::rename(generated.join("subdir"), streaming.join("subdir")).unwrap();
    test.run(1).unwrap();
    assert_eq!(seen.all(), strings(&vector["expected"]).as_slice());
}

#[test]
fn the_bounds_on_the_time_of_change_are_strict_below_only() {
    let folder = tempfile::tempdir().unwrap();
    let test = with(config().min_remember(ms(3_000)), 10_000);
    let seen = test.collect(&test.text_file_stream(folder.path()).unwrap());
    let file = |name: &str, modified| write(&folder.path().join(name), &format!("{name}\n"), modified);
    file("at the threshold", 10_000);
    file("just after", 10_001);
    file("at the batch", 11_000);
    file("of the next batch", 11_001);
    file(".hidden", 10_500);
    test.run(1).unwrap();
    assert_eq!(seen.batches().pop().unwrap(), ["just after", "at the batch"], "by time");
    test.run(1).unwrap();
    assert_eq!(seen.batches().pop().unwrap(), ["of the next batch"]);
    test.run(3).unwrap(); // 15,000
    file("as old as is remembered", 13_000);
    file("a bit younger", 13_001);
    test.run(1).unwrap(); // 16,000
    assert_eq!(seen.batches().pop().unwrap(), ["a bit younger"]);
}

#[test]
fn a_file_is_taken_once_and_again_when_it_was_changed_much_later() {
    let folder = tempfile::tempdir().unwrap();
    let test = with(config().min_remember(ms(2_000)), 10_000);
    let seen = test.collect(&test.text_file_stream(folder.path()).unwrap());
    let path = folder.path().join("file");
    write(&path, "one\n", 10_500);
    test.run(1).unwrap();
    write(&path, "two\n", 11_500);
    test.run(1).unwrap();
    assert_eq!(seen.all(), ["one"], "it is remembered");
    test.run(3).unwrap();
    write(&path, "three\n", 15_500);
    test.run(1).unwrap();
    assert_eq!(seen.all(), ["one", "three"]);
}

#[test]
fn files_of_one_batch_are_read_by_time_then_name() {
    let folder = tempfile::tempdir().unwrap();
    let test = at(10_000, 1_000);
    let told = Told::listen(&test);
    let seen = test.collect(&test.text_file_stream(folder.path()).unwrap());
    for (name, modified) in [("b", 10_200), ("a", 10_200), ("c", 10_100)] {
        write(&folder.path().join(name), &format!("{name}\r\nof {name}"), modified);
    }
    fs::create_dir(folder.path().join("folder")).unwrap();
    test.run(1).unwrap();
    assert_eq!(seen.all(), ["c", "of c", "a", "of a", "b", "of b"]);
    let input = told.input(Time::from_millis(11_000));
    assert_eq!((input.num_records, input.bytes), (0, 21));
    assert_eq!(input.metadata["file_count"], "3");
    let names: Vec<_> =
        input.metadata["files"].lines().map(|path| path.rsplit('/').next().unwrap()).collect();
    assert_eq!(names, ["c", "a", "b"]);
}

#[test]
fn a_missing_directory_gives_empty_batches_until_it_is_there() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("later");
    let test = at(10_000, 1_000);
    let told = Told::listen(&test);
    let seen = test.collect(&test.text_file_stream(&folder).unwrap());
    test.run(2).unwrap();
    assert!(told.input(Time::from_millis(12_000)).metadata["problem"].contains("No such file"));
    fs::create_dir(&folder).unwrap();
    write(&folder.join("file"), "here\n", 12_500);
    test.run(1).unwrap();
    assert!(!told.input(Time::from_millis(13_000)).metadata.contains_key("problem"));
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "no directory").unwrap();
    test.run(1).unwrap();
    assert!(told.input(Time::from_millis(14_000)).metadata.contains_key("problem"));
    assert_eq!(seen.batches().concat(), ["here"]);
    assert_eq!(seen.batches().len(), 4);
}

#[test]
fn a_file_that_goes_or_shrinks_after_it_was_found_is_left_out_and_no_other_record_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let test = with(config().split_bytes(1 << 10), 10_000);
    let root = folder.path().to_owned();
    // The files change between the listing, of which the filter is the last step, and the reading.
    let changed = root.clone();
    let stream = test.file_stream(&root, |_: &Path| true, true, TextReader).unwrap();
    let stream = stream.transform_at("change files", move |rdd, _| {
        if changed.join("gone").exists() {
            fs::remove_file(changed.join("gone")).unwrap();
            File::options().write(true).open(changed.join("shrinks")).unwrap().set_len(1_000).unwrap();
            fs::remove_file(changed.join("unreadable")).unwrap();
            fs::create_dir(changed.join("unreadable")).unwrap();
        }
        Ok(rdd)
    });
    let seen = test.collect(&stream);
    let lines = |name: &str, n: usize| (0..n).map(|i| format!("{name} {i:03}\n")).collect::<String>();
    write(&root.join("gone"), &lines("gone", 500), 10_100);
    write(&root.join("good"), &lines("good", 500), 10_100);
    write(&root.join("shrinks"), &"123456789\n".repeat(500), 10_100);
    write(&root.join("unreadable"), "unreadable\n", 10_100);
    test.run(1).unwrap();
    let all = seen.all();
    let count = |prefix: &str| all.iter().filter(|line| line.starts_with(prefix)).count();
    assert_eq!((count("good"), count("123456789"), count("gone"), count("unreadable")), (500, 100, 0, 0));
    assert_eq!(all.len(), 600);
    assert_eq!(counted(&test, "skipped files"), "3", "each is counted once, however many splits it has");
}

#[test]
fn what_is_appended_after_the_listing_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let test = at(10_000, 1_000);
    let file =
        millstream_io::file::FoundFile { modified: Time::default(), path: path.as_path().into(), bytes: 8 };
    write(&path, "one\ntwo\nthree\n", 10_100);
    let read = |file| TextFiles::of_found(Arc::new(RealFs), test.executor(), [file], OnMissing::Fail);
    let seen = test.collect(&test.constant_stream(read(file)).unwrap());
    test.run(1).unwrap();
    assert_eq!(seen.all(), ["one", "two"]);
}

#[test]
fn a_text_file_is_an_rdd_and_fails_when_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "one\ntwo\n").unwrap();
    let test = with(config().max_failures(1), 0);
    assert!(test.text_file(folder.path()).is_err());
    assert!(test.text_file(folder.path().join("other")).is_err());
    let text = test.text_file(&path).unwrap();
    assert_eq!(text.bytes(), 8);
    let seen = test.collect(&test.constant_stream(text).unwrap());
    test.run(1).unwrap();
    assert_eq!(seen.all(), ["one", "two"]);
    fs::remove_file(&path).unwrap();
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("No such file"), "{error}");
}

fn parse(path: &Path) -> io::Result<impl Iterator<Item = io::Result<(PathBuf, u32)>> + use<>> {
    let (path, lines) = (path.to_owned(), BufReader::new(File::open(path)?).lines());
    Ok(lines.map(move |line| Ok((path.clone(), line?.parse().map_err(io::Error::other)?))))
}

#[test]
fn files_may_be_read_by_a_function_of_the_users() {
    let folder = tempfile::tempdir().unwrap();
    let test = at(10_000, 1_000);
    let is_number_file = |path: &Path| path.extension().is_some_and(|extension| extension == "n");
    let stream = test.file_stream(folder.path(), is_number_file, true, EachFile::new(parse)).unwrap();
    let seen = test.collect(&stream);
    write(&folder.path().join("a.n"), "1\n2\n", 10_100);
    write(&folder.path().join("b.n"), "3\nx\n4\n", 10_100);
    write(&folder.path().join("c.txt"), "5\n", 10_100);
    test.run(1).unwrap();
    assert_eq!(seen.all().iter().map(|(_, n)| *n).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(counted(&test, "skipped files"), "1");
}

#[test]
fn binary_records_have_one_length() {
    let folder = tempfile::tempdir().unwrap();
    let test = with(config().max_failures(1), 10_000);
    assert!(test.binary_records_stream(folder.path(), 0).is_err());
    let stream = test.binary_records_stream(folder.path(), 3).unwrap();
    let seen = test.collect(&stream);
    write(&folder.path().join("a"), "abcdef", 10_100);
    write(&folder.path().join("b"), &"xyz".repeat(100_000), 10_200);
    test.run(1).unwrap();
    let all = seen.all();
    assert_eq!((all.len(), all[1].as_slice(), all[100_001].as_slice()), (100_002, &b"def"[..], &b"xyz"[..]));
    write(&folder.path().join("c"), "abcde", 11_100);
    let error = test.run(1).unwrap_err().to_string();
    assert!(
        error.contains("Byte array does not have correct length. 2 did not equal recordLength: 3"),
        "{error}"
    );
}

#[test]
fn an_empty_directory_gives_an_rdd_without_partitions() {
    let folder = tempfile::tempdir().unwrap();
    let test = at(0, 1_000);
    let stream = test.text_file_stream(folder.path()).unwrap();
    let seen = test.collect(&stream.lift("partitions", |rdd| {
        assert_eq!(rdd.num_partitions(), 0);
        rdd
    }));
    test.run(1).unwrap();
    assert_eq!(seen.batches(), [Vec::<millstream_engine::Text>::new()]);
}
