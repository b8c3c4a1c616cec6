//! Spark's RecurringTimerSuite, and what stand-ins may and may not do.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, TryRecvError};

use serde_json::Value;

use super::*;
use crate::clock::ManualClock;

const SUITE: &str = include_str!("../../../../tests/vectors/RecurringTimerSuite.json");

/// Longer than any correct run needs; reached only when something hangs.
const BOUND: Duration = Duration::from_secs(20);
const PERIOD: Duration = Duration::from_millis(100);

fn ms(ms: i64) -> Time {
    Time::from_millis(ms)
}

fn vector(name: &str) -> Value {
    let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
    vectors.into_iter().find(|vector| vector["name"] == name).unwrap()
}

fn times(list: &Value) -> Vec<Time> {
    list.as_array().unwrap().iter().map(|t| ms(t.as_i64().unwrap())).collect()
}

/// A running timer on a manual clock from 0, and its ticks.
struct Bed {
    clock: Arc<ManualClock>,
    timer: RecurringTimer,
    ticked: Receiver<Time>,
    ticks: Vec<Time>,
}

impl Bed {
    fn start() -> Bed {
        let clock = Arc::new(ManualClock::new(ms(0)));
        let (sender, ticked) = mpsc::channel();
        let dynamic: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let timer = RecurringTimer::new(dynamic, PERIOD, "test", move |time| sender.send(time).unwrap());
        timer.start(ms(0)).unwrap();
        Bed { clock, timer, ticked, ticks: Vec::new() }
    }

    /// All ticks so far, once the timer waits for a time to come.
    fn ticks(&mut self) -> &[Time] {
        assert!(self.clock.await_waiters(1, BOUND), "the timer does not wait");
        self.ticks.extend(self.ticked.try_iter());
        &self.ticks
    }

    fn advance(&self, ms: u64) {
        self.clock.advance(Duration::from_millis(ms));
    }

    /// Lets `act` run while another thread is in `stop(false)`.
    fn stop_gracefully_while(&self, act: impl FnOnce()) -> Option<Time> {
        let timer = &self.timer;
        thread::scope(|scope| {
            let stopped = scope.spawn(|| timer.stop(false));
            let bound = Instant::now() + BOUND;
            while !timer.ticker.stopping.load(Ordering::Acquire) && Instant::now() < bound {
                thread::yield_now();
            }
            act();
            stopped.join().unwrap()
        })
    }
}

#[test]
fn ticks_follow_sparks_suite_basic() {
    let vector = vector("basic");
    let expected = &vector["expected"];
    let mut bed = Bed::start();
    assert_eq!(bed.ticks(), times(&expected[0]));
    bed.advance(100);
    assert_eq!(bed.ticks(), times(&expected[1]));
    bed.advance(200);
    assert_eq!(bed.ticks(), times(&expected[2]));
    assert_eq!(bed.timer.stop(true).map(Time::as_millis), expected[3].as_i64());
    assert_eq!(bed.timer.stop(true), Some(ms(300)), "a second stop tells the same");
}

#[test]
fn a_graceful_stop_follows_sparks_suite_10224() {
    let vector = vector("SPARK-10224: call callback after stopping");
    let expected = &vector["expected"];
    let mut bed = Bed::start();
    assert_eq!(bed.ticks(), times(&expected[0]));
    let last = bed.stop_gracefully_while(|| bed.advance(200));
    assert_eq!(last, Some(ms(200)));
    bed.ticks.extend(bed.ticked.try_iter());
    assert_eq!(bed.ticks, times(&expected[2]));
}

#[test]
fn an_interrupt_ends_a_graceful_stop() {
    let mut bed = Bed::start();
    bed.ticks();
    let last = bed.stop_gracefully_while(|| assert_eq!(bed.timer.stop(true), Some(ms(0))));
    assert_eq!(last, Some(ms(0)));
}

#[test]
fn restart_times_follow_sparks_suite() {
    let vector = vector("restart time");
    let period = Duration::from_millis(vector["params"]["period"].as_u64().unwrap());
    let cases = vector["input"].as_array().unwrap();
    assert_eq!(cases.len(), 5);
    for (case, expected) in cases.iter().zip(times(&vector["expected"])) {
        let case = times(case);
        let timer = RecurringTimer::new(Arc::new(ManualClock::new(case[0])), period, "test", |_| {});
        assert_eq!(timer.restart_time(case[1]), expected, "{case:?}");
        assert!(case[1] != ms(0) || timer.start_time() == expected);
    }
}

