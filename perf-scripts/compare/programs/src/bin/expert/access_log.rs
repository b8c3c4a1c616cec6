//! Requests of an access log by status and path. The path and the status of a line lie beside each other but for the protocol, so
//! the key is made of three digits and the path in a buffer that is used again.

use std::io::Write;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};
use memchr::memchr;

use crate::pieces;
use crate::table::Table;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let (mut counts, mut key) = (Table::new(), Vec::new());
    pieces::for_each(&arguments.input, |piece| {
        pieces::lines(&piece, |line| {
            if let Some((status, path)) = status_and_path(line) {
                key.clear();
                key.extend_from_slice(status);
                key.extend_from_slice(path);
                counts.add(&key);
            }
        });
        piece
    })?;
    let mut lines = output::create(&arguments.output)?;
    for (key, count) in counts.iter() {
        lines.write_all(&key[..3])?;
        lines.write_all(b"\t")?;
        lines.write_all(&key[3..])?;
        writeln!(lines, "\t{count}")?;
    }
    Ok(lines.flush()?)
}

/// The status and the path of a line in the form `client - - [time] "method path protocol" status bytes`.
#[inline(always)]
fn status_and_path(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let client_end = memchr(b' ', line)?;
    let time = line[client_end..].strip_prefix(b" - - [")?;
    let request = time[memchr(b']', time)? + 1..].strip_prefix(b" \"")?;
    let request_end = memchr(b'"', request)?;
    let path_start = memchr(b' ', &request[..request_end])? + 1;
    let path_end = path_start + memchr(b' ', &request[path_start..request_end])?;
    let rest = request[request_end + 1..].strip_prefix(b" ")?;
    let (status, after) = rest.split_at_checked(3)?;
    let is_status = status.iter().all(u8::is_ascii_digit) && after.first() == Some(&b' ');
    is_status.then_some((status, &request[path_start..path_end]))
}
