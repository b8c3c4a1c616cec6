use std::time::Duration;

use crate::config::Config;
use crate::{Error, Result, Time};

/// Says from the figures of completed batches how many records per second a stream should bring, so that a batch is processed in the
/// time of a batch: a PID controller with Spark's constants.
///
/// The *error* is by how much the last rate exceeded the rate of processing. The records that waited, spread over a batch interval,
/// stand for the sum of past errors (the integral); the change of the error for the future ones. The new rate is the last one less
/// these three, each with its weight, and never less than the minimum.
///
/// ```
/// use millstream_engine::receive::PidRateEstimator;
/// use millstream_engine::{Config, Time};
/// use std::time::Duration;
///
/// let mut estimator = PidRateEstimator::new(&Config::new().batch_interval(Duration::from_secs(1)))?;
/// let (busy, no_wait) = (Duration::from_millis(500), Duration::ZERO);
/// assert_eq!(estimator.compute(Time::from_millis(1_000), 10_000, busy, no_wait), None);
/// assert_eq!(estimator.compute(Time::from_millis(2_000), 10_000, busy, no_wait), Some(20_000.0));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PidRateEstimator {
    /// In milliseconds.
    batch_interval: f64,
    proportional: f64,
    integral: f64,
    derived: f64,
    /// Records per second.
    min_rate: f64,
    last: Option<Last>,
}

/// What the last call has seen.
#[derive(Clone, Copy, Debug)]
struct Last {
    time: Time,
    rate: f64,
    error: f64,
}

impl PidRateEstimator {
    /// An estimator with the settings of `config` that begin with `backpressure.pid.`.
    ///
    /// # Errors
    /// When a weight is negative, or the minimum rate is not positive.
    pub fn new(config: &Config) -> Result<Self> {
        let estimator = PidRateEstimator {
            batch_interval: config.batch_interval.as_secs_f64() * 1e3,
            proportional: config.pid_proportional,
            integral: config.pid_integral,
            derived: config.pid_derived,
            min_rate: config.pid_min_rate,
            last: None,
        };
        let weights = [estimator.proportional, estimator.integral, estimator.derived];
        if estimator.batch_interval <= 0.0
            || weights.iter().any(|weight| *weight < 0.0)
            || estimator.min_rate <= 0.0
        {
            return Err(Error::Config(format!(
                "backpressure.pid: the weights {weights:?} must not be negative, and the minimum rate {} must be more than 0",
                estimator.min_rate
            )));
        }
        Ok(estimator)
    }

    /// The rate, in records per second, after a batch whose processing ended at `time`: it had `records` of the stream, took
    /// `processing` and had waited for `scheduling`. `None` when nothing can be said: after the first batch, and after those without
    /// records or without a time.
    pub fn compute(
        &mut self,
        time: Time,
        records: u64,
        processing: Duration,
        scheduling: Duration,
    ) -> Option<f64> {
        let processing = processing.as_secs_f64() * 1e3;
        if records == 0 || processing <= 0.0 || self.last.is_some_and(|last| time <= last.time) {
            return None;
        }
        let processing_rate = records as f64 / processing * 1e3;
        let Some(last) = self.last else {
            self.last = Some(Last { time, rate: processing_rate, error: 0.0 });
            return None;
        };
        let seconds = time.since(last.time).as_secs_f64();
        let error = last.rate - processing_rate;
        let waited = scheduling.as_secs_f64() * 1e3 * processing_rate / self.batch_interval;
        let change = (error - last.error) / seconds;
        let correction = self.proportional * error + self.integral * waited + self.derived * change;
        let rate = (last.rate - correction).max(self.min_rate);
        self.last = Some(Last { time, rate, error });
        Some(rate)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SUITE: &str = include_str!("../../../tests/vectors/PIDRateEstimatorSuite.json");

    fn config(interval: u64, [proportional, integral, derived, min_rate]: [f64; 4]) -> Config {
        let interval = Duration::from_millis(interval);
        Config::new()
            .batch_interval(interval)
            .pid_weights(proportional, integral, derived)
            .pid_min_rate(min_rate)
    }

    fn number(value: &Value) -> f64 {
        value.as_f64().unwrap()
    }

    /// A row of a vector: time, records, processing and scheduling delay in milliseconds. A delay may be negative there, which is
    /// none here.
    fn compute(estimator: &mut PidRateEstimator, row: &Value) -> Option<f64> {
        let millis =
            |value: &Value| Duration::from_millis(u64::try_from(value.as_i64().unwrap()).unwrap_or(0));
        let time = Time::from_millis(row[0].as_i64().unwrap());
        estimator.compute(time, row[1].as_u64().unwrap(), millis(&row[2]), millis(&row[3]))
    }

    #[test]
    fn estimates_are_those_of_sparks_suite() {
        let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
        let mut seen = 0;
        for vector in vectors.iter().filter(|vector| vector["operation"] == "pid.compute") {
            let params = &vector["params"];
            let weights =
                ["proportional", "integral", "derivative", "minRate"].map(|name| number(&params[name]));
            let mut estimator =
                PidRateEstimator::new(&config(params["batchIntervalMs"].as_u64().unwrap(), weights)).unwrap();
            let rows = vector["input"].as_array().unwrap().iter().zip(vector["expected"].as_array().unwrap());
            for (row, expected) in rows {
                let rate = compute(&mut estimator, row);
                match expected.as_f64() {
                    Some(expected) => {
                        assert!(
                            (rate.unwrap() - expected).abs() < 1e-6 * expected,
                            "{rate:?} for {row} of {}",
                            vector["name"]
                        );
                    }
                    None => assert_eq!(rate, None, "{row} of {}", vector["name"]),
                }
                seen += 1;
            }
        }
        assert!(seen > 100, "{seen}");
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
        let vector = vectors.iter().find(|vector| vector["name"] == "estimator checks ranges").unwrap();
        for row in vector["input"].as_array().unwrap() {
            let weights = [1, 2, 3, 4].map(|i| number(&row[i]));
            assert!(PidRateEstimator::new(&config(row[0].as_u64().unwrap(), weights)).is_err(), "{row}");
        }
    }
}
