//! Requests of an access log by status and path.

use std::io::Write;

use compare_programs::Outcome;
use compare_programs::arguments::Arguments;
use millstream::io::format::access_log;
use millstream::prelude::*;

use crate::once::{self, FileLines};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let count = |lines: &DStream<FileLines>| {
        let requests = lines.filter_map(|line| status_and_path(&line));
        requests.map(|request| (request, 1)).reduce_by_key(|a, b| a + b)
    };
    once::run(arguments, count, |lines, (status, path), count| writeln!(lines, "{status}\t{path}\t{count}"))
}

/// `None` when the line is malformed.
fn status_and_path(line: &Text) -> Option<(u16, Text)> {
    let request = access_log::parse(line).ok()?;
    let path = request.path()?;
    let start = path.as_ptr().addr() - line.as_ptr().addr();
    Some((request.status, line.get(start..start + path.len())?))
}
