use std::time::{Duration, Instant};

use super::batch_run::BatchRun;
use crate::batch::{LOOK_AFTER, StandIn, Stood};
use crate::config::Config;

/// Has the job thread wait for the next tick by itself while the batches are light: an idle batch then wakes one thread, and not
/// one that ticks and another that runs jobs.
///
/// A tick must not come late because a job is slow. So the thread keeps the ticks only as long as it has always been back long
/// before the next one; it gives them back before it runs a batch with much input. Only user code that turns slow without a sign
/// can then delay ticks, for [`LOOK_AFTER`] at the most, and each time it must be quick for longer before it is trusted again.
pub(super) struct TickDuty {
    stand_in: StandIn,
    interval: Duration,
    /// A batch with more input than that is not light.
    bytes_max: u64,
    /// Since when the thread has been running the jobs in its queue.
    busy_since: Option<Instant>,
    /// Light stretches of work in a row.
    streak: u32,
    /// The streak after which the ticks are taken.
    streak_min: u32,
    has_ticks: bool,
    is_over: bool,
}

/// Stretches of work that must have been light before the thread takes the ticks, in the beginning and after many surprises.
const STREAKS: (u32, u32) = (8, 1_024);

/// The part of the batch interval within which a light batch is done.
const LIGHT_PART: u32 = 4;

/// What a record counts at least: some inputs do not count bytes.
const BYTES_PER_RECORD: u64 = 64;

impl TickDuty {
    /// None when it is of no use: with long intervals ticks are rare, and several job threads may have each other's work.
    pub(super) fn new(stand_in: StandIn, config: &Config) -> Option<Self> {
        let interval = config.batch_interval;
        (config.concurrent_jobs == 1 && interval < LOOK_AFTER).then(|| TickDuty {
            stand_in,
            interval,
            bytes_max: config.inline_below_bytes as u64,
            busy_since: None,
            streak: 0,
            streak_min: STREAKS.0,
            has_ticks: false,
            is_over: false,
        })
    }

    /// The thread is about to run a job of the batch.
    pub(super) fn begin(&mut self, batch: &BatchRun) {
        self.busy_since.get_or_insert_with(Instant::now);
        if batch.weight(BYTES_PER_RECORD) > self.bytes_max {
            self.streak = 0;
            self.give_back();
        }
    }

    /// The thread has no job. Waits for the next tick and makes its batch, if that is its duty; false when the thread should wait
    /// for jobs instead. `is_free` is asked while no batch can be made: whether there is still no job.
    pub(super) fn tick(&mut self, is_free: impl FnOnce() -> bool) -> bool {
        if let Some(began) = self.busy_since.take() {
            self.note(began.elapsed());
        }
        if self.is_over || self.streak < self.streak_min {
            self.give_back();
            return false;
        }
        match self.stand_in.tick(is_free) {
            Stood::Ticked => self.has_ticks = true,
            Stood::NotNow => self.give_back(),
            Stood::Over => (self.has_ticks, self.is_over) = (false, true),
        }
        self.has_ticks
    }

    /// The thread was at its jobs for that long.
    fn note(&mut self, busy: Duration) {
        let is_light = busy <= self.interval / LIGHT_PART;
        self.streak = if is_light { self.streak.saturating_add(1) } else { 0 };
        if self.has_ticks && busy >= self.interval {
            self.streak_min = (self.streak_min * 2).min(STREAKS.1);
        }
    }

    fn give_back(&mut self) {
        if std::mem::take(&mut self.has_ticks) {
            self.stand_in.give_back();
        }
    }
}

impl Drop for TickDuty {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::Time;
    use crate::batch::RecurringTimer;
    use crate::clock::ManualClock;
    use crate::context::scheduler::JobSet;
    use crate::observe::{BatchInfo, StreamInputInfo};

    const INTERVAL: Duration = Duration::from_millis(20);

    struct Bed {
        clock: Arc<ManualClock>,
        timer: RecurringTimer,
        duty: TickDuty,
    }

