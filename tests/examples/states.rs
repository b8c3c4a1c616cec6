//! Examples that remember, on files that are replayed: every batch is compared with one that is made of all lines so far.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::ExitStatus;

use crate::support::{PATIENCE, Program, data, pages, run, serve, stderr, stdout};

const INTERVAL: [&str; 2] = ["--interval", "50ms"];

/// What a program prints of a file that is replayed, and what it says at the end.
fn replayed(name: &str, path: &str, lines_per_batch: usize, args: &[&str]) -> (String, String) {
    let source = format!("replay:{lines_per_batch}:{path}");
    let output = run(name, &[&[source.as_str()], &INTERVAL[..], args].concat());
    assert!(output.status.success(), "{name} {args:?}: {}", stderr(&output));
    (stdout(&output), stderr(&output))
}

/// The most frequent first, and among equals the smallest.
fn top<K: Ord + Copy>(counts: &BTreeMap<K, u64>, n: usize) -> Vec<(K, u64)> {
    let mut counts: Vec<_> = counts.iter().map(|(key, count)| (*key, *count)).collect();
    counts.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(&b.0)));
    counts.truncate(n);
    counts
}

#[test]
fn counts_of_words_grow_from_batch_to_batch() {
    let path = data("moby-dick.txt");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let (out, _) = replayed("stateful_word_count", &path, 4_000, &["--top", "1000", "--snapshot", "30"]);
    let pages = pages(&out);
    let mut counts = BTreeMap::new();
    assert!(pages.len() >= 2 * lines.len().div_ceil(4_000), "{} pages", pages.len());
    for (pair, batch) in pages.chunks_exact(2).zip(lines.chunks(4_000).chain(std::iter::repeat(&[][..]))) {
        let words: Vec<_> = batch.iter().flat_map(|line| line.split_whitespace()).collect();
        words.iter().for_each(|word| *counts.entry(*word).or_insert(0) += 1);
        let changed: BTreeMap<_, _> = words.iter().map(|word| (*word, counts[word])).collect();
        let expected: Vec<_> = top(&changed, 1_000).iter().map(|(word, n)| format!("({word},{n})")).collect();
        assert_eq!(pair[0].lines, expected);
        let expected: Vec<_> =
            top(&counts, 30).iter().map(|(word, n)| format!("{word}: {n} in all")).collect();
        assert_eq!(pair[1].lines, expected);
    }
    assert_eq!(top(&counts, 1), [("the", 13_434)]);
}

#[test]
fn counts_of_response_codes_grow_from_batch_to_batch() {
    let path = data("access.log");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let (out, err) = replayed("response_codes", &path, 150, &[]);
    assert_eq!(err, "malformed lines: 11\n");
    let pages = pages(&out);
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    assert!(pages.len() >= lines.len().div_ceil(150), "{} pages", pages.len());
    for (page, batch) in pages.iter().zip(lines.chunks(150).chain(std::iter::repeat(&[][..]))) {
        for line in batch.iter().filter(|line| line.ends_with('"')) {
            *counts.entry(&line.split("\" ").nth(1).unwrap()[..3]).or_insert(0) += 1;
        }
        let expected: Vec<_> = counts.iter().map(|(code, n)| format!("({code},{n})")).collect();
        assert_eq!(page.lines, expected);
    }
    assert_eq!((counts["200"], counts["304"], counts["404"]), (813, 148, 94));
}

/// The fields of a line if there are `N` and none is empty.
fn fields<const N: usize>(line: &str) -> Option<[&str; N]> {
    let fields: [&str; N] = line.split(',').collect::<Vec<_>>().try_into().ok()?;
    fields.iter().all(|field| !field.is_empty()).then_some(fields)
}

fn cents(amount: &str) -> Option<i64> {
    let decimals = amount.split_once('.').map_or("", |(_, decimals)| decimals);
    let is_amount = decimals.len() <= 2 && amount.bytes().all(|b| b"-.0123456789".contains(&b));
    is_amount.then(|| (amount.parse::<f64>().unwrap() * 100.0).round() as i64)
}

