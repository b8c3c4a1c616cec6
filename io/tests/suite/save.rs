use std::fs;
use std::path::Path;

use millstream_engine::config::OnBatchFailure;
use millstream_engine::testkit::TestContext;
use millstream_io::{Sinks, Sources};

use crate::support::{config, context};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn text_files_have_a_folder_per_batch_and_a_file_per_partition() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("numbers").display().to_string();
    let test = context(config());
    let stream = test.input_with_gaps([Some(vec![1, 2, 3]), Some(vec![]), None], 2).unwrap();
    stream.save_as_text_files(&prefix, "txt");
    stream.save_as_text_files_with(&out.path().join("squares").display().to_string(), "", |n, line| {
        line.extend_from_slice(format!("{n} {}", n * n).as_bytes());
    });
    test.run(3).unwrap();
    let expected = ["numbers-1000.txt", "numbers-2000.txt", "squares-1000", "squares-2000"];
    assert_eq!(names(out.path()), expected, "an empty batch has a folder, no RDD has none");
    let first = out.path().join(expected[0]);
    assert_eq!(names(&first), ["_SUCCESS", "part-00000", "part-00001"]);
    assert_eq!(
        (text(first.join("part-00000")), text(first.join("part-00001"))),
        ("1\n".into(), "2\n3\n".into())
    );
    assert_eq!(text(out.path().join("numbers-2000.txt/part-00000")), "");
    assert_eq!(text(out.path().join("squares-1000/part-00001")), "2 4\n3 9\n");
}

#[test]
fn an_rdd_without_partitions_is_a_folder_with_only_the_mark_of_success() {
    let out = tempfile::tempdir().unwrap();
    let test = context(config());
    let queue = millstream_io::queue::RddQueue::<millstream_engine::rdd::Parallelized<u8>>::new();
    let prefix = out.path().join("none").display().to_string();
    test.queue_stream(&queue, true).unwrap().save_as_text_files(&prefix, "");
    test.run(1).unwrap();
    assert_eq!(names(&out.path().join("none-1000")), ["_SUCCESS"]);
}

fn save_once(prefix: &str, records: Vec<u32>, partitions: usize) {
    let test = context(config());
    test.input([records], partitions).unwrap().save_as_text_files(prefix, "");
    test.run(1).unwrap();
}

#[test]
fn a_batch_that_is_run_again_replaces_what_it_wrote() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("counts").display().to_string();
    save_once(&prefix, vec![1, 2, 3, 4], 4);
    save_once(&prefix, vec![5, 6], 1);
    assert_eq!(names(out.path()), ["counts-1000"]);
    assert_eq!(names(&out.path().join("counts-1000")), ["_SUCCESS", "part-00000"]);
    assert_eq!(text(out.path().join("counts-1000/part-00000")), "5\n6\n");
}

#[test]
fn a_task_that_is_tried_again_writes_its_part_once() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("tries").display().to_string();
    let test = context(config().max_failures(3));
    let tries = std::sync::atomic::AtomicUsize::new(0);
    test.input([vec![1, 2, 3]], 1).unwrap().save_as_text_files_with(&prefix, "", move |n, line| {
        let is_second = *n == 2;
        assert!(
            !is_second || tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) > 0,
            "the first try fails"
        );
        line.push(b'0' + *n as u8);
    });
    test.run(1).unwrap();
    assert_eq!(text(out.path().join("tries-1000/part-00000")), "1\n2\n3\n");
}

#[test]
fn a_batch_that_fails_leaves_nothing() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("bad").display().to_string();
    let test = context(config().max_failures(1).on_batch_failure(OnBatchFailure::Skip));
    test.input([vec![1, 2], vec![3]], 2).unwrap().save_as_text_files_with(&prefix, "", |n, _| {
        assert!(*n != 2, "a bad record");
    });
    test.run(2).unwrap();
    assert_eq!(names(out.path()), ["bad-2000"]);
}

#[test]
fn a_sink_that_cannot_be_written_fails_the_batch_and_says_why() {
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("file"), "").unwrap();
    let test = context(config());
    test.input([vec![1]], 1)
        .unwrap()
        .save_as_text_files(&out.path().join("file/x").display().to_string(), "");
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("cannot create the output folder's parent"), "{error}");
}

type Record = (String, Option<i64>, Vec<u8>);

fn collect_objects(test: &TestContext, path: &Path) -> Vec<Vec<Record>> {
    let seen = test.collect(&test.constant_stream(test.object_file::<Record>(path).unwrap()).unwrap());
    test.run(1).unwrap();
    seen.partitions().pop().unwrap().1
}

#[test]
fn object_files_are_read_back_partition_by_partition() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("objects").display().to_string();
    let records: Vec<Record> =
        (0..1_000).map(|i| ("x".repeat(i), (i % 3 == 0).then_some(-(i as i64)), vec![0; i % 7])).collect();
    let test = context(config());
    test.input([records.clone(), vec![]], 3).unwrap().save_as_object_files(&prefix, "");
    test.run(2).unwrap();
    let parts = collect_objects(&context(config()), &out.path().join("objects-1000"));
    assert_eq!((parts.len(), parts.concat()), (3, records));
    assert!(collect_objects(&context(config()), &out.path().join("objects-2000")).concat().is_empty());
    assert!(test.object_file::<Record>(out.path().join("objects-3000")).is_err());
}

#[test]
fn an_object_file_that_is_damaged_or_of_another_type_is_not_read() {
    let out = tempfile::tempdir().unwrap();
    let prefix = out.path().join("objects").display().to_string();
    let test = context(config());
    test.input([vec![("key".to_owned(), 1_u64)]], 1).unwrap().save_as_object_files(&prefix, "");
    test.run(1).unwrap();
    let folder = out.path().join("objects-1000");
    let part = folder.join("part-00000");
    let whole = fs::read(&part).unwrap();
    assert_eq!(whole, b"MSO1\x05\0\0\0\x03key\x01");
    let cases: [(&[u8], &str); 5] = [
        (&whole[..2], "failed to fill"),
        (b"MSO2\x05\0\0\0\x03key\x01", "no object file of this version"),
        (&whole[..6], "ends inside a length"),
        (&whole[..10], "ends inside a record"),
        (b"MSO1\x06\0\0\0\x03key\x01\0", "longer than its type"),
    ];
    for (bytes, expected) in cases {
        fs::write(&part, bytes).unwrap();
        let test = context(config().max_failures(1));
        let stream = test.constant_stream(test.object_file::<(String, u64)>(&folder).unwrap()).unwrap();
        test.collect(&stream);
        let error = test.run(1).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("part-00000"), "{error}");
    }
}