    impl Bed {
        fn new() -> Self {
            let clock = Arc::new(ManualClock::new(Time::from_millis(0)));
            let timer = RecurringTimer::new(Arc::<ManualClock>::clone(&clock), INTERVAL, "test", |_| {});
            timer.start(timer.start_time()).unwrap();
            let duty = TickDuty::new(timer.stand_in(), &Config::new().batch_interval(INTERVAL)).unwrap();
            Bed { clock, timer, duty }
        }

        /// Lets time go by while the thread has no job; true when it has ticked.
        fn tick(&mut self) -> bool {
            let (clock, has_ended) = (&self.clock, AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !has_ended.load(Ordering::SeqCst) {
                        clock.advance(INTERVAL);
                        thread::yield_now();
                    }
                });
                let ticked = self.duty.tick(|| true);
                has_ended.store(true, Ordering::SeqCst);
                ticked
            })
        }

        fn work(&mut self, records: u64, busy: Duration) {
            self.duty.begin(&batch(records));
            self.duty.busy_since = None;
            self.duty.note(busy);
        }
    }

    fn batch(records: u64) -> BatchRun {
        let mut info = BatchInfo::default();
        let input = StreamInputInfo { num_records: records, ..StreamInputInfo::default() };
        info.stream_id_to_input_info.insert(0, input);
        let time = Time::from_millis(0);
        BatchRun::new(&mut JobSet { time, jobs: Vec::new(), info, ends: false, is_silent: true }, None)
    }

    const LIGHT: Duration = Duration::from_millis(1);

    /// A thread that has just ticked.
    fn on_duty() -> Bed {
        let mut bed = Bed::new();
        while !bed.tick() {
            bed.work(1, LIGHT);
        }
        bed
    }

    #[test]
    fn the_ticks_are_taken_after_a_streak_of_light_batches() {
        let mut bed = Bed::new();
        for _ in 0..STREAKS.0 {
            assert!(!bed.duty.tick(|| true));
            bed.work(1, LIGHT);
        }
        bed.duty.note(INTERVAL);
        assert!(!bed.duty.tick(|| true), "the streak is broken");
        (0..STREAKS.0).for_each(|_| bed.duty.note(LIGHT));
        while !bed.tick() {}
        assert!(bed.duty.has_ticks);
    }

    #[test]
    fn they_are_given_back_before_a_batch_with_much_input() {
        let mut bed = on_duty();
        bed.duty.begin(&batch(1_000));
        assert!(bed.duty.has_ticks);
        bed.duty.begin(&batch(2_000));
        assert!(!bed.duty.has_ticks);
        assert!(!bed.duty.tick(|| true), "and not taken again at once");
    }

    #[test]
    fn they_are_given_back_when_there_is_a_job_after_all() {
        let mut bed = on_duty();
        assert!(!bed.duty.tick(|| false) && !bed.duty.has_ticks);
    }

    #[test]
    fn a_surprise_doubles_the_streak_that_is_asked_for() {
        let mut bed = on_duty();
        bed.work(1, INTERVAL / 2);
        assert_eq!((bed.duty.streak, bed.duty.streak_min), (0, STREAKS.0), "no tick was late");
        bed.work(1, INTERVAL);
        assert_eq!(bed.duty.streak_min, 2 * STREAKS.0);
        (0..100).for_each(|_| bed.work(1, INTERVAL));
        assert_eq!(bed.duty.streak_min, STREAKS.1);
    }

    #[test]
    fn a_timer_that_is_over_is_not_asked_again() {
        let mut bed = on_duty();
        bed.timer.stop(true);
        assert!(!bed.duty.tick(|| true) && bed.duty.is_over);
    }

    #[test]
    fn it_is_of_no_use_with_long_intervals_and_several_job_threads() {
        let bed = Bed::new();
        let config = || Config::new().batch_interval(INTERVAL);
        assert!(TickDuty::new(bed.timer.stand_in(), &config().concurrent_jobs(2)).is_none());
        assert!(TickDuty::new(bed.timer.stand_in(), &config().batch_interval(LOOK_AFTER)).is_none());
    }
}