fn money(cents: i64) -> String {
    format!("{:.2}", cents as f64 / 100.0)
}

#[test]
fn the_best_brands_of_each_category() {
    let path = data("sales.csv");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = text.lines().collect();
    for top in [3, 1] {
        let (out, err) = replayed("top3_by_category", &path, 30, &["--top", &top.to_string()]);
        assert_eq!(err, "malformed lines: 8\n");
        let pages = pages(&out);
        assert!(pages.len() >= lines.len().div_ceil(30), "{} pages", pages.len());
        let mut sums: BTreeMap<&str, BTreeMap<&str, i64>> = BTreeMap::new();
        for (page, batch) in pages.iter().zip(lines.chunks(30).chain(std::iter::repeat(&[][..]))) {
            for [category, brand, amount] in batch.iter().filter_map(|line| fields::<3>(line)) {
                if let Some(cents) = cents(amount) {
                    *sums.entry(category).or_default().entry(brand).or_default() += cents;
                }
            }
            let expected: Vec<_> = sums.iter().map(|(category, sums)| best(category, sums, top)).collect();
            assert_eq!(page.lines, expected);
        }
    }
}

fn best(category: &str, sums: &BTreeMap<&str, i64>, top: usize) -> String {
    let mut sums: Vec<_> = sums.iter().collect();
    sums.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let best: Vec<_> =
        sums.iter().take(top).map(|(brand, sum)| format!("{brand} {}", money(**sum))).collect();
    format!("{category}: {}", best.join(", "))
}

/// The withdrawals of a card at a machine: second, cents, and the time as it is written.
type ByPlace<'a> = BTreeMap<(&'a str, &'a str), Vec<(i64, i64, &'a str)>>;

/// The second of the day; all times in the file are of one day.
fn second(time: &str) -> i64 {
    match time.strip_prefix("2026-03-02T") {
        Some(clock) => clock.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().unwrap()),
        None => time.parse::<i64>().unwrap() % 86_400,
    }
}

/// The alerts for a file whose lines are well formed if their amount and time are: each withdrawal with those before it.
fn alerts(text: &str, more_than: usize, within: i64) -> Vec<String> {
    let is_time = |time: &str| time.starts_with("2026-03-02T") || time.bytes().all(|b| b.is_ascii_digit());
    let mut by_place = ByPlace::new();
    for [card, atm, amount, time] in text.lines().filter_map(fields::<4>) {
        if let Some(cents) = cents(amount).filter(|_| is_time(time)) {
            by_place.entry((card, atm)).or_default().push((second(time), cents, time));
        }
    }
    let mut alerts = Vec::new();
    for ((card, atm), mut all) in by_place {
        all.sort_unstable();
        for (i, last) in all.iter().enumerate() {
            let crowd: Vec<_> = all[..=i].iter().filter(|(time, ..)| last.0 - time <= within).collect();
            let sum = money(crowd.iter().map(|(_, cents, _)| cents).sum());
            if let Some(first) = crowd.first().filter(|_| crowd.len() > more_than) {
                let (n, from, to) = (crowd.len(), first.2, last.2);
                alerts.push(format!("ALERT {card} at {atm}: {n} withdrawals of {sum} from {from} to {to}"));
            }
        }
    }
    alerts.sort();
    alerts
}

fn sorted(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    lines
}

#[test]
fn alerts_are_those_of_the_lines_in_their_order() {
    let path = data("withdrawals.csv");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(alerts(&text, 2, 900).len(), 47);
    // The lines of each 25 are in no order, so batches hold whole blocks of them.
    for (lines_per_batch, more_than, within) in
        [(25, 2, "15m"), (50, 2, "15m"), (500, 3, "10m"), (25, 0, "1s")]
    {
        let args = ["--more-than", &more_than.to_string(), "--within", within];
        // No card is forgotten, however long a batch takes on a machine that has much to do.
        let (out, err) =
            replayed("atm_fraud", &path, lines_per_batch, &[&args[..], &["--forget", "1h"]].concat());
        let seconds = match within {
            "1s" => 1,
            minutes => minutes.trim_end_matches('m').parse::<i64>().unwrap() * 60,
        };
        let expected = alerts(&text, more_than, seconds);
        assert_eq!(sorted(&out), expected);
        assert_eq!(err, format!("{} alerts, 10 malformed lines\n", expected.len()));
    }
}

