//! Lines that carry the moment at which they were due.
//!
//! A line is `DUE KEY FILLING`: `DUE` in microseconds since 1970 with always 16 digits (which lasts until 2286), a key, and as many
//! dots as the line is to be long. The moment is that of the schedule, not that of the sending: what a line waited in a blocked
//! sender counts like any other wait.

use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Digits of the moment.
const DIGITS: usize = 16;

/// Microseconds since 1970 by the system's clock, which all processes of a machine share.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// Appends a line of `bytes` bytes with its end, or longer where moment and key need more.
///
/// # Errors
/// None when `out` is a vector.
pub fn write_line(out: &mut Vec<u8>, due_us: u64, key: &[u8], bytes: usize) -> io::Result<()> {
    let begin = out.len();
    write!(out, "{due_us:0DIGITS$} ")?;
    out.extend_from_slice(key);
    if out.len() - begin + 2 < bytes {
        out.push(b' ');
        out.resize(begin + bytes - 1, b'.');
    }
    out.push(b'\n');
    Ok(())
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
        let mut out = Vec::new();
        write_line(&mut out, 1_700_000_000_123_456, b"k7", 40).unwrap();
        write_line(&mut out, 5, b"k8", 0).unwrap();
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0].len(), 39);
        let fields: Vec<&str> = lines[0].split(' ').collect();
        assert_eq!((due_us(fields[0]), fields[1]), (Some(1_700_000_000_123_456), "k7"));
        assert_eq!(lines[1], "0000000000000005 k8");
        assert_eq!(due_us("12"), None);
        assert_eq!(due_us("+000000000000005"), None);
    }

    #[test]
    fn the_clock_gives_a_moment_of_16_digits() {
        assert_eq!(now_us().to_string().len(), DIGITS);
    }
}
