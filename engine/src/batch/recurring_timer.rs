//! A thread that calls back at every multiple of a period, and never leaves one out.
//!
//! Waking a thread costs more than a tiny batch. So another thread that has nothing else to do until the next tick may wait for it
//! and call back in the timer's place, by a [`StandIn`]. Between two ticks it is *away*, with work of its own, without a word to
//! the timer's thread: that looks after it from time to time ([`LOOK_AFTER`]) and ticks again when it finds it away.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use crate::clock::{CancelToken, Cancelled, Clock};
use crate::time::millis;
use crate::{Error, Result, Time};

type Callback = Box<dyn FnMut(Time) + Send>;

/// How long a stand-in may be away, by the clock on the wall, before the timer's own thread ticks again.
pub(crate) const LOOK_AFTER: Duration = Duration::from_millis(100);

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
}

/// What the timer shares with the threads that tick.
struct Ticker {
    clock: Arc<dyn Clock>,
    period: Duration,
    name: String,
    stopping: AtomicBool,
    cancel: CancelToken,
    /// What the timer's own thread sleeps by while another one ticks.
    rest: CancelToken,
    /// Held while the callback runs, never while a tick is waited for.
    turn: Mutex<Turn>,
    /// The thread that is in the callback.
    calling: Mutex<Option<ThreadId>>,
    last: Mutex<Option<Time>>,
}

/// The next tick, and whose it is.
struct Turn {
    /// None after the stop: what it holds is let go.
    callback: Option<Callback>,
    next: Time,
    whose: Whose,
}

/// Who waits for the next tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whose {
    /// The timer is not started.
    Nobodys,
    Timers,
    /// A stand-in's; it waits or calls back.
    Theirs,
    /// A stand-in's, that has other work.
    TheirsAway,
}

enum State {
    Ready,
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
        let turn = Turn { callback: Some(Box::new(callback)), next: Time::default(), whose: Whose::Nobodys };
        let ticker = Ticker {
            clock,
            period: period.max(Duration::from_millis(1)),
            name: name.into(),
            stopping: AtomicBool::new(false),
            cancel: CancelToken::new(),
            rest: CancelToken::new(),
            turn: Mutex::new(turn),
            calling: Mutex::default(),
            last: Mutex::default(),
        };
        RecurringTimer { ticker: Arc::new(ticker), state: Mutex::new(State::Ready) }
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
        if !matches!(*state, State::Ready) {
            return Err(Error::State(format!("timer {name}: it was started or stopped before")));
        }
        *state = State::Stopped;
        {
            let mut turn = lock(&self.ticker.turn);
            (turn.next, turn.whose) = (at, Whose::Timers);
        }
        let ticker = Arc::clone(&self.ticker);
        let spawned = thread::Builder::new().name(name.clone()).spawn(move || ticker.run());
        let thread =
            spawned.map_err(|e| Error::io(format!("timer {name}: its thread could not be started"), e))?;
        *state = State::Running(thread);
        Ok(())
    }

    /// Ends the thread, waits for that, and gives the time of the last tick, if there was one.
    ///
    /// With `interrupt` no further tick fires; a callback under way is finished. Without, the tick that is waited for
    /// and one more still fire, each at its time. Called from the callback itself, it does not wait.
    pub fn stop(&self, interrupt: bool) -> Option<Time> {
        let ticker = &self.ticker;
        // Release pairs with the Acquire in `Ticker::is_stopping`.
        ticker.stopping.store(true, Ordering::Release);
        if interrupt {
            ticker.cancel.cancel();
            ticker.rest.cancel();
        }
        let is_within = *lock(&ticker.calling) == Some(thread::current().id());
        if !is_within {
            self.join();
            // A stand-in may be in the callback; then this waits.
            let callback = lock(&ticker.turn).callback.take();
            drop(callback);
        }
        *lock(&ticker.last)
    }

    /// What another thread needs to tick in the timer's place.
    pub(crate) fn stand_in(&self) -> StandIn {
        StandIn { ticker: Arc::clone(&self.ticker) }
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

/// Lets one other thread wait for the ticks in place of the timer's own.
pub(crate) struct StandIn {
    ticker: Arc<Ticker>,
}

/// What came of an attempt to stand in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stood {
    /// A tick was waited for and called back. The next one is the stand-in's, too: it comes again soon, or gives it back.
    Ticked,
    /// Not now: the timer's thread is at a tick, or the caller has other work.
    NotNow,
    /// The timer is stopping, and needs nobody any more.
    Over,
}

