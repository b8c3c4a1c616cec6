//! Durations on the command line.

use millstream::prelude::*;

/// The units, each with its milliseconds. A plain number counts milliseconds, as in the settings.
const UNITS: [(&str, u64); 6] =
    [("", 1), ("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `200ms`, `30s` or `15m`; zero is refused.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: Option<u64> = text[..text.len() - unit.len()].parse().ok();
    let factor = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, factor)| factor);
    let millis = number.zip(factor).and_then(|(number, factor)| number.checked_mul(*factor));
    match millis {
        Some(0) => Err("must be longer than nothing".to_owned()),
        Some(millis) => Ok(Duration::from_millis(millis)),
        None => Err("not a duration (a whole number and one of ms, s, m, h, d)".to_owned()),
    }
}
