//! Moments as lines write them.

use crate::csv::number;

/// The milliseconds since 1970-01-01 UTC of a whole number of seconds since then, as in `1772445600`, or of a time in UTC as in
/// `2026-03-02T10:00:00`, which a `Z` may follow.
pub(crate) fn parse_millis(text: &str) -> Option<i64> {
    let seconds = match text.split_once('T') {
        Some((day, clock)) => days(day)? * 86_400 + second_of_day(clock.strip_suffix('Z').unwrap_or(clock))?,
        None => number(text, 11)?,
    };
    Some(seconds * 1_000)
}

/// The second of the day of `10:05:03`.
fn second_of_day(clock: &str) -> Option<i64> {
    let [hour, minute, second] = parts(clock, ':', [2, 2, 2])?;
    (hour < 24 && minute < 60 && second < 60).then(|| hour * 3_600 + minute * 60 + second)
}

/// The days from 1970-01-01 to a day such as `2026-03-02`.
fn days(day: &str) -> Option<i64> {
    let [year, month, day] = parts(day, '-', [4, 2, 2])?;
    let leap_days_before = |year: i64| (year - 1) / 4 - (year - 1) / 100 + (year - 1) / 400;
    let is_leap = leap_days_before(year + 1) > leap_days_before(year);
    let lengths = [31, 28 + i64::from(is_leap), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let month = usize::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    let is_day = year >= 1970 && (1..=lengths[month - 1]).contains(&day);
    let days_of_years = (year - 1970) * 365 + leap_days_before(year) - leap_days_before(1970);
    is_day.then(|| days_of_years + lengths[..month - 1].iter().sum::<i64>() + day - 1)
}

/// Three numbers with so many digits each.
fn parts(text: &str, separator: char, digits: [usize; 3]) -> Option<[i64; 3]> {
    let mut parts = text.split(separator);
    let numbers = digits.map(|digits| {
        let part = parts.next().filter(|part| part.len() == digits)?;
        number(part, digits)
    });
    let [Some(a), Some(b), Some(c)] = numbers else { return None };
    parts.next().is_none().then_some([a, b, c])
}
