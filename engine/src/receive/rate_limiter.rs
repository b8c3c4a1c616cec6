//! How fast a receiver may take records in: a token bucket whose rate the backpressure moves.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The limit that is none, Spark's `Long.MaxValue`.
const UNLIMITED: u64 = i64::MAX as u64;

/// The unused time that a bucket remembers, and so the burst it allows, in seconds.
const BURST_S: f64 = 1.0;

/// Permits at a steady rate. Time is an argument, so the bucket itself never waits.
///
/// Whoever takes more than there is goes into debt, and the *next* one waits until it is paid. So a chunk of any
/// size passes at once when the bucket is not in debt. Up to one second of unused permits is kept for a burst; a new
/// bucket has none.
///
/// ```
/// use millstream_engine::receive::TokenBucket;
/// use std::num::NonZeroU64;
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let mut bucket = TokenBucket::new(NonZeroU64::new(1_000).unwrap(), start);
/// assert_eq!(bucket.acquire(100, start), Duration::ZERO);
/// assert_eq!(bucket.acquire(1, start), Duration::from_millis(100));
/// ```
#[derive(Debug, Clone)]
pub struct TokenBucket {
    rate: NonZeroU64,
    /// What is saved (positive) or owed (negative) at `as_of`, in seconds of the rate. Counted in time and not in
    /// permits, a change of rate leaves debts as long and savings as full as they were.
    credit_s: f64,
    as_of: Instant,
}

impl TokenBucket {
    /// A bucket of `rate` permits per second, empty at `now`.
    pub fn new(rate: NonZeroU64, now: Instant) -> Self {
        TokenBucket { rate, credit_s: 0.0, as_of: now }
    }

    /// Takes `permits` and says how long their taker must wait, from `now` on, before using them.
    pub fn acquire(&mut self, permits: u64, now: Instant) -> Duration {
        self.save_until(now);
        let debt = Duration::try_from_secs_f64((-self.credit_s).max(0.0)).unwrap_or(Duration::MAX);
        self.credit_s -= permits as f64 / self.rate.get() as f64;
        // A reading older than `as_of`, from a thread that lost the race for the lock, waits from its own now.
        debt.saturating_add(self.as_of.saturating_duration_since(now))
    }

    /// Goes on at another rate from `now` on.
    pub fn set_rate(&mut self, rate: NonZeroU64, now: Instant) {
        self.save_until(now);
        self.rate = rate;
    }

    fn save_until(&mut self, now: Instant) {
        let unused = now.saturating_duration_since(self.as_of);
        self.credit_s = (self.credit_s + unused.as_secs_f64()).min(BURST_S);
        self.as_of = self.as_of.max(now);
    }
}

/// The limit of one receiver: its configured maximum, and below that the rate that backpressure has asked for last.
///
/// ```
/// use millstream_engine::receive::RateLimiter;
/// use std::time::{Duration, Instant};
/// let start = Instant::now();
/// let limiter = RateLimiter::new(None, None, start);
/// assert_eq!(limiter.current_limit(), None);
/// assert_eq!(limiter.acquire(1_000_000, start), Duration::ZERO);
///
/// limiter.update_rate(500, start);
/// assert_eq!(limiter.current_limit(), Some(500));
/// assert_eq!(limiter.acquire(1_000, start), Duration::ZERO);
/// assert_eq!(limiter.acquire(1, start), Duration::from_secs(2));
/// ```
#[derive(Debug)]
pub struct RateLimiter {
    max_rate: Option<NonZeroU64>,
    /// The rate of the bucket, or [`UNLIMITED`]: then the bucket is out of use. Written under the bucket's lock only.
    limit: AtomicU64,
    bucket: Mutex<TokenBucket>,
}

