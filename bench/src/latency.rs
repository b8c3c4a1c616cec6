//! From when a line was due to when its result was there, for every line.
//!
//! A keyed count puts out per batch, not per line. But the lines of a batch are one stretch of the schedule: one sender, one
//! connection, one rate. So their number and the first and the last moment say when each of them was due. That they are such a
//! stretch is not believed but checked, by the sum of the moments, which is carried through the job as well.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// What is known of some lines: of one line, of all lines of a key, of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// How many lines.
    pub lines: u64,
    /// When the first of them was due, in microseconds since 1970.
    pub first_us: u64,
    /// When the last of them was due.
    pub last_us: u64,
    /// The sum of all these moments, modulo 2^64.
    pub sum_us: u64,
}

impl Stretch {
    /// No line.
    pub const NONE: Stretch = Stretch { lines: 0, first_us: u64::MAX, last_us: 0, sum_us: 0 };

    /// One line.
    pub fn line(due_us: u64) -> Self {
        Stretch { lines: 1, first_us: due_us, last_us: due_us, sum_us: due_us }
    }

    /// The lines of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Stretch {
            lines: self.lines + other.lines,
            first_us: self.first_us.min(other.first_us),
            last_us: self.last_us.max(other.last_us),
            sum_us: self.sum_us.wrapping_add(other.sum_us),
        }
    }

    /// When each line was due, if they are evenly spread from the first to the last.
    fn dues(self) -> impl Iterator<Item = u64> {
        let (gaps, width) =
            (u128::from(self.lines.max(2) - 1), u128::from(self.last_us.saturating_sub(self.first_us)));
        (0..self.lines).map(move |i| self.first_us + (width * u128::from(i) / gaps) as u64)
    }

    /// How far the mean of the real moments is from that of evenly spread ones, in microseconds.
    fn unevenness_us(self) -> f64 {
        let of_first = self.sum_us.wrapping_sub(self.first_us.wrapping_mul(self.lines)) as i64;
        let mean = of_first as f64 / self.lines as f64;
        (mean - (self.last_us - self.first_us) as f64 / 2.0).abs()
    }
}

/// A batch whose result was there.
#[derive(Clone, Copy, Debug)]
pub struct BatchOutput {
    /// When the batch closed, in microseconds since 1970.
    pub closed_us: u64,
    /// When the whole result was there.
    pub out_us: u64,
    /// Its lines.
    pub stretch: Stretch,
}

/// The latencies of a run, in microseconds.
#[derive(Debug)]
pub struct Latencies {
    /// From when a line was due to the result that counts it.
    pub lines: Histogram<u64>,
    /// The same for the last line of each batch.
    pub newest: Histogram<u64>,
    /// From the close of a batch to its result.
    pub close_to_output: Histogram<u64>,
    /// The worst unevenness of a batch; more than the distance of two lines voids the figures.
    pub unevenness_us: f64,
}

/// The longest time that a histogram tells from longer ones, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// An empty histogram of microseconds with a precision of 1/1,000.
///
/// # Errors
/// None: there is such a histogram.
pub fn histogram() -> Result<Histogram<u64>, hdrhistogram::CreationError> {
    Histogram::new_with_bounds(1, LONGEST_US, 3)
}

/// The quantiles that are reported, by name.
pub const QUANTILES: [(&str, f64); 5] =
    [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("p99.99", 0.9999)];

impl Latencies {
    /// The latencies of the batches without a line that was due in the first `warm_up_us` of the run.
    ///
    /// # Errors
    /// None: the precision of 1/1,000 exists.
    pub fn of(batches: &[BatchOutput], warm_up_us: u64) -> Result<Self, hdrhistogram::CreationError> {
        let mut latencies = Latencies {
            lines: histogram()?,
            newest: histogram()?,
            close_to_output: histogram()?,
            unevenness_us: 0.0,
        };
        let begin = batches.iter().map(|batch| batch.stretch.first_us).min().unwrap_or(0);
        let warm = batches.iter().filter(|batch| batch.stretch.lines > 0);
        for batch in warm.filter(|batch| batch.stretch.first_us >= begin.saturating_add(warm_up_us)) {
            latencies.add(batch);
        }
        Ok(latencies)
    }

