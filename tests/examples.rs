//! Runs the examples as a user does: on files, on standard input and against servers, and compares what they print.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;

#[path = "examples/kafka.rs"]
mod kafka;
#[path = "examples/memory.rs"]
mod memory;
#[path = "examples/states.rs"]
mod states;
#[path = "examples/streams.rs"]
mod streams;
#[path = "examples/support.rs"]
mod support;
#[path = "examples/windows.rs"]
mod windows;

use support::{data, example, lines, pages, printed, root, run, saved, sha256, stderr, stdout};

const WORDS_DIGEST: &str = "75b5c287504c2ce2882931f8c12a0b6cefe41798182e5de42ac7dc6170683a28";
const CLIENTS_DIGEST: &str = "61ae134ab20146676e53079680097bc4884e8034fd8f224948134e7cb576c8dc";
const STATUSES_DIGEST: &str = "c6f31b6549fa967a1bece4b9dd9050762756a07ac10748e013979df57fb4a9f2";

#[test]
fn every_example_says_what_it_is_for() {
    let mut names = 0;
    for entry in fs::read_dir(root().join("examples")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        names += 1;
        let name = path.file_stem().unwrap().to_str().unwrap();
        let help = printed(name, &["--help"]);
        assert!(help.contains(&format!("Usage: {name}")), "{help}");
        assert!(help.contains("Example") && help.lines().next().unwrap().len() > 20, "{help}");
    }
    assert!(names >= 13);
}

#[test]
fn word_count_knows_moby_dick() {
    let folder = tempfile::tempdir().unwrap();
    for threads in ["1", "2", "5"] {
        let file = folder.path().join("counts.tsv");
        let args =
            [&data("moby-dick.txt"), "--top", "3", "--threads", threads, "--output", file.to_str().unwrap()];
        let printed = lines(&printed("word_count", &args));
        assert_eq!(printed[..3], ["the 13434", "of 6373", "and 5815"]);
        assert!(
            printed[3].starts_with("208160 words, 32238 distinct, in 21424 lines, 1.2 MB, "),
            "{}",
            printed[3]
        );
        assert!(printed[3].contains(" MB/s, ") && printed[3].ends_with(" records/s"), "{}", printed[3]);
        assert_eq!(sha256(&file), WORDS_DIGEST);
    }
}

#[test]
fn a_word_of_megabytes_and_bytes_that_are_no_text_are_counted_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    let long = "x".repeat(17 << 20);
    fs::write(&file, [long.as_bytes(), b"\nok ok \xff\n"].concat()).unwrap();
    let output = example("word_count").arg(&file).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (out, err) = (String::from_utf8(output.stdout.clone()).unwrap(), stderr(&output));
    assert!(out.contains("4 words, 3 distinct, in 2 lines"), "{}", &out[out.len() - 200..]);
    assert!(err.contains("1 line(s) longer than") && err.contains("1 invalid UTF-8 sequence(s)"), "{err}");
}

#[test]
fn ties_are_printed_in_the_order_of_their_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    fs::write(&file, "b a ü\nB b a c\n").unwrap();
    let file = file.to_str().unwrap();
    let all = ["a 2", "b 2", "B 1", "c 1", "ü 1"];
    assert_eq!(lines(&printed("word_count", &[file]))[..5], all);
    for top in 0..=5 {
        let printed = lines(&printed("word_count", &[file, "--top", &top.to_string()]));
        assert_eq!(printed[..top], all[..top]);
        assert!(printed[top].starts_with("7 words, 5 distinct, in 2 lines"), "{printed:?}");
    }
}

#[test]
fn clients_and_statuses_of_a_log_with_malformed_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("counts.tsv");
    let args = [&data("access.log"), "--top", "3", "--output", file.to_str().unwrap()];

    let clients = lines(&printed("ip_count", &args));
    assert_eq!(clients[..3], ["192.0.2.1 51", "192.0.2.5 43", "192.0.2.2 39"]);
    assert!(clients[3].starts_with("1188 requests, 101 distinct, in 1199 lines"), "{}", clients[3]);
    assert_eq!(clients[4], "malformed lines: 11");
    assert_eq!(sha256(&file), CLIENTS_DIGEST);

    let statuses = lines(&printed("status_count", &args));
    assert_eq!(statuses[..3], ["200 813", "304 148", "404 94"]);
    assert_eq!(statuses[4], "malformed lines: 11");
    assert_eq!(sha256(&file), STATUSES_DIGEST, "a shorter output replaces a longer one as a whole");
}

#[test]
fn a_directory_is_all_its_visible_files() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("below")).unwrap();
    for (name, text) in [("a", "x y"), ("b", "x\n"), (".hidden", "x x x"), ("below/c", "x")] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let printed = lines(&printed(
        "word_count",
        &[folder.path().to_str().unwrap(), &data("moby-dick.txt"), "--top", "0"],
    ));
    assert!(printed[0].starts_with("208163 words, "), "{printed:?}");
}