impl RateLimiter {
    /// A limiter that starts at `initial_rate` (without one: at `max_rate`) and never exceeds `max_rate`, in records
    /// per second. `None` is no limit.
    pub fn new(max_rate: Option<NonZeroU64>, initial_rate: Option<NonZeroU64>, now: Instant) -> Self {
        let no_limit = NonZeroU64::new(UNLIMITED).expect("i64::MAX is not zero");
        let max = max_rate.unwrap_or(no_limit);
        let rate = initial_rate.unwrap_or(max).min(max);
        let limit = AtomicU64::new(rate.get());
        RateLimiter { max_rate, limit, bucket: Mutex::new(TokenBucket::new(rate, now)) }
    }

    /// Records per second let through now; `None` when there is no limit.
    pub fn current_limit(&self) -> Option<u64> {
        // Relaxed: the number is all there is to see; the bucket is guarded by its lock.
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit < UNLIMITED)
    }

    /// Takes the rate that backpressure asks for, cut at the maximum. A rate that is not positive is ignored.
    ///
    /// The first limit after none starts with an empty bucket: nothing was saved while nothing was limited.
    pub fn update_rate(&self, new_rate: i64, now: Instant) {
        let Some(asked) = u64::try_from(new_rate).ok().and_then(NonZeroU64::new) else { return };
        let rate = self.max_rate.map_or(asked, |max| asked.min(max));
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        match self.current_limit() {
            Some(_) => bucket.set_rate(rate, now),
            None => *bucket = TokenBucket::new(rate, now),
        }
        self.limit.store(rate.get(), Ordering::Relaxed);
    }

    /// Takes permits for `records` and says how long to wait, from `now` on, before handing them on. Meant to be
    /// asked once per chunk; without a limit it costs one load.
    pub fn acquire(&self, records: u64, now: Instant) -> Duration {
        if self.current_limit().is_none() {
            return Duration::ZERO;
        }
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner).acquire(records, now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const SUITE: &str = include_str!("../../../tests/vectors/RateLimiterSuite.json");

    fn rate(per_second: u64) -> NonZeroU64 {
        NonZeroU64::new(per_second).unwrap()
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn limits_follow_sparks_rate_limiter_suite() {
        let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
        assert_eq!(vectors.len(), 3);
        for vector in &vectors {
            let max = vector["params"]["maxRate"].as_u64().map(rate);
            let limiter = RateLimiter::new(max, None, Instant::now());
            let updates = vector["input"].as_array().unwrap();
            for (update, expected) in updates.iter().zip(vector["expected"].as_array().unwrap()) {
                limiter.update_rate(update.as_i64().unwrap(), Instant::now());
                assert_eq!(limiter.current_limit(), expected.as_u64(), "{}", vector["name"]);
            }
        }
    }

    #[test]
    fn the_first_limit_is_the_initial_rate_cut_at_the_maximum() {
        let limit = |max, initial| RateLimiter::new(max, initial, Instant::now()).current_limit();
        assert_eq!(limit(None, None), None);
        assert_eq!(limit(Some(rate(100)), None), Some(100));
        assert_eq!(limit(None, Some(rate(70))), Some(70));
        assert_eq!(limit(Some(rate(100)), Some(rate(70))), Some(70));
        assert_eq!(limit(Some(rate(100)), Some(rate(700))), Some(100));
    }

    #[test]
    fn an_update_is_cut_at_the_maximum_and_may_lift_the_limit() {
        let now = Instant::now();
        let limiter = RateLimiter::new(Some(rate(110)), None, now);
        limiter.update_rate(1_000, now);
        assert_eq!(limiter.current_limit(), Some(110));

        let limiter = RateLimiter::new(None, Some(rate(5)), now);
        limiter.update_rate(i64::MAX, now);
        assert_eq!(limiter.current_limit(), None);
    }

    #[test]
    fn an_update_that_is_not_positive_is_ignored() {
        let now = Instant::now();
        let limiter = RateLimiter::new(None, Some(rate(70)), now);
        for ignored in [0, -5, i64::MIN] {
            limiter.update_rate(ignored, now);
            assert_eq!(limiter.current_limit(), Some(70));
        }
    }

    #[test]
    fn the_first_limit_after_none_allows_no_burst() {
        let start = Instant::now();
        let limiter = RateLimiter::new(None, None, start);
        limiter.update_rate(100, start + ms(5_000));
        assert_eq!(limiter.acquire(50, start + ms(5_000)), Duration::ZERO);
        assert_eq!(limiter.acquire(1, start + ms(5_000)), ms(500));
    }

    /// A receiver that stores records as fast as it may, `chunk` at a time, on a simulated clock: records per block.
    fn throttled_blocks(chunk: u64) -> Vec<u64> {
        let start = Instant::now();
        let limiter = RateLimiter::new(Some(rate(1_001)), None, start);
        let mut blocks = vec![0; 20];
        let mut elapsed = Duration::ZERO;
        loop {
            elapsed += limiter.acquire(chunk, start + elapsed);
            match blocks.get_mut(elapsed.as_millis() as usize / 100) {
                Some(block) => *block += chunk,
                None => return blocks,
            }
        }
    }

    /// Spark's ReceiverSuite, "block generator throttling": maxRate 1001, blocks of 100 ms, 2,000 ms.
    #[test]
    fn a_throttled_receiver_fills_its_blocks_evenly() {
        for chunk in [1, 5] {
            let blocks = throttled_blocks(chunk);
            let total: u64 = blocks.iter().sum();
            assert!((1_902..=2_102).contains(&total), "chunks of {chunk}: {total}");
            for block in &blocks[1..19] {
                assert!((95..=105).contains(block), "chunks of {chunk}: {blocks:?}");
            }
        }
    }

    #[test]
    fn at_most_a_second_of_unused_permits_is_saved() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(rate(100), start);
        let later = start + ms(60_000);
        assert_eq!(bucket.acquire(100, later), Duration::ZERO);
        assert_eq!(bucket.acquire(10, later), Duration::ZERO);
        assert_eq!(bucket.acquire(1, later), ms(100));
    }

    #[test]
    fn a_new_rate_leaves_a_debt_as_long_as_it_was() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(rate(100), start);
        bucket.acquire(50, start);
        bucket.set_rate(rate(1_000), start + ms(200));
        assert_eq!(bucket.acquire(100, start + ms(200)), ms(300));
        assert_eq!(bucket.acquire(1, start + ms(500)), ms(100));
    }

    #[test]
    fn a_reading_from_before_waits_longer() {
        let start = Instant::now();
        let mut bucket = TokenBucket::new(rate(100), start + ms(50));
        bucket.acquire(10, start + ms(50));
        assert_eq!(bucket.acquire(1, start), ms(150));
        assert_eq!(bucket.acquire(1, start + ms(50)), ms(110), "and adds no credit");
    }

    #[test]
    fn a_debt_beyond_all_time_saturates() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(rate(1), now);
        bucket.acquire(u64::MAX, now);
        bucket.acquire(u64::MAX, now);
        assert_eq!(bucket.acquire(1, now), Duration::MAX);
    }

    proptest! {
        /// Whatever the sizes and pauses: until any moment, all but the last chunk is within what the rate allows
        /// since the start. (What was saved was not used before, so a burst needs no allowance of its own.)
        #[test]
        fn never_faster_than_the_rate(
            per_second in 1_u64..1_000_000,
            steps in prop::collection::vec((1_u64..5_000, 0_u64..3_000), 1..60),
        ) {
            let start = Instant::now();
            let mut bucket = TokenBucket::new(rate(per_second), start);
            let (mut elapsed, mut before) = (Duration::ZERO, 0);
            for (chunk, pause_ms) in steps {
                elapsed += bucket.acquire(chunk, start + elapsed);
                let allowed = per_second as f64 * elapsed.as_secs_f64() + 0.01;
                prop_assert!(before as f64 <= allowed, "{before} of {allowed} at {elapsed:?}");
                before += chunk;
                elapsed += ms(pause_ms);
            }
        }
    }
}
