//! A listener that logs how delays are distributed over the last batches.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{BatchInfo, StreamingListener};

/// After each batch logs the distribution of total delay and processing time over the last batches.
///
/// ```
/// use millstream_engine::observe::{ListenerBus, StatsReportListener};
/// use std::sync::Arc;
/// let bus = ListenerBus::start()?;
/// bus.add(Arc::new(StatsReportListener::default()));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Debug)]
pub struct StatsReportListener {
    max_batches: usize,
    batches: Mutex<VecDeque<Delays>>,
}

/// What is kept of a batch.
#[derive(Clone, Copy, Debug)]
struct Delays {
    total: Duration,
    processing: Duration,
}

impl StatsReportListener {
    /// Reports over the last `num_batches` batches, at least one; the default is 10.
    pub fn new(num_batches: usize) -> Self {
        StatsReportListener { max_batches: num_batches.max(1), batches: Mutex::default() }
    }

    /// The distributions of total delay and processing time over the batches kept; `None` before the first.
    fn report(&self) -> Option<(Distribution, Distribution)> {
        let batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let total = Distribution::of(batches.iter().map(|batch| batch.total))?;
        let processing = Distribution::of(batches.iter().map(|batch| batch.processing))?;
        Some((total, processing))
    }

    fn keep(&self, delays: Delays) {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        if batches.len() == self.max_batches {
            batches.pop_front();
        }
        batches.push_back(delays);
    }
}

impl Default for StatsReportListener {
    fn default() -> Self {
        StatsReportListener::new(10)
    }
}

impl StreamingListener for StatsReportListener {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        if let (Some(total), Some(processing)) = (batch.total_delay(), batch.processing_delay()) {
            self.keep(Delays { total, processing });
        }
        if let Some((total, processing)) = self.report() {
            tracing::info!("total delay: {total}");
            tracing::info!("processing time: {processing}");
        }
    }
}

/// How many values there were, their mean, and their quantiles.
#[derive(Clone, Debug, PartialEq)]
struct Distribution {
    count: usize,
    mean: Duration,
    quantiles: [Duration; PERCENTS.len()],
}

/// The quantiles shown, in percent; 0 is the least value and 100 the greatest.
const PERCENTS: [usize; 9] = [0, 5, 10, 25, 50, 75, 90, 95, 100];

impl Distribution {
    /// `None` when there are no values.
    fn of(values: impl Iterator<Item = Duration>) -> Option<Self> {
        let mut sorted: Vec<Duration> = values.collect();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        let mean = sorted.iter().sum::<Duration>() / u32::try_from(sorted.len()).ok()?;
        let quantiles = PERCENTS.map(|percent| sorted[(percent * sorted.len() / 100).min(last)]);
        Some(Distribution { count: sorted.len(), mean, quantiles })
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} batches, mean {} ms", self.count, self.mean.as_millis())?;
        for (percent, value) in PERCENTS.iter().zip(&self.quantiles) {
            write!(f, ", {percent}% {} ms", value.as_millis())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn batch(scheduling: i64, processing: i64) -> BatchInfo {
        let at = Time::from_millis;
        BatchInfo {
            processing_start_time: Some(at(scheduling)),
            processing_end_time: Some(at(scheduling + processing)),
            ..BatchInfo::default()
        }
    }

    #[test]
    fn reports_the_last_batches_only() {
        let listener = StatsReportListener::default();
        assert_eq!(listener.report(), None);
        (1..=110).for_each(|k| listener.on_batch_completed(&batch(1, k)));
        let (total, processing) = listener.report().unwrap();
        assert_eq!(
            processing.to_string(),
            "10 batches, mean 105 ms, 0% 101 ms, 5% 101 ms, 10% 102 ms, 25% 103 ms, 50% 106 ms, \
             75% 108 ms, 90% 110 ms, 95% 110 ms, 100% 110 ms"
        );
        assert_eq!(total.quantiles[0], Duration::from_millis(102));
    }

    #[test]
    fn one_batch_is_its_own_distribution() {
        let listener = StatsReportListener::new(3);
        listener.on_batch_completed(&BatchInfo::default());
        assert_eq!(listener.report(), None);
        listener.on_batch_completed(&batch(2, 5));
        let (total, processing) = listener.report().unwrap();
        assert!(total.quantiles.iter().all(|q| *q == Duration::from_millis(7)));
        assert_eq!((processing.count, processing.mean), (1, Duration::from_millis(5)));
    }
}