#[test]
fn a_restart_before_its_zero_stays_on_the_grid() {
    let timer = RecurringTimer::new(Arc::new(ManualClock::new(ms(1_150))), PERIOD, "test", |_| {});
    assert_eq!(timer.restart_time(ms(2_030)), ms(1_230));
}

#[test]
fn a_panic_in_the_callback_costs_only_its_tick() {
    let clock = Arc::new(ManualClock::new(ms(300)));
    let (sender, ticked) = mpsc::channel();
    let timer = RecurringTimer::new(clock, PERIOD, "test", move |time| {
        assert_ne!(time, ms(200), "this panic is part of the test");
        sender.send(time).unwrap();
    });
    timer.start(ms(100)).unwrap();
    assert_eq!(ticked.recv_timeout(BOUND), Ok(ms(100)));
    assert_eq!(ticked.recv_timeout(BOUND), Ok(ms(300)));
    timer.stop(true);
    assert_eq!(ticked.try_recv(), Err(TryRecvError::Disconnected));
}

#[test]
fn a_callback_may_stop_its_own_timer() {
    let own: Arc<OnceLock<RecurringTimer>> = Arc::default();
    let (sender, ticked) = mpsc::channel();
    let within = Arc::clone(&own);
    let clock = Arc::new(ManualClock::new(ms(500)));
    let timer = own.get_or_init(|| {
        RecurringTimer::new(clock, PERIOD, "test", move |_| {
            sender.send(within.get().map(|timer| timer.stop(true))).unwrap();
        })
    });
    timer.start(ms(0)).unwrap();
    assert_eq!(ticked.recv_timeout(BOUND), Ok(Some(None)), "no tick was finished before the first");
    assert_eq!(timer.stop(true), Some(ms(0)));
}

#[test]
fn a_callback_may_stop_its_timer_on_the_thread_of_a_stand_in() {
    let own: Arc<OnceLock<RecurringTimer>> = Arc::default();
    let (sender, stopped) = mpsc::channel();
    let within = Arc::clone(&own);
    let clock = Arc::new(ManualClock::new(ms(0)));
    let timer = own.get_or_init(|| {
        RecurringTimer::new(Arc::<ManualClock>::clone(&clock), PERIOD, "test", move |time| {
            let last = if time == ms(100) { within.get().map(|timer| timer.stop(true)) } else { None };
            sender.send(last).unwrap();
        })
    });
    timer.start(ms(0)).unwrap();
    assert_eq!(stopped.recv_timeout(BOUND), Ok(None));
    tick_by(&timer.stand_in(), &clock);
    assert_eq!(stopped.recv_timeout(BOUND), Ok(Some(Some(ms(0)))), "without waiting for itself");
    assert_eq!(timer.stop(true), Some(ms(100)));
}

#[test]
fn a_timer_starts_only_once() {
    let timer = RecurringTimer::new(Arc::new(ManualClock::new(ms(0))), PERIOD, "test", |_| {});
    timer.start(ms(100)).unwrap();
    assert!(matches!(timer.start(ms(100)), Err(Error::State(_))));
    assert!(matches!(*lock(&timer.state), State::Running(_)), "the refused start leaves the first running");

    let timer = RecurringTimer::new(Arc::new(ManualClock::new(ms(0))), PERIOD, "test", |_| {});
    assert_eq!(timer.stop(false), None);
    assert!(matches!(timer.start(ms(100)), Err(Error::State(_))));
}

#[test]
fn dropping_a_timer_ends_its_thread() {
    let mut bed = Bed::start();
    bed.ticks();
    let Bed { timer, ticked, .. } = bed;
    drop(timer);
    assert_eq!(ticked.recv_timeout(BOUND), Err(mpsc::RecvTimeoutError::Disconnected));
}

/// Ticks in the timer's place until the clock has shown `end`.
fn stand_in_until(timer: &RecurringTimer, stand_in: &StandIn, end: i64) {
    while lock(&timer.ticker.turn).next <= ms(end) {
        stand_in.tick(|| true);
    }
}

