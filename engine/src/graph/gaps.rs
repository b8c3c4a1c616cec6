use std::sync::OnceLock;
use std::time::Duration;

use crate::Time;

/// Batches that are never made: they were missed while no program ran, and the one behind them has what they would have had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The last batch before it.
    pub(crate) after: Time,
    /// The first batch behind it.
    pub(crate) until: Time,
}

impl Gap {
    fn contains(&self, time: Time) -> bool {
        self.after < time && time < self.until
    }

    /// How many batches are missing, one every `interval`.
    fn len(&self, interval: Duration) -> u64 {
        ticks(self.after, self.until, interval).saturating_sub(1)
    }
}

/// The gaps of a run that goes on behind an earlier one; there are none before the context starts.
#[derive(Debug, Default)]
pub(crate) struct Gaps(OnceLock<Vec<Gap>>);

impl Gaps {
    /// To be called once, before the first batch.
    pub(crate) fn set(&self, gaps: Vec<Gap>) {
        let _ = self.0.set(gaps);
    }

    fn all(&self) -> &[Gap] {
        self.0.get().map_or(&[], Vec::as_slice)
    }

    /// True when no batch is made at `time`.
    pub(crate) fn contains(&self, time: Time) -> bool {
        self.all().iter().any(|gap| gap.contains(time))
    }

    /// The last batch before the gap that the batch at `time` ends.
    pub(crate) fn before(&self, time: Time) -> Option<Time> {
        self.all().iter().find(|gap| gap.until == time).map(|gap| gap.after)
    }

    /// How many batches are made behind the one at `after`, up to and including `time`, one every `interval`.
    pub(crate) fn batches_between(&self, after: Time, time: Time, interval: Duration) -> u64 {
        let missing: u64 =
            self.all().iter().filter(|gap| gap.after >= after).map(|gap| gap.len(interval)).sum();
        ticks(after, time, interval).saturating_sub(missing)
    }
}

fn ticks(from: Time, to: Time, interval: Duration) -> u64 {
    u64::try_from(to.since(from).as_millis() / interval.as_millis().max(1)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_between_its_batches() {
        let at = |s: i64| Time::from_millis(s * 1_000);
        let (gaps, second) = (Gaps::default(), Duration::from_secs(1));
        assert!(!gaps.contains(at(3)) && gaps.before(at(7)).is_none());
        assert_eq!(gaps.batches_between(at(2), at(9), second), 7);
        gaps.set(vec![Gap { after: at(1), until: at(3) }, Gap { after: at(4), until: at(7) }]);
        let missing: Vec<_> = (0..10).filter(|s| gaps.contains(at(*s))).collect();
        assert_eq!(missing, [2, 5, 6]);
        assert_eq!((gaps.before(at(7)), gaps.before(at(4))), (Some(at(4)), None));
        assert_eq!(gaps.batches_between(at(4), at(9), second), 3, "7, 8 and 9");
        assert_eq!(gaps.batches_between(at(0), at(9), second), 6);
    }
}