fn write_lines(file: &Path, lines: &[&str]) -> String {
    fs::write(file, lines.join("\n")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn a_late_withdrawal_completes_what_came_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let lines = ["a,1,20,1000", "a,1,20,2800", "a,1,20,1900", "a,1,20,1901", "b,1,20,1902", "a,2,20,1903"];
    let file = write_lines(&folder.path().join("late"), &lines);
    let (out, err) = replayed("atm_fraud", &file, 1, &[]);
    let expected = ["ALERT a at 1: 3 withdrawals of 60.00 from 1900 to 2800"];
    assert_eq!((sorted(&out), err.as_str()), (expected.to_vec(), "1 alerts, 0 malformed lines\n"));
}

#[test]
fn a_card_that_does_not_come_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let others = ["x"; 9];
    let lines = [&["a,1,20,1000", "a,1,20,1001"], &others[..], &["a,1,20,1002", "a,1,20,1003"]].concat();
    let file = write_lines(&folder.path().join("idle"), &lines);
    for (forget, alerts) in [("200ms", 0), ("1h", 2)] {
        let (out, err) = replayed("atm_fraud", &file, 1, &["--forget", forget]);
        assert_eq!(out.lines().count(), alerts);
        assert_eq!(err, format!("{alerts} alerts, 9 malformed lines\n"));
    }
}

#[test]
fn malformed_withdrawals_and_sales_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let good = ["c,m,20,0", " c , m , 0.5 , 2026-03-02T00:00:00Z ", "c,m,999999999999,99999999999"];
    let bad = [
        "c,m,20,1e3",
        "c,m,20,2026-3-2T00:00:00",
        "c,m,20,2026-02-30T00:00:00",
        "c,m,20,2026-03-02T24:00:00",
        "c,m,20,2026-03-02T00:00",
        "c,m,20,1969-12-31T00:00:00",
        "c,m,20,+5",
        "c,m,20,99999999999999999999",
        "c,m,1_000,5",
        "c,m,.5,5",
        "c,m,5.,5",
        "c,m,--5,5",
        "c,m,9999999999999,5",
        "c,m,ü,5",
        ",,,",
        "c,m,20,5,",
        "\u{0}",
        "",
        "x",
    ];
    let file = write_lines(&folder.path().join("withdrawals"), &[&good[..], &bad].concat());
    let (out, err) = replayed("atm_fraud", &file, 100, &["--more-than", "0"]);
    assert_eq!(out.lines().count(), good.len(), "{out}");
    assert_eq!(err, format!("{} alerts, {} malformed lines\n", good.len(), bad.len()));

    let lines = ["a,b,1", "a,b,-2.5", "a,c,0", "a,b", "a,b,x", "a,b,1,2"];
    let file = write_lines(&folder.path().join("sales"), &lines);
    let (out, err) = replayed("top3_by_category", &file, 100, &[]);
    assert_eq!(pages(&out)[0].lines, ["a: c 0.00, b -1.50"]);
    assert_eq!(err, "malformed lines: 3\n");
}

#[test]
fn counts_of_a_server_until_the_program_is_told_to_end() {
    counts_of_a_server(Program::interrupt);
    counts_of_a_server(Program::terminate);
}

fn counts_of_a_server(end: fn(&mut Program) -> ExitStatus) {
    let (port, server) = serve("to be or not\nto be\n");
    let source = format!("tcp://127.0.0.1:{port}");
    let mut program = Program::start("stateful_word_count", &[&source, "--snapshot", "2"]);
    // The snapshot comes again after the batch with the words.
    program.wait_for(&["(be,2)", "(to,2)", "be: 2 in all", "to: 2 in all", "be: 2 in all"]);
    assert!(end(&mut program).success());
    assert!(program.err.recv_timeout(PATIENCE).is_err(), "nothing to complain about");
    drop(server.join().unwrap());
}