#[test]
fn a_stand_in_and_the_timer_together_leave_no_tick_out() {
    let mut bed = Bed::start();
    let stand_in = bed.timer.stand_in();
    let (clock, timer) = (&bed.clock, &bed.timer);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 1..=500 {
                assert!(clock.await_waiters(1, BOUND), "nobody waits for the tick");
                clock.advance(PERIOD);
            }
        });
        scope.spawn(|| {
            for part in 1..=5 {
                stand_in_until(timer, &stand_in, part * 10_000 - 5_000);
                stand_in.give_back();
                while lock(&timer.ticker.turn).next <= ms(part * 10_000) {
                    thread::yield_now();
                }
            }
        });
    });
    assert_eq!(bed.timer.stop(true), Some(ms(50_000)));
    bed.ticks.extend(bed.ticked.try_iter());
    assert_eq!(bed.ticks, (0..=500).map(|k| ms(k * 100)).collect::<Vec<_>>());
}

/// Has a stand-in wait for the next tick, and the clock show it; the tick is the stand-in's.
fn tick_by(stand_in: &StandIn, clock: &ManualClock) {
    assert!(clock.await_waiters(1, BOUND), "the timer waits");
    thread::scope(|scope| {
        let stood = scope.spawn(|| stand_in.tick(|| true));
        assert!(clock.await_waiters(2, BOUND), "so does the stand-in");
        clock.advance(PERIOD);
        assert_eq!(stood.join().unwrap(), Stood::Ticked);
    });
}

#[test]
fn a_stand_in_that_stays_away_is_relieved() {
    let bed = Bed::start();
    tick_by(&bed.timer.stand_in(), &bed.clock);
    bed.advance(1_000);
    let ticks: Vec<_> = (0..=11).map(|_| bed.ticked.recv_timeout(BOUND).unwrap()).collect();
    assert_eq!(ticks, (0..=11).map(|k| ms(k * 100)).collect::<Vec<_>>());
}

#[test]
fn a_stand_in_that_is_wanted_elsewhere_does_not_tick() {
    let bed = Bed::start();
    let stand_in = bed.timer.stand_in();
    assert!(bed.clock.await_waiters(1, BOUND));
    assert_eq!(stand_in.tick(|| false), Stood::NotNow);
    bed.advance(100);
    assert_eq!(bed.ticked.recv_timeout(BOUND), Ok(ms(0)));
    assert_eq!(bed.ticked.recv_timeout(BOUND), Ok(ms(100)), "it is the timer's as before");
    let idle = RecurringTimer::new(Arc::new(ManualClock::new(ms(0))), PERIOD, "test", |_| {});
    assert_eq!(idle.stand_in().tick(|| true), Stood::NotNow, "before the start there is nothing to wait for");
}

#[test]
fn a_stop_ends_the_wait_of_a_stand_in() {
    let bed = Bed::start();
    let stand_in = bed.timer.stand_in();
    assert!(bed.clock.await_waiters(1, BOUND));
    thread::scope(|scope| {
        let stood = scope.spawn(|| stand_in.tick(|| true));
        assert!(bed.clock.await_waiters(2, BOUND), "timer and stand-in");
        assert_eq!(bed.timer.stop(true), Some(ms(0)));
        assert_eq!(stood.join().unwrap(), Stood::Over);
    });
    assert_eq!(stand_in.tick(|| true), Stood::Over, "and it is not asked again");
}

#[test]
fn a_stop_waits_for_the_callback_of_a_stand_in() {
    let clock = Arc::new(ManualClock::new(ms(0)));
    let (entered, has_entered) = mpsc::channel();
    let (let_go, release) = mpsc::channel::<()>();
    let timer = RecurringTimer::new(Arc::<ManualClock>::clone(&clock), PERIOD, "test", move |time| {
        entered.send(time).unwrap();
        let _ = release.recv();
    });
    timer.start(ms(100)).unwrap();
    let stand_in = timer.stand_in();
    assert!(clock.await_waiters(1, BOUND));
    thread::scope(|scope| {
        scope.spawn(|| stand_in.tick(|| true));
        assert!(clock.await_waiters(2, BOUND));
        clock.advance(PERIOD);
        assert_eq!(has_entered.recv_timeout(BOUND), Ok(ms(100)));
        let stopped = scope.spawn(|| timer.stop(true));
        while !timer.ticker.is_stopping() {
            thread::yield_now();
        }
        drop(let_go);
        assert_eq!(stopped.join().unwrap(), Some(ms(100)));
    });
}
