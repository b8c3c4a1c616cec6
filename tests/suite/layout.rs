//! The shape of the source: which crate and which module may use which, and how long things may get.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What each crate may use of the others.
const CRATES: [(&str, &[&str]); 5] = [
    ("engine", &[]),
    ("operators", &["engine"]),
    ("io", &["engine"]),
    (".", &["engine", "operators", "io"]),
    ("bench", &["engine", "operators", "io", "."]),
];

/// What each module of the engine may use of the others, from the ground up: each only what stands above it. `error` and
/// `time` are everybody's.
const MODULES: [(&str, &[&str]); 24] = [
    ("error", &[]),
    ("time", &[]),
    ("codec", &[]),
    ("fs", &[]),
    ("wal", &["fs"]),
    ("clock", &[]),
    ("text", &[]),
    ("storage", &["codec", "fs", "text"]),
    ("config", &["storage"]),
    ("observe", &["codec"]),
    ("job", &["fs", "text", "storage", "config"]),
    ("rdd", &["storage", "job"]),
    ("block", &["codec", "text", "storage", "job", "rdd"]),
    ("shuffle", &["text", "job", "rdd"]),
    ("recovery", &["codec", "fs", "wal", "text", "job", "block"]),
    ("deliver", &["config", "job", "rdd", "recovery"]),
    ("sequence", &["config", "job", "rdd"]),
    ("state", &["text", "storage", "job", "rdd", "shuffle", "recovery", "sequence"]),
    ("window", &["text", "storage", "job", "rdd", "shuffle", "recovery", "sequence", "state"]),
    ("batch", &["clock", "text", "storage", "observe", "job", "block"]),
    ("receive", &["clock", "config", "text", "observe", "job", "rdd", "block", "batch"]),
    (
        "graph",
        &[
            "clock", "storage", "config", "observe", "job", "rdd", "block", "shuffle", "recovery", "deliver",
            "sequence", "state", "window", "batch", "receive",
        ],
    ),
    (
        "context",
        &[
            "fs", "wal", "clock", "storage", "config", "text", "observe", "job", "rdd", "recovery", "batch",
            "receive", "graph",
        ],
    ),
    ("testkit", &["fs", "clock", "config", "job", "rdd", "recovery", "graph", "context"]),
];

/// The only files with `unsafe`.
const UNSAFE: [&str; 18] = [
    "bench/src/program/word_count_expert.rs",
    "bench/tests/allocations.rs",
    "engine/src/block/ring.rs",
    "engine/src/block/ring/loom.rs",
    "engine/src/shuffle/part.rs",
    "engine/src/shuffle/queue.rs",
    "engine/src/shuffle/slots.rs",
    "engine/src/shuffle/table.rs",
    "engine/src/text/arena.rs",
    "engine/src/text/build.rs",
    "engine/src/text/chunk.rs",
    "engine/src/text/credit.rs",
    "engine/src/text/lines.rs",
    "engine/src/text/split.rs",
    "engine/src/text/text.rs",
    "engine/src/text/utf8.rs",
    "engine/src/text/whitespace.rs",
    "engine/src/text/window.rs",
];

/// The only files whose threads sleep by the clock on the wall; elsewhere they wait for what they wait for.
const SLEEPING: [&str; 25] = [
    // A sender with a given rate, and a measurement of a given length.
    "bench/benches/recovery.rs",
    "bench/src/bin/load_generator.rs",
    "bench/src/bin/socket_throughput.rs",
    "bench/src/open_loop.rs",
    "bench/src/socket.rs",
    "engine/src/batch/block_tracker/tests.rs",
    "engine/src/clock.rs",
    "engine/src/context/running.rs",
    "engine/src/context/scheduler.rs",
    // A receiver without room.
    "examples/reliable_custom_receiver.rs",
    // A disk that is slow.
    "engine/src/fs/faulty.rs",
    "engine/src/receive/block_builder.rs",
    "engine/src/receive/receiver.rs",
    "engine/src/receive/supervisor.rs",
    "io/src/acknowledged/server.rs",
    "io/src/reader/source.rs",
    "io/tests/files_exhausted.rs",
    "io/tests/suite/support.rs",
    // Senders at a pace of their own, and processes that are looked at from outside.
    "tests/crash.rs",
    "tests/crash/process.rs",
    "tests/crash/sender.rs",
    "tests/examples/memory.rs",
    // Where a test shows that something does not happen, or makes something slow.
    "tests/suite/batches.rs",
    "tests/suite/stopping.rs",
    "tests/suite/support.rs",
];

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;

