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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize)]
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