impl StandIn {
    /// Waits for the next tick and calls back, unless the caller is wanted elsewhere: `is_free` says so at a moment when no tick
    /// is under way.
    pub(crate) fn tick(&self, is_free: impl FnOnce() -> bool) -> Stood {
        let ticker = &self.ticker;
        let Ok(mut turn) = ticker.turn.try_lock() else { return Stood::NotNow };
        if turn.whose == Whose::Nobodys || !is_free() {
            return Stood::NotNow;
        }
        turn.whose = Whose::Theirs;
        let next = turn.next;
        drop(turn);
        let waited = ticker.clock.wait_until(next, &ticker.cancel);
        let mut turn = lock(&ticker.turn);
        if waited.is_err() || ticker.is_stopping() {
            drop(turn);
            self.give_back();
            return Stood::Over;
        }
        ticker.call(&mut turn);
        turn.whose = Whose::TheirsAway;
        Stood::Ticked
    }

    /// The timer's own thread ticks from now on.
    pub(crate) fn give_back(&self) {
        lock(&self.ticker.turn).whose = Whose::Timers;
        self.ticker.rest.ring();
    }
}

impl Ticker {
    fn is_stopping(&self) -> bool {
        // Acquire pairs with the Release in `RecurringTimer::stop`.
        self.stopping.load(Ordering::Acquire)
    }

    /// The timer's thread: ticks until it is told to stop, and then once more unless it is cancelled.
    fn run(&self) {
        while !self.is_stopping() {
            if self.tick().is_err() {
                return;
            }
        }
        // A cancelled last tick is what `stop(true)` asks for.
        let _ = self.tick();
    }

    /// One tick of the timer's own thread; it sleeps on while others tick.
    fn tick(&self) -> Result<(), Cancelled> {
        loop {
            let next = self.own_turn()?;
            self.clock.wait_until(next, &self.cancel)?;
            let mut turn = lock(&self.turn);
            if turn.whose == Whose::Timers && turn.next == next {
                self.call(&mut turn);
                return Ok(());
            }
        }
    }

    /// Waits until the next tick is the timer's own, and says when it is.
    fn own_turn(&self) -> Result<Time, Cancelled> {
        let mut has_rested = false;
        loop {
            {
                let mut turn = lock(&self.turn);
                if turn.whose == Whose::Timers || (has_rested && turn.whose == Whose::TheirsAway) {
                    turn.whose = Whose::Timers;
                    return Ok(turn.next);
                }
            }
            self.sleep_on()?;
            has_rested = true;
        }
    }

    /// Sleeps for [`LOOK_AFTER`], or until the tick is given back.
    fn sleep_on(&self) -> Result<(), Cancelled> {
        let end = Instant::now() + LOOK_AFTER;
        self.rest.wait(|| {
            // Whoever rings may be in the callback, and hold the turn.
            let is_own = self.turn.try_lock().is_ok_and(|turn| turn.whose == Whose::Timers);
            if is_own { None } else { end.checked_duration_since(Instant::now()) }
        })
    }

    fn call(&self, turn: &mut Turn) {
        let (time, Some(callback)) = (turn.next, &mut turn.callback) else { return };
        *lock(&self.calling) = Some(thread::current().id());
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| callback(time))) {
            let reason = message(&*panic);
            tracing::error!(timer = %self.name, %time, reason, "the tick's callback panicked; the timer goes on");
        }
        *lock(&self.calling) = None;
        turn.next = time + self.period;
        *lock(&self.last) = Some(time);
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
mod tests;
