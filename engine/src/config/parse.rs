//! The text of a value becomes typed, and back: durations, sizes, switches, rates.
//!
//! An `Err` here is the reason alone; where the text stood is added by the layer that read it.

use std::path::PathBuf;
use std::time::Duration;

/// Units of time with their milliseconds; the first that fits is used to show a duration.
const TIME_UNITS: [(&str, u64); 8] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("min", 60_000),
    ("s", 1_000),
    ("sec", 1_000),
    ("ms", 1),
    ("", 1),
];

/// Units of size in bytes. Every unit counts by 1,024, as in Spark: `64KB` is `64KiB`.
const SIZE_UNITS: [(&str, usize); 14] = [
    ("tib", 1 << 40),
    ("gib", 1 << 30),
    ("mib", 1 << 20),
    ("kib", 1 << 10),
    ("b", 1),
    ("tb", 1 << 40),
    ("gb", 1 << 30),
    ("mb", 1 << 20),
    ("kb", 1 << 10),
    ("t", 1 << 40),
    ("g", 1 << 30),
    ("m", 1 << 20),
    ("k", 1 << 10),
    ("", 1),
];

/// `200ms`, `1s`, `30 s`, `2m`, `1h`, `1d`; a plain number counts milliseconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let refused = || "not a duration (a whole number and one of ms, s, m, h, d)".to_string();
    let (number, unit) = split_unit(text);
    let (_, millis) = TIME_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
    let number: u64 = number.parse().map_err(|_| refused())?;
    number.checked_mul(*millis).map(Duration::from_millis).ok_or_else(refused)
}

/// `64KB`, `1MiB`, `2g`; a plain number counts bytes.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let refused = || "not a size (a whole number and one of B, KiB, MiB, GiB)".to_string();
    let (number, unit) = split_unit(text);
    let unit = unit.to_ascii_lowercase();
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(refused)?;
    let number: usize = number.parse().map_err(|_| refused())?;
    number.checked_mul(*factor).ok_or_else(refused)
}

/// A whole number; `10_000` may be written for readability, as in TOML.
pub(super) fn count(text: &str) -> Result<usize, String> {
    text.trim().replace('_', "").parse().map_err(|_| "not a whole number".to_string())
}

/// `true` or `false`, with the words that people write for them.
pub(super) fn flag(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Ok(true),
        "false" | "no" | "off" | "0" => Ok(false),
        _ => Err("not a switch".to_string()),
    }
}

/// Records per second; `none`, zero and less are no limit.
pub(super) fn rate(text: &str) -> Result<Option<f64>, String> {
    let text = text.trim().replace('_', "");
    if text == "none" {
        return Ok(None);
    }
    let rate: f64 = text.parse().map_err(|_| "not a rate (a number of records per second)".to_string())?;
    Ok(limit(Some(rate)))
}

/// A rate as the engine keeps it: zero and less are no limit.
pub(super) fn limit(rate: Option<f64>) -> Option<f64> {
    rate.filter(|rate| rate.is_nan() || *rate > 0.0)
}

/// A number.
pub(super) fn factor(text: &str) -> Result<f64, String> {
    text.trim().replace('_', "").parse().map_err(|_| "not a number".to_string())
}

/// A whole number, or `none`.
pub(super) fn seed(text: &str) -> Result<Option<u64>, String> {
    match text.trim() {
        "none" => Ok(None),
        number => number.parse().map(Some).map_err(|_| "not a seed (a whole number)".to_string()),
    }
}

/// A path, or `none`.
pub(super) fn path(text: &str) -> Result<Option<PathBuf>, String> {
    match text.trim() {
        "" => Err("not a path".to_string()),
        "none" => Ok(None),
        path => Ok(Some(path.into())),
    }
}

/// The duration as it would be written, in the largest unit that is whole.
pub(super) fn show_duration(duration: Duration) -> String {
    let whole = duration.subsec_nanos().is_multiple_of(1_000_000);
    match u64::try_from(duration.as_millis()) {
        Ok(0) if whole => "0ms".to_string(),
        Ok(millis) if whole => {
            let (unit, size) =
                TIME_UNITS.iter().find(|(_, size)| millis.is_multiple_of(*size)).expect("1 divides all");
            format!("{}{unit}", millis / size)
        }
        _ => format!("{duration:?}"),
    }
}

/// The size as it would be written, in the largest unit that is whole.
pub(super) fn show_bytes(bytes: usize) -> String {
    match bytes.trailing_zeros() {
        _ if bytes == 0 => "0B".to_string(),
        40.. => format!("{}TiB", bytes >> 40),
        30.. => format!("{}GiB", bytes >> 30),
        20.. => format!("{}MiB", bytes >> 20),
        10.. => format!("{}KiB", bytes >> 10),
        _ => format!("{bytes}B"),
    }
}

/// `value`, or `none`.
pub(super) fn show_option(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "none".to_string(), |value| value.to_string())
}

/// The number and the unit behind it, without the space between and with `_` taken out.
fn split_unit(text: &str) -> (String, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
    (text[..end].replace('_', ""), text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let good = [("200ms", 200), ("1s", 1_000), ("30 s", 30_000), (" 2m ", 120_000), ("1h", 3_600_000)];
        let more = [("250", 250), ("0", 0), ("2min", 120_000), ("5 sec", 5_000), ("1_000ms", 1_000)];
        for (text, millis) in good.into_iter().chain(more).chain([("1d", 86_400_000)]) {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in
            ["", "ms", "1.5s", "-1s", "1 fortnight", "1S", "99999999999999999999s", "9999999999999999d"]
        {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes() {
        let good =
            [("64KB", 65_536), ("1MiB", 1 << 20), ("2g", 2 << 30), ("512", 512), ("3 b", 3), ("1t", 1 << 40)];
        for (text, size) in good {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "KB", "1.5MB", "-1", "1 parsec", "99999999999999g"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_at_or_below_zero_are_no_limit() {
        for (text, expected) in
            [("none", None), ("0", None), ("-5", None), ("0.5", Some(0.5)), ("10_000", Some(10_000.0))]
        {
            assert_eq!(rate(text), Ok(expected), "{text}");
        }
        assert!(rate("fast").is_err());
    }

    #[test]
    fn what_is_shown_reads_back_the_same() {
        for millis in [0, 1, 999, 1_000, 1_001, 60_000, 90_000, 3_600_000, 86_400_000] {
            let value = Duration::from_millis(millis);
            assert_eq!(duration(&show_duration(value)), Ok(value));
        }
        for size in [0, 1, 1_023, 1_024, 1_025, 1 << 20, 3 << 30, 1 << 40] {
            assert_eq!(bytes(&show_bytes(size)), Ok(size));
        }
        assert_eq!(show_duration(Duration::from_secs(60)), "1m");
        assert_eq!(show_duration(Duration::from_micros(1_500)), "1.5ms");
        assert_eq!(show_bytes(256 << 10), "256KiB");
    }
}
