//! Batch time: milliseconds since 1970, on the grid of the batch interval.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A moment of the stream's clock in milliseconds since 1970; the name of a batch.
///
/// ```
/// use millstream_engine::Time;
/// use std::time::Duration;
/// let t = Time::from_millis(1_350);
/// assert_eq!(t.floor(Duration::from_millis(200)), Time::from_millis(1_200));
/// assert_eq!((t + Duration::from_millis(50)).to_string(), "1400 ms");
/// ```
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
pub struct Time(i64);

impl Time {
    /// The moment `ms` milliseconds after 1970-01-01 00:00 UTC.
    pub const fn from_millis(ms: i64) -> Self {
        Time(ms)
    }

    /// Milliseconds since 1970-01-01 00:00 UTC.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The last multiple of `step` that is not after `self`, counted from 1970.
    pub fn floor(self, step: Duration) -> Self {
        self.floor_from(step, Time(0))
    }

    /// The last point of the grid `zero + k * step` that is not after `self` (division truncates toward zero).
    pub fn floor_from(self, step: Duration, zero: Time) -> Self {
        let step = millis(step).max(1);
        Time((self.0 - zero.0) / step * step + zero.0)
    }

    /// True when `self - zero` is a multiple of `step`.
    pub fn is_multiple_of(self, step: Duration, zero: Time) -> bool {
        let step = millis(step);
        step > 0 && (self.0 - zero.0) % step == 0
    }

    /// All points `self, self + step, ..` up to and including `end`.
    pub fn to(self, end: Time, step: Duration) -> impl Iterator<Item = Time> {
        let step = millis(step).max(1);
        (0..).map(move |k| Time(self.0 + k * step)).take_while(move |t| *t <= end)
    }

    /// How far `self` is after `earlier`; zero when it is not.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_millis((self.0 - earlier.0).max(0) as u64)
    }
}

/// Whole milliseconds of `d`, as the engine counts time.
pub(crate) fn millis(d: Duration) -> i64 {
    i64::try_from(d.as_millis()).unwrap_or(i64::MAX)
}

impl Add<Duration> for Time {
    type Output = Time;
    fn add(self, d: Duration) -> Time {
        Time(self.0.saturating_add(millis(d)))
    }
}

impl Sub<Duration> for Time {
    type Output = Time;
    fn sub(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(millis(d)))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Time({} ms)", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde_json::{Value, json};

    use super::*;

    const TIME_SUITE: &str = include_str!("../../tests/vectors/TimeSuite.json");
    const DURATION_SUITE: &str = include_str!("../../tests/vectors/DurationSuite.json");

    fn t(v: &Value) -> Time {
        Time::from_millis(v.as_i64().unwrap())
    }

    fn d(v: &Value) -> Duration {
        Duration::from_millis(v.as_u64().unwrap())
    }

    fn compare<T: Ord + Copy + Debug>(operation: &str, a: T, b: T, value: fn(T) -> Value) -> Value {
        match operation {
            "less" => json!(a < b),
            "lessEq" => json!(a <= b),
            "greaterEq" => json!(a >= b),
            "min" => value(a.min(b)),
            "max" => value(a.max(b)),
            other => panic!("a vector with an unknown operation: {other}"),
        }
    }

    fn of_time(name: &str, x: &[Value]) -> Value {
        match name {
            "plus" => json!((t(&x[0]) + d(&x[1])).as_millis()),
            "minus Duration" => json!((t(&x[0]) - d(&x[1])).as_millis()),
            "floor" => match x.get(2) {
                Some(zero) => json!(t(&x[0]).floor_from(d(&x[1]), t(zero)).as_millis()),
                None => json!(t(&x[0]).floor(d(&x[1])).as_millis()),
            },
            "to" => t(&x[0]).to(t(&x[1]), d(&x[2])).map(Time::as_millis).collect(),
            _ => compare(name, t(&x[0]), t(&x[1]), |time| json!(time.as_millis())),
        }
    }

    fn of_duration(name: &str, x: &[Value]) -> Value {
        match name {
            "plus" => json!(millis(d(&x[0]) + d(&x[1]))),
            "times" => json!(millis(d(&x[0]) * x[1].as_u64().unwrap() as u32)),
            "div" => json!(d(&x[0]).div_duration_f64(d(&x[1]))),
            "Milliseconds" => json!(millis(d(&x[0]))),
            "Seconds" => json!(millis(Duration::from_secs(x[0].as_u64().unwrap()))),
            _ => compare(name, d(&x[0]), d(&x[1]), |duration| json!(millis(duration))),
        }
    }

    /// Runs every case of a suite and gives their number.
    fn check(suite: &str, run: fn(&str, &[Value]) -> Value) -> usize {
        let vectors: Vec<Value> = serde_json::from_str(suite).unwrap();
        let mut cases = 0;
        for vector in &vectors {
            let name = vector["name"].as_str().unwrap();
            let inputs = vector["input"].as_array().unwrap();
            let expected = vector["expected"].as_array().unwrap();
            assert_eq!(inputs.len(), expected.len(), "{name}");
            for (input, expected) in inputs.iter().zip(expected) {
                assert_eq!(&run(name, input.as_array().unwrap()), expected, "{name} {input}");
                cases += 1;
            }
        }
        cases
    }

    #[test]
    fn times_behave_as_in_sparks_time_suite() {
        assert_eq!(check(TIME_SUITE, of_time), 33);
    }

    #[test]
    fn durations_behave_as_in_sparks_duration_suite() {
        assert_eq!(check(DURATION_SUITE, of_duration), 29);
    }
}
