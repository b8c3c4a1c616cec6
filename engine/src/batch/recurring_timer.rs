//! A thread that calls back at every multiple of a period, and never leaves one out.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::Duration;

use crate::clock::{CancelToken, Cancelled, Clock};
use crate::time::millis;
use crate::{Error, Result, Time};

type Callback = Box<dyn FnMut(Time) + Send>;

/// Calls back with the nominal time of every tick: `at, at + period, ..`.
///
/// After a stall all missed ticks follow at once, each with its own time. A callback that panics is reported and the
/// timer goes on with the next tick. Dropping the timer stops it like `stop(true)`.
///
/// ```
/// use millstream_engine::batch::RecurringTimer;
/// use millstream_engine::clock::ManualClock;
/// use millstream_engine::Time;
/// use std::sync::{Arc, mpsc};
/// use std::time::Duration;
/// let clock = Arc::new(ManualClock::new(Time::from_millis(1_250)));
/// let (ticks, ticked) = mpsc::channel();
/// let timer = RecurringTimer::new(clock.clone(), Duration::from_millis(100), "example", move |time| {
///     ticks.send(time).unwrap();
/// });
/// timer.start(timer.start_time())?;
/// clock.advance(Duration::from_millis(200));
/// assert_eq!(ticked.recv(), Ok(Time::from_millis(1_300)));
/// assert_eq!(ticked.recv(), Ok(Time::from_millis(1_400)));
/// assert_eq!(timer.stop(true), Some(Time::from_millis(1_400)));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub struct RecurringTimer {
    ticker: Arc<Ticker>,
    state: Mutex<State>,
    /// Known from the first moment of the timer's thread, so that a callback may stop its own timer.
    thread: Arc<OnceLock<ThreadId>>,
}

/// What the timer shares with its thread.
struct Ticker {
    clock: Arc<dyn Clock>,
    period: Duration,
    name: String,
    stopping: AtomicBool,
    cancel: CancelToken,
    last: Mutex<Option<Time>>,
}

enum State {
    Ready(Callback),
    Running(JoinHandle<()>),
    Stopped,
}

impl RecurringTimer {
    /// A timer that is not started yet. `name` names its thread; a period under 1 ms counts as 1 ms.
    pub fn new(
        clock: Arc<dyn Clock>,
        period: Duration,
        name: impl Into<String>,
        callback: impl FnMut(Time) + Send + 'static,
    ) -> Self {
        let ticker = Ticker {
            clock,
            period: period.max(Duration::from_millis(1)),
            name: name.into(),
            stopping: AtomicBool::new(false),
            cancel: CancelToken::new(),
            last: Mutex::new(None),
        };
        RecurringTimer {
            ticker: Arc::new(ticker),
            state: Mutex::new(State::Ready(Box::new(callback))),
            thread: Arc::new(OnceLock::new()),
        }
    }

    /// The next multiple of the period since 1970, strictly after now.
    pub fn start_time(&self) -> Time {
        self.restart_time(Time::from_millis(0))
    }

    /// The next point of the grid `zero + k * period`, strictly after now.
    pub fn restart_time(&self, zero: Time) -> Time {
        let period = millis(self.ticker.period);
        let since_zero = self.ticker.clock.now().as_millis() - zero.as_millis();
        Time::from_millis((since_zero.div_euclid(period) + 1) * period + zero.as_millis())
    }

    /// Starts the thread; its first tick is `at`, at once if that has passed. A timer starts only once.
    pub fn start(&self, at: Time) -> Result<()> {
        let name = &self.ticker.name;
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Stopped) {
            State::Ready(callback) => *state = State::Running(self.spawn(callback, at)?),
            other => {
                *state = other;
                return Err(Error::State(format!("timer {name}: it was started or stopped before")));
            }
        }
        Ok(())
    }

    /// Ends the thread, waits for that, and gives the time of the last tick, if there was one.
    ///
    /// With `interrupt` no further tick fires; a callback under way is finished. Without, the tick that is waited for
    /// and one more still fire, each at its time. Called from the callback itself, it does not wait.
    pub fn stop(&self, interrupt: bool) -> Option<Time> {
        // Release pairs with the Acquire in `Ticker::run`.
        self.ticker.stopping.store(true, Ordering::Release);
        if interrupt {
            self.ticker.cancel.cancel();
        }
        if self.thread.get() != Some(&thread::current().id()) {
            self.join();
        }
        *lock(&self.ticker.last)
    }

    fn spawn(&self, callback: Callback, at: Time) -> Result<JoinHandle<()>> {
        let (ticker, thread) = (Arc::clone(&self.ticker), Arc::clone(&self.thread));
        let run = move || {
            thread.get_or_init(|| thread::current().id());
            ticker.run(callback, at);
        };
        let name = self.ticker.name.clone();
        let spawned = thread::Builder::new().name(name.clone()).spawn(run);
        spawned.map_err(|e| Error::io(format!("timer {name}: its thread could not be started"), e))
    }

    /// Holds the state while joining: a second `stop` returns no earlier than the first.
    fn join(&self) {
        let mut state = lock(&self.state);
        if let State::Running(thread) = std::mem::replace(&mut *state, State::Stopped)
            && thread.join().is_err()
        {
            tracing::error!(timer = %self.ticker.name, "the timer's thread had died of a panic");
        }
    }
}

impl Drop for RecurringTimer {
    fn drop(&mut self) {
        self.stop(true);
    }
}

impl fmt::Debug for RecurringTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ticker { name, period, .. } = &*self.ticker;
        f.debug_struct("RecurringTimer").field("name", name).field("period", period).finish_non_exhaustive()
    }
}

impl Ticker {
    /// Ticks until it is told to stop, and then once more unless it is cancelled.
    fn run(&self, mut callback: Callback, mut next: Time) {
        // Acquire pairs with the Release in `RecurringTimer::stop`.
        while !self.stopping.load(Ordering::Acquire) {
            if self.tick(&mut callback, next).is_err() {
                return;
            }
            next = next + self.period;
        }
        // A cancelled last tick is what `stop(true)` asks for.
        let _ = self.tick(&mut callback, next);
    }

    fn tick(&self, callback: &mut Callback, time: Time) -> Result<(), Cancelled> {
        self.clock.wait_until(time, &self.cancel)?;
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(time))) {
            let reason = message(&*panic);
            tracing::error!(timer = %self.name, %time, reason, "the tick's callback panicked; the timer goes on");
        }
        *lock(&self.last) = Some(time);
        Ok(())
    }
}

/// The text of a panic.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a message")
}

/// Nothing behind these locks is left half-changed by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{self, Receiver, TryRecvError};
    use std::time::Instant;

    use serde_json::Value;

    use super::*;
    use crate::clock::ManualClock;

    const SUITE: &str = include_str!("../../../tests/vectors/RecurringTimerSuite.json");

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
    fn a_timer_starts_only_once() {
        let timer = RecurringTimer::new(Arc::new(ManualClock::new(ms(0))), PERIOD, "test", |_| {});
        timer.start(ms(100)).unwrap();
        assert!(matches!(timer.start(ms(100)), Err(Error::State(_))));
        assert!(
            matches!(*lock(&timer.state), State::Running(_)),
            "the refused start leaves the first running"
        );

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
}
