use std::time::Duration;

use crate::Time;

/// How far a window reaches back, and how often it is put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The window at time T is what lies in (T - window, T].
    pub window: Duration,
    /// The time between two windows.
    pub slide: Duration,
    /// The time between two panes: the parent stream's slide.
    pub pane: Duration,
}

impl Span {
    /// The end of the first window at or after `time`.
    pub(crate) fn next_end(&self, time: Time, zero: Time) -> Time {
        let last = time.floor_from(self.slide, zero);
        if last == time { time } else { last + self.slide }
    }

    /// True when a pane at `time` is in any window; false in the gaps when the slide is larger than the window.
    pub(crate) fn wants(&self, time: Time, zero: Time) -> bool {
        self.next_end(time, zero) - self.window < time
    }

    /// The number of panes of a full window.
    pub fn panes(&self) -> u64 {
        (self.window.as_millis() / self.pane.as_millis().max(1)).try_into().unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(window: u64, slide: u64) -> Span {
        let seconds = Duration::from_secs;
        Span { window: seconds(window), slide: seconds(slide), pane: seconds(1) }
    }

    fn wanted(span: Span) -> Vec<i64> {
        let zero = Time::from_millis(5_000);
        let times = (1..=6).map(|s| zero + Duration::from_secs(s));
        times
            .filter(|time| span.wants(*time, zero))
            .map(|time| (time - Duration::from_secs(5)).as_millis() / 1_000)
            .collect()
    }

    #[test]
    fn a_pane_is_wanted_unless_it_lies_in_a_gap() {
        assert_eq!(wanted(span(2, 3)), [2, 3, 5, 6]);
        assert_eq!(wanted(span(1, 3)), [3, 6]);
        assert_eq!(wanted(span(3, 3)), [1, 2, 3, 4, 5, 6]);
        assert_eq!(wanted(span(9, 2)), [1, 2, 3, 4, 5, 6]);
    }
}
