//! Requests of an access log by status and path.

use std::collections::HashMap;
use std::fs;
use std::io::Write;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let text = fs::read_to_string(&arguments.input)?;
    let mut counts: HashMap<(u16, &str), u64, ahash::RandomState> = HashMap::default();
    for request in text.lines().filter_map(status_and_path) {
        *counts.entry(request).or_insert(0) += 1;
    }
    let mut lines = output::create(&arguments.output)?;
    for ((status, path), count) in counts {
        writeln!(lines, "{status}\t{path}\t{count}")?;
    }
    Ok(lines.flush()?)
}

fn status_and_path(line: &str) -> Option<(u16, &str)> {
    let mut quoted = line.split('"').skip(1);
    let path = quoted.next()?.split(' ').nth(1)?;
    let status = quoted.next()?.split(' ').nth(1)?.parse().ok()?;
    Some((status, path))
}