    fn add(&mut self, batch: &BatchOutput) {
        for due in batch.stretch.dues() {
            self.lines.saturating_record(batch.out_us.saturating_sub(due));
        }
        self.newest.saturating_record(batch.out_us.saturating_sub(batch.stretch.last_us));
        self.close_to_output.saturating_record(batch.out_us.saturating_sub(batch.closed_us));
        self.unevenness_us = self.unevenness_us.max(batch.stretch.unevenness_us());
    }
}

/// The quantiles of a curve go up to so many nines: 0.99999.
const NINES_MAX: u32 = 5;

/// A histogram in JSON: the number of values; the [`QUANTILES`], mean and maximum in microseconds; and for a plot the value at
/// 0, 0.1, 0.2 .. nines, where 2 nines are 0.99.
pub fn to_json(histogram: &Histogram<u64>) -> Value {
    let mut object = json!({ "count": histogram.len(), "mean": histogram.mean(), "max": histogram.max() });
    for (name, quantile) in QUANTILES {
        object[name] = json!(histogram.value_at_quantile(quantile));
    }
    let tenths = 0..=10 * NINES_MAX;
    let curve = tenths.map(|tenths| {
        let nines = f64::from(tenths) / 10.0;
        histogram.value_at_quantile(1.0 - 10f64.powf(-nines))
    });
    object["by_tenth_of_nine"] = json!(curve.collect::<Vec<u64>>());
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(dues: impl IntoIterator<Item = u64>) -> Stretch {
        dues.into_iter().map(Stretch::line).fold(Stretch::NONE, Stretch::with)
    }

    #[test]
    fn every_line_of_a_batch_has_its_latency() {
        let begin = 1_700_000_000_000_000;
        let batch = |from: u64, out_us| BatchOutput {
            closed_us: begin + from + 1_000,
            out_us: begin + out_us,
            stretch: stretch((0..10).map(|i| begin + from + 100 * i)),
        };
        let latencies = Latencies::of(&[batch(0, 50_000), batch(1_000, 2_500)], 500).unwrap();
        assert_eq!(latencies.lines.len(), 10, "the first batch is warm-up");
        assert_eq!((latencies.lines.min(), latencies.lines.max()), (600, 1_500));
        assert_eq!(latencies.newest.max(), 600);
        assert_eq!(latencies.close_to_output.max(), 500);
        assert!(latencies.unevenness_us < 1.0, "{latencies:?}");
    }

    #[test]
    fn lines_that_are_no_stretch_of_the_schedule_are_seen() {
        assert!(stretch([0, 100, 200]).unevenness_us() < 1.0);
        assert!(stretch([0, 190, 200]).unevenness_us() > 25.0);
        assert_eq!(stretch([7]).dues().collect::<Vec<_>>(), [7]);
        assert_eq!(stretch([]).dues().count(), 0);
    }

    #[test]
    fn a_histogram_is_told_in_full() {
        let mut histogram = Histogram::new(3).unwrap();
        (1..=10_000).for_each(|value| histogram.record(value).unwrap());
        let told = to_json(&histogram);
        let near = |name: &str, value: f64| (told[name].as_f64().unwrap() / value - 1.0).abs() < 0.002;
        assert!(near("p50", 5_000.0) && near("p99", 9_900.0) && near("p99.99", 9_999.0), "{told}");
        assert_eq!(told["count"], 10_000);
        let curve = told["by_tenth_of_nine"].as_array().unwrap();
        assert_eq!((curve.len(), &curve[20], &curve[0]), (51, &told["p99"], &json!(1)));
    }
}