/// What is never committed, in two parts so that this file is clean.
const UNFINISHED: [(&str, &str); 5] =
    [("todo", "!("), ("unimplemented", "!("), ("dbg", "!("), ("#[ig", "nore"), ("FIX", "ME")];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A source file, by its path from the root.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines without comments, with their numbers from 1.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(i, line)| (i + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn sources() -> Vec<Source> {
    let mut sources = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                folders.push(path);
            } else if name.ends_with(".rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/");
                sources.push(Source { path, text });
            }
        }
    }
    assert!(sources.len() > 100, "the sources were not found");
    sources
}

/// Fails with all offences at once.
fn assert_none(what: &str, offences: &[String]) {
    assert!(offences.is_empty(), "{what}:\n  {}", offences.join("\n  "));
}

fn package(folder: &str) -> &str {
    match folder {
        "." => "millstream",
        "engine" => "millstream-engine",
        "operators" => "millstream-operators",
        "io" => "millstream-io",
        "bench" => "millstream-bench",
        other => panic!("a crate without a place: {other}"),
    }
}

#[test]
fn crates_use_only_what_is_below_them() {
    for (folder, allowed) in CRATES {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let tables = ["dependencies", "build-dependencies"];
        let used =
            tables.iter().filter_map(|table| manifest.get(*table)?.as_table()).flat_map(|table| table.keys());
        let ours = used.filter(|name| name.starts_with("millstream"));
        let wrong: Vec<_> =
            ours.filter(|name| !allowed.iter().any(|a| package(a) == *name)).cloned().collect();
        assert_none(&format!("{folder} must not depend on"), &wrong);
    }
}

#[test]
fn every_crate_has_its_place() {
    let manifest: toml::Table = fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap();
    for member in members {
        let member = member.as_str().unwrap();
        assert!(CRATES.iter().any(|(folder, _)| *folder == member), "{member} is not in the table of crates");
    }
}

/// The modules that the code of a file names by `crate::module`; unit tests may use what they like.
fn used_modules(source: &Source) -> BTreeSet<&str> {
    let code = source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    let names = code.flat_map(|line| line.split("crate::").skip(1));
    let names = names
        .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap_or_default());
    names.filter(|name| !name.is_empty()).collect()
}

/// The arrows between the modules of the engine, each with a file that draws it.
fn arrows(sources: &[Source]) -> BTreeMap<(String, String), String> {
    let mut arrows = BTreeMap::new();
    for source in sources {
        let Some(inside) = source.path.strip_prefix("engine/src/") else { continue };
        let is_test = inside.ends_with("tests.rs") || inside.ends_with("testing.rs");
        let module = inside.split('/').next().unwrap().trim_end_matches(".rs");
        if is_test || module == "lib" {
            continue;
        }
        for used in used_modules(source).into_iter().filter(|used| *used != module) {
            arrows.entry((module.to_owned(), used.to_owned())).or_insert_with(|| source.path.clone());
        }
    }
    arrows
}

#[test]
fn modules_of_the_engine_use_only_what_the_table_allows() {
    let sources = sources();
    let allowed: BTreeMap<&str, &[&str]> = MODULES.into();
    let is_allowed = |from: &str, to: &str| {
        ["error", "time"].contains(&to) || allowed.get(from).is_some_and(|targets| targets.contains(&to))
    };
    let arrows = arrows(&sources);
    let wrong = arrows.iter().filter(|((from, to), _)| !is_allowed(from, to));
    let wrong: Vec<_> = wrong.map(|((from, to), file)| format!("{from} -> {to} in {file}")).collect();
    assert_none("arrows that the table does not have", &wrong);
}

