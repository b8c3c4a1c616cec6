//! Moments as logs write them, to milliseconds since 1970-01-01 UTC.

/// Reads the time stamp of Apache and nginx access logs, `17/May/2015:10:05:03 +0000`.
///
/// `None` if anything in it is not exactly so: a day that its month does not have, an hour 24, a zone
/// without its sign. A leap second (`:60`) is the first second of the next minute, as in POSIX.
///
/// ```
/// use millstream_io::format::timestamp::common_log_millis;
///
/// assert_eq!(common_log_millis("01/Jan/1970:00:00:01 +0000"), Some(1_000));
/// assert_eq!(common_log_millis("31/Dec/1969:16:00:01 -0800"), Some(1_000));
/// assert_eq!(common_log_millis("29/Feb/2015:00:00:00 +0000"), None);
/// ```
#[must_use]
pub fn common_log_millis(time: &str) -> Option<i64> {
    let time: &[u8; 26] = time.as_bytes().try_into().ok()?;
    let [d1, d2, b'/', m1, m2, m3, b'/', y1, y2, y3, y4, b':', clock @ .., b' ', sign, z1, z2, z3, z4] = time
    else {
        return None;
    };
    let days = days(number(&[*y1, *y2, *y3, *y4])?, month(&[*m1, *m2, *m3])?, number(&[*d1, *d2])?)?;
    let offset = at_most(23, number(&[*z1, *z2])?)? * 3600 + at_most(59, number(&[*z3, *z4])?)? * 60;
    let local = days * 86_400 + second_of_day(clock)?;
    match sign {
        b'+' => Some((local - offset) * 1000),
        b'-' => Some((local + offset) * 1000),
        _ => None,
    }
}

/// The second of the day of `10:05:03`.
fn second_of_day(clock: &[u8; 8]) -> Option<i64> {
    let [h1, h2, b':', m1, m2, b':', s1, s2] = clock else { return None };
    let hour = at_most(23, number(&[*h1, *h2])?)?;
    let minute = at_most(59, number(&[*m1, *m2])?)?;
    let second = at_most(60, number(&[*s1, *s2])?)?;
    Some(hour * 3600 + minute * 60 + second)
}

/// The days from 1970-01-01 to this day, if there is such a day.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let last = match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    (day >= 1).then(|| at_most(last, day)).flatten().map(|day| days_from_civil(year, month, day))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// The days from 1970-01-01 to a day of the Gregorian calendar.
///
/// The year is taken to begin in March, so that the leap day is its last and the lengths of the months
/// before any month are the line (153 m + 2) / 5. 719,468 days lie between 0000-03-01 and 1970-01-01.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + day_of_year - 719_468
}

fn month(name: &[u8; 3]) -> Option<i64> {
    Some(match name {
        b"Jan" => 1,
        b"Feb" => 2,
        b"Mar" => 3,
        b"Apr" => 4,
        b"May" => 5,
        b"Jun" => 6,
        b"Jul" => 7,
        b"Aug" => 8,
        b"Sep" => 9,
        b"Oct" => 10,
        b"Nov" => 11,
        b"Dec" => 12,
        _ => return None,
    })
}

/// The value of decimal digits, if all of them are.
fn number(digits: &[u8]) -> Option<i64> {
    digits
        .iter()
        .try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

fn at_most(last: i64, value: i64) -> Option<i64> {
    (value <= last).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MONTHS: [(&str, i64); 12] = [
        ("Jan", 31),
        ("Feb", 28),
        ("Mar", 31),
        ("Apr", 30),
        ("May", 31),
        ("Jun", 30),
        ("Jul", 31),
        ("Aug", 31),
        ("Sep", 30),
        ("Oct", 31),
        ("Nov", 30),
        ("Dec", 31),
    ];

    #[test]
    fn moments_known_from_date() {
        for (time, seconds) in [
            ("17/May/2015:10:05:03 +0000", 1_431_857_103),
            ("07/Mar/2004:16:05:49 -0800", 1_078_704_349),
            ("29/Feb/2000:23:59:59 +0000", 951_868_799),
            ("29/Feb/2024:12:00:00 +0530", 1_709_188_200),
            ("31/Dec/2016:23:59:60 +0000", 1_483_228_800),
            ("01/Mar/1900:00:00:00 +0000", -2_203_891_200),
            ("31/Dec/9999:23:59:59 +0000", 253_402_300_799),
            ("01/Jan/0000:00:00:00 +0000", -62_167_219_200),
        ] {
            assert_eq!(common_log_millis(time), Some(seconds * 1000), "{time}");
        }
    }

    #[test]
    fn what_is_no_moment() {
        for time in [
            "",
            "-",
            "17/May/2015:10:05:03",
            "17/May/2015:10:05:03 +00000",
            "17/may/2015:10:05:03 +0000",
            "17/Mai/2015:10:05:03 +0000",
            "00/May/2015:10:05:03 +0000",
            "31/Apr/2015:10:05:03 +0000",
            "29/Feb/1900:10:05:03 +0000",
            "17/May/2015:24:05:03 +0000",
            "17/May/2015:10:60:03 +0000",
            "17/May/2015:10:05:61 +0000",
            "17/May/2015:10:05:03  0000",
            "17/May/2015:10:05:03 +2400",
            "17/May/2015:10:05:03 +0060",
            "17/May/2015 10:05:03 +0000",
            "17/May/2015:10-05-03 +0000",
            " 7/May/2015:10:05:03 +0000",
            "17/May/2015:10:05:0³ +0000",
        ] {
            assert_eq!(common_log_millis(time), None, "{time}");
        }
    }

    /// Counts the days one by one, the slow and obvious way.
    #[test]
    fn every_day_from_1970_to_2500() {
        let mut days = 0;
        for year in 1970..=2500 {
            for (month, length) in MONTHS {
                let leap = month == "Feb" && (year % 400 == 0 || (year % 4 == 0 && year % 100 != 0));
                for day in 1..=length + i64::from(leap) {
                    let time = format!("{day:02}/{month}/{year:04}:00:00:00 +0000");
                    assert_eq!(common_log_millis(&time), Some(days * 86_400_000), "{time}");
                    days += 1;
                }
            }
        }
    }

    proptest! {
        #[test]
        fn the_clock_and_the_zone_add_up(h in 0i64..24, m in 0i64..60, s in 0i64..60, zone in -840i64..=840) {
            let sign = if zone < 0 { '-' } else { '+' };
            let (zone_hours, zone_minutes) = (zone.abs() / 60, zone.abs() % 60);
            let time = format!("01/Jan/1970:{h:02}:{m:02}:{s:02} {sign}{zone_hours:02}{zone_minutes:02}");
            let expected = (h * 3600 + m * 60 + s - zone * 60) * 1000;
            prop_assert_eq!(common_log_millis(&time), Some(expected));
        }

        #[test]
        fn no_text_panics(time in "\\PC{0,30}") {
            let _ = common_log_millis(&time);
        }
    }
}
