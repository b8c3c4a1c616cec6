//! Lines that carry the moment at which they were due.
//!
//! A line is `DUE KEY FILLING`: `DUE` in microseconds since 1970 with always 16 digits (which lasts until 2286), a key, and as many
//! dots as the line is to be long. The moment is that of the schedule, not that of the sending: what a line waited in a blocked
//! sender counts like any other wait.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Digits of the moment.
const DIGITS: usize = 16;

/// Microseconds since 1970 by the system's clock, which all processes of a machine share.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Writes lines. The moments of lines that follow each other share most of their digits, which are kept: a sender writes millions of
/// lines a second.
#[derive(Debug, Default)]
pub struct Writer {
    /// The moment without its last four digits, and with 0 for them in text.
    head: u64,
    text: [u8; DIGITS],
}

/// What the last four digits count to.
const TAIL: u64 = 10_000;

impl Writer {
    /// Appends a line of `bytes` bytes with its end, or longer where moment and key need more.
    pub fn write_line(&mut self, out: &mut Vec<u8>, due_us: u64, key: &[u8], bytes: usize) {
        let begin = out.len();
        out.extend_from_slice(self.digits(due_us));
        out.push(b' ');
        out.extend_from_slice(key);
        if out.len() - begin + 2 < bytes {
            out.push(b' ');
            out.resize(begin + bytes - 1, b'.');
        }
        out.push(b'\n');
    }

    fn digits(&mut self, due_us: u64) -> &[u8; DIGITS] {
        let head = due_us / TAIL;
        if head != self.head || self.text[0] == 0 {
            self.head = head;
            write_digits(&mut self.text[..DIGITS - 4], head);
        }
        write_digits(&mut self.text[DIGITS - 4..], due_us % TAIL);
        &self.text
    }
}

fn write_digits(text: &mut [u8], mut number: u64) {
    for digit in text.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// The key of rank `rank`, in text.
pub fn key_of(rank: u64) -> String {
    format!("k{rank}")
}

/// When a line was due, from its first field; `None` when that is not 16 digits.
pub fn due_us(field: &str) -> Option<u64> {
    if field.len() != DIGITS || !field.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    field.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let (mut out, mut writer) = (Vec::new(), Writer::default());
        writer.write_line(&mut out, 1_700_000_000_123_456, b"k7", 40);
        writer.write_line(&mut out, 5, b"k8", 0);
        writer.write_line(&mut out, 1_700_000_000_009_999, b"k8", 0);
        writer.write_line(&mut out, 1_700_000_000_010_000, b"k8", 0);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].len(), 39);
        let fields: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!((due_us(fields[0]), fields[1]), (Some(1_700_000_000_123_456), "k7"));
        assert_eq!(lines[1..], ["0000000000000005 k8", "1700000000009999 k8", "1700000000010000 k8"]);
        assert_eq!(due_us("12"), None);
        assert_eq!(due_us("+000000000000005"), None);
    }

    #[test]
    fn the_clock_gives_a_moment_of_16_digits() {
        assert_eq!(now_us().to_string().len(), DIGITS);
    }
}