#[test]
fn no_arrow_of_the_engine_points_up() {
    let place = |module: &str| MODULES.iter().position(|(name, _)| *name == module).unwrap();
    let arrows = arrows(&sources());
    let upward = arrows.iter().filter(|((from, to), _)| place(from) < place(to));
    let upward: Vec<_> = upward.map(|((from, to), file)| format!("{from} -> {to} in {file}")).collect();
    assert_none("arrows that make a cycle", &upward);
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().map(|source| (source.text.lines().count(), source.path));
    let long: Vec<_> = long.filter(|(lines, _)| *lines > FILE_LINES_MAX).collect();
    assert_none(
        "files that are too long",
        &long.iter().map(|(n, path)| format!("{path}: {n}")).collect::<Vec<_>>(),
    );
}

/// The functions of a formatted file: where each begins, and how many lines it has.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = source.text.lines().collect();
    let mut functions = Vec::new();
    for (begin, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let head = code.split('(').next().unwrap_or_default();
        if code.starts_with("//") || !head.split(' ').any(|word| word == "fn") {
            continue;
        }
        let body = lines[begin..].iter().find(|line| line.ends_with(['{', '}', ';']));
        if body.is_none_or(|line| line.ends_with(';')) {
            continue;
        }
        let indent = &line[..line.len() - code.len()];
        let close = format!("{indent}}}");
        let end = lines[begin..]
            .iter()
            .position(|line| *line == close || (line.ends_with('}') && line == &lines[begin]));
        functions.push((begin + 1, end.map_or(1, |length| length + 1)));
    }
    functions
}

#[test]
fn functions_are_short() {
    let mut long = Vec::new();
    for source in sources() {
        let too_long = functions(&source).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        long.extend(too_long.map(|(begin, lines)| format!("{}:{begin}: {lines} lines", source.path)));
    }
    assert_none("functions that are too long", &long);
}

#[test]
fn the_length_of_a_function_is_seen() {
    let text =
        "fn short() {}\n\ntrait A {\n    fn none(\n        a: u8,\n    );\n    fn long(\n        a: u8,\n    ) {\n        a;\n    }\n}\n"
            .to_owned();
    assert_eq!(functions(&Source { path: String::new(), text }), [(1, 1), (7, 5)]);
}

/// Where a file of the list `but` is left out, all lines of code for which `is_bad` holds.
fn lines_where(but: &[&str], is_bad: impl Fn(&str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !but.contains(&source.path.as_str())) {
        let bad = source.code().filter(|(_, line)| is_bad(line));
        found.extend(bad.map(|(number, line)| format!("{}:{number}: {}", source.path, line.trim())));
    }
    found
}

#[test]
fn unsafe_stands_in_the_named_files_only() {
    let words =
        |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe");
    let quoted = |line: &str| line.contains('"');
    assert_none("unsafe code", &lines_where(&UNSAFE, |line| words(line) && !quoted(line)));
    let missing = UNSAFE.iter().filter(|path| !root().join(path).exists()).map(ToString::to_string);
    assert_none("named files that are gone", &missing.collect::<Vec<_>>());
}

#[test]
fn nothing_unfinished_is_left() {
    let words: Vec<String> = UNFINISHED.iter().map(|(a, b)| format!("{a}{b}")).collect();
    let mut found = Vec::new();
    for source in sources() {
        let lines =
            source.text.lines().enumerate().filter(|(_, line)| words.iter().any(|word| line.contains(word)));
        found.extend(lines.map(|(i, line)| format!("{}:{}: {}", source.path, i + 1, line.trim())));
    }
    assert_none("unfinished", &found);
}

#[test]
fn nobody_sleeps_who_could_wait() {
    let calls = ["sleep", "park_timeout"].map(|name| format!("{name}("));
    assert_none("sleeps", &lines_where(&SLEEPING, |line| calls.iter().any(|call| line.contains(call))));
}
