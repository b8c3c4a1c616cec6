//! Outputs into files are sinks: prepared, written down, committed.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream::fs::{Fs, SimFs};
use millstream::io::file::BatchFolders;
use millstream::prelude::*;
use millstream::testkit::TestContext;

fn context(after_ms: i64) -> TestContext {
    let config = Config::new().batch_interval(Duration::from_secs(1)).master(Master::Local(2));
    TestContext::with_config(config, Time::from_millis(after_ms)).unwrap()
}

/// Saves squares, and counts the records that it computes; before it does, `first` is called.
fn squares(test: &TestContext, prefix: &str, first: impl Fn() + Send + Sync + 'static) -> Arc<AtomicU64> {
    let computed = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&computed);
    let numbers = test.input([vec![1u64, 2, 3], vec![4, 5]], 2).unwrap();
    let squares = numbers.map(move |n| {
        first();
        count.fetch_add(1, Ordering::Relaxed);
        n * n
    });
    squares.save_as_text_files(prefix, "");
    computed
}

fn text(folder: &str) -> String {
    let part = |n| fs::read_to_string(format!("{folder}/part-0000{n}")).unwrap();
    part(0) + &part(1)
}

/// The commit finds a file in its way. What was prepared then is what the next run commits, without computing it again.
#[test]
fn what_was_prepared_is_committed_by_the_next_run_and_not_computed_again() {
    let (disk, dir) = (SimFs::new(), tempfile::tempdir().unwrap());
    let prefix = dir.path().join("squares").display().to_string();
    let in_the_way = format!("{prefix}-1000");
    let test = context(0);
    let path = in_the_way.clone();
    let computed = squares(&test, &prefix, move || fs::write(&path, "in the way").unwrap());
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("move the file away"), "{error}");
    assert_eq!(computed.load(Ordering::Relaxed), 3);
    drop(test);

    fs::remove_file(&in_the_way).unwrap();
    let test = context(1_000);
    let computed = squares(&test, &prefix, || ());
    test.go_on(Arc::new(disk) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(1).unwrap();
    assert_eq!(computed.load(Ordering::Relaxed), 2, "those of the second batch");
    assert_eq!(
        (text(&in_the_way), text(&format!("{prefix}-2000"))),
        ("1\n4\n9\n".to_owned(), "16\n25\n".to_owned())
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing else is left");
}

/// What was prepared is cut off, or grows, before the next run commits it: that does not put out the half of it, and says so; with the
/// part as it was it goes on.
#[test]
fn a_part_that_has_changed_since_it_was_prepared_is_not_put_out() {
    let (disk, dir) = (SimFs::new(), tempfile::tempdir().unwrap());
    let prefix = dir.path().join("squares").display().to_string();
    let in_the_way = format!("{prefix}-1000");
    let test = context(0);
    let path = in_the_way.clone();
    squares(&test, &prefix, move || fs::write(&path, "in the way").unwrap());
    test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(1).unwrap_err();
    drop(test);
    fs::remove_file(&in_the_way).unwrap();
    let part = dir.path().join(".squares-1000.tmp/part-00001");
    let whole = fs::read_to_string(&part).unwrap();
    for changed in [&whole[..whole.len() - 1], "", "4\n9\n16\n"] {
        fs::write(&part, changed).unwrap();
        let test = context(1_000);
        squares(&test, &prefix, || ());
        test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        let error = test.run(1).unwrap_err().to_string();
        assert!(error.contains(".squares-1000.tmp/part-00001 was finished with"), "{error}");
        assert!(
            error.contains("put the part back as it was") && error.contains("on_batch_failure=skip"),
            "{error}"
        );
        assert!(!Path::new(&in_the_way).exists());
    }
    fs::write(&part, whole).unwrap();
    let test = context(1_000);
    let computed = squares(&test, &prefix, || ());
    test.go_on(Arc::new(disk) as Arc<dyn Fs>, "/checkpoint").unwrap();
    test.run(1).unwrap();
    assert_eq!((text(&in_the_way), computed.load(Ordering::Relaxed)), ("1\n4\n9\n".to_owned(), 2));
}

#[test]
fn dead_letters_are_delivered_into_files() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("letters").display().to_string();
    let test = context(0);
    let words = test.input([vec!["1", "two"], vec!["3"]], 1).unwrap();
    let numbers =
        words.try_map(|word: &&str| word.parse::<u64>()).dead_letter(BatchFolders::text(&prefix, "txt"));
    let numbers = test.collect(&numbers);
    test.run(2).unwrap();
    assert_eq!(numbers.all(), [1, 3]);
    let letters = |time| fs::read_to_string(format!("{prefix}-{time}.txt/part-00000")).unwrap();
    assert_eq!(letters(1_000), "batch 1000 ms, partition 0: invalid digit found in string: two\n");
    assert_eq!(letters(2_000), "");
    assert!(Path::new(&format!("{prefix}-2000.txt/_SUCCESS")).exists());
}