#[test]
fn what_cannot_be_done_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().to_str().unwrap();
    let text = data("moby-dick.txt");
    let cases: [(&str, &[&str], i32, &str); 9] = [
        ("word_count", &["no/such/file"], 1, "no/such/file"),
        ("word_count", &[&text, "no/such/file"], 1, "no/such/file"),
        ("word_count", &[empty], 1, "no files"),
        ("word_count", &["/dev/null"], 1, "regular file"),
        ("ip_count", &[&text, "--output", "no/such/folder/x.tsv"], 1, "no/such/folder/x.tsv"),
        ("status_count", &[&text, "--output", &text], 1, "one of the files to be read"),
        ("log_event_processor", &["file:no/such/file"], 1, "no/such/file"),
        ("log_event_processor", &["dir:no/such/folder"], 1, "no/such/folder"),
        ("network_word_count", &["localhost", "9", "--master", "local[1]"], 1, "local[2]"),
    ];
    for (name, args, code, words) in cases {
        let output = run(name, args);
        let error = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{name} {args:?}: {error}");
        assert!(error.starts_with("error: ") && error.lines().count() == 1, "{name} {args:?}: {error}");
        assert!(error.contains(words), "{name} {args:?}: {error}");
    }
    for (name, args) in [
        ("word_count", &[] as &[&str]),
        ("word_count", &["--threads", "0", &text]),
        ("log_event_processor", &["ftp://x"]),
        ("log_event_processor", &["tcp://localhost"]),
        ("network_word_count", &["localhost", "100000"]),
        ("queue_stream", &["--master", "yarn"]),
    ] {
        assert_eq!(run(name, args).status.code(), Some(2), "{name} {args:?}");
    }
    assert_eq!(fs::metadata(&text).unwrap().len(), 1_204_997);
}

#[test]
fn a_reader_that_goes_away_is_no_disaster() {
    let text = data("moby-dick.txt");
    for (name, args) in [
        ("word_count", vec![text.clone()]),
        ("ip_count", vec![data("access.log")]),
        ("log_event_processor", vec![format!("file:{text}"), "--match".to_owned(), "whale".to_owned()]),
        ("windowed_word_count", [&format!("file:{text}"), "--slide", "1s"].map(str::to_owned).to_vec()),
        ("atm_fraud", vec![format!("file:{}", data("withdrawals.csv"))]),
    ] {
        let mut child =
            example(name).args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(141), String::new()), "{name}");
    }
}

#[test]
fn log_events_of_files() {
    let folder = tempfile::tempdir().unwrap();
    let log: String = (0..40).map(|i| format!("{} {i}\n", ["INFO", "ERROR"][i % 2])).collect();
    fs::create_dir(folder.path().join("logs")).unwrap();
    fs::write(folder.path().join("logs/1"), &log).unwrap();
    fs::write(folder.path().join("logs/2"), "no end of line: ERROR").unwrap();
    let (source, prefix) = (format!("file:{}/logs", folder.path().display()), folder.path().join("errors"));
    let output =
        run("log_event_processor", &[&source, "--interval", "100ms", "--output", prefix.to_str().unwrap()]);
    assert_eq!(stderr(&output), "21 matching lines\n");
    let out = stdout(&output);
    let page = pages(&out).into_iter().find(|page| !page.lines.is_empty()).unwrap();
    let errors: Vec<_> = (0..20).map(|i| format!("ERROR {}", 2 * i + 1)).collect();
    assert_eq!(
        page.lines,
        [&errors[..], &["no end of line: ERROR".to_owned()]].concat(),
        "all of them, in order"
    );

    let mut expected: Vec<_> = log.lines().filter(|line| line.contains("ERROR")).map(str::to_owned).collect();
    expected.push("no end of line: ERROR".to_owned());
    expected.sort();
    assert_eq!(saved(&prefix), expected);
}

#[test]
fn log_events_of_standard_input() {
    let mut command = example("log_event_processor");
    command.args(["-", "--match", "b", "--interval", "100ms", "--master", "local[2]"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"abc\nxyz\nb at the end").unwrap();
    let output = child.wait_with_output().unwrap();
    let out = stdout(&output);
    assert!(
        output.status.success() && stderr(&output).ends_with("2 matching lines\n"),
        "{}",
        stderr(&output)
    );
    assert!(out.contains("\nabc\n") && out.contains("\nb at the end\n") && !out.contains("xyz"), "{out}");
}

#[test]
fn a_queue_of_rdds() {
    let printed = printed("queue_stream", &["--rdds", "2", "--interval", "100ms"]);
    for digit in 0..10 {
        assert_eq!(printed.matches(&format!("({digit},100)\n")).count(), 2, "{printed}");
    }
}

#[test]
fn a_blacklist_takes_its_clients_out() {
    let folder = tempfile::tempdir().unwrap();
    let (list, prefix) = (folder.path().join("list"), folder.path().join("allowed"));
    fs::write(&list, "192.0.2.5\n\n 192.0.2.1\n").unwrap();
    let source = format!("file:{}", data("access.log"));
    let args = [&source, "--deny", "192.0.2.1", "--blacklist", list.to_str().unwrap(), "--interval", "100ms"];
    let output = run("blacklist_filter", &[&args[..], &["--output", prefix.to_str().unwrap()]].concat());
    assert_eq!(stderr(&output), "1094 lines kept, 94 left out, 11 malformed\n");
    let log = fs::read_to_string(data("access.log")).unwrap();
    let is_kept = |line: &&str| {
        line.ends_with('"') && !line.starts_with("192.0.2.1 ") && !line.starts_with("192.0.2.5 ")
    };
    let mut kept: Vec<_> = log.lines().filter(is_kept).collect();
    kept.sort_unstable();
    assert_eq!(saved(&prefix), kept);
}

#[test]
fn a_blacklist_for_lines_between_double_hashes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("log");
    let row = |ip: &str| format!("{ip}##2026-02-24 06:00:00##GET /##200##17\n");
    fs::write(&file, row("192.0.2.1") + &row("192.0.2.2") + "##no client\n" + &row("192.0.2.1")).unwrap();
    let source = format!("file:{}", file.display());
    let output = run("blacklist_filter", &[&source, "--deny", "192.0.2.1", "--interval", "100ms"]);
    assert_eq!(stderr(&output), "1 lines kept, 2 left out, 1 malformed\n");
    let rows: BTreeMap<_, _> = stdout(&output)
        .lines()
        .filter_map(|l| l.split_once("##"))
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .collect();
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["192.0.2.2"]);
}
