//! An access log counted by status and by client.

use std::collections::HashMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use memchr::memchr;

/// Counts by status with the standard library: fields between single spaces.
pub fn plain_by_status(text: &str) -> HashMap<u16, u64, ahash::RandomState> {
    let mut counts = HashMap::default();
    for line in text.lines() {
        if let Some(status) = line.split(' ').nth(8).and_then(|status| status.parse().ok()) {
            *counts.entry(status).or_insert(0) += 1;
        }
    }
    counts
}

/// Counts by client with the standard library. A line is well formed when its status is a number.
pub fn plain_by_client(text: &str) -> HashMap<&str, u64, ahash::RandomState> {
    let mut counts = HashMap::default();
    for line in text.lines() {
        let mut fields = line.split(' ');
        let Some(client) = fields.next() else { continue };
        if fields.nth(7).is_some_and(|status| status.parse::<u16>().is_ok()) {
            *counts.entry(client).or_insert(0) += 1;
        }
    }
    counts
}

/// Counts by status into an array, after the same checks as the engine's parser makes for this form of line.
pub fn expert_by_status(text: &[u8]) -> Vec<(u16, u64)> {
    let mut counts = vec![0u64; 1_000];
    for_each_line(text, |line| {
        if let Some((_, status)) = client_and_status(line) {
            counts[usize::from(status)] += 1;
        }
    });
    let counted = counts.into_iter().enumerate().filter(|(_, count)| *count > 0);
    counted.map(|(status, count)| (status as u16, count)).collect()
}

/// Counts by client into hashbrown's table, hashing once.
pub fn expert_by_client(text: &[u8]) -> Vec<(&[u8], u64)> {
    let hasher = ahash::RandomState::with_seed(1);
    let mut counts: HashTable<(&[u8], u64)> = HashTable::new();
    for_each_line(text, |line| {
        let Some((client, _)) = client_and_status(line) else { return };
        let hash = hasher.hash_one(client);
        match counts.entry(hash, |(other, _)| *other == client, |(other, _)| hasher.hash_one(*other)) {
            Entry::Occupied(mut entry) => entry.get_mut().1 += 1,
            Entry::Vacant(entry) => {
                entry.insert((client, 1));
            }
        }
    });
    counts.into_iter().collect()
}

#[inline(always)]
fn for_each_line<'a>(mut text: &'a [u8], mut f: impl FnMut(&'a [u8])) {
    while let Some(end) = memchr(b'\n', text) {
        f(&text[..end]);
        text = &text[end + 1..];
    }
    if !text.is_empty() {
        f(text);
    }
}

/// The client and the status of a line up to its byte count, in the form ` - - [time] "request" status bytes`.
#[inline(always)]
fn client_and_status(line: &[u8]) -> Option<(&[u8], u16)> {
    let client_end = memchr(b' ', line)?;
    let time = line[client_end..].strip_prefix(b" - - [")?;
    let request = time[memchr(b']', time)? + 1..].strip_prefix(b" \"")?;
    let rest = &request[memchr(b'"', request)? + 1..];
    let [b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', b'0'..=b'9' | b'-', ..] = *rest
    else {
        return None;
    };
    let status = u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0');
    Some((&line[..client_end], status))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::same_counts;
    use crate::workload::access_log::AccessLog;

    #[test]
    fn all_programs_give_the_answer() {
        let log = AccessLog::generate(3, 500_000);
        let text = std::str::from_utf8(&log.bytes).unwrap();
        same_counts("plain", plain_by_status(text), log.by_status());
        same_counts("plain", plain_by_client(text), log.by_client());
        same_counts("expert", expert_by_status(&log.bytes), log.by_status());
        let expected = log.by_client().map(|(client, n)| (client.as_bytes(), n));
        same_counts("expert", expert_by_client(&log.bytes), expected);
    }
}
