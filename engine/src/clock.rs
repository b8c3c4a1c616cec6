//! The clock is an argument: the system's for production, one moved by hand for tests and replays.
//!
//! A thread that waits for a time must also be able to leave early. It waits on its [`CancelToken`]: the clock says
//! when to wake, the token says when to give up, and both reach the thread through the token's one condition variable.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::Time;

/// The longest sleep without a look at the wall clock: one that was set forward is noticed within a second.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// How long one who waits for a manual clock sleeps when nobody rings.
const UNTIL_RUNG: Duration = Duration::from_secs(3_600);

/// Shows the time and lets threads wait for it.
///
/// ```
/// use millstream_engine::Time;
/// use millstream_engine::clock::{CancelToken, Cancelled, Clock, SystemClock};
/// use std::time::Duration;
/// let clock = SystemClock;
/// let soon = clock.now() + Duration::from_millis(2);
/// let cancel = CancelToken::new();
/// assert_eq!(clock.wait_until(soon, &cancel), Ok(()));
/// assert!(clock.now() >= soon);
///
/// cancel.cancel();
/// assert_eq!(clock.wait_until(Time::from_millis(i64::MAX), &cancel), Err(Cancelled));
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// What the clock shows.
    fn now(&self) -> Time;

    /// Blocks until the clock shows `t` or later, never less; a cancelled token ends the wait, or forbids it.
    fn wait_until(&self, t: Time, cancel: &CancelToken) -> Result<(), Cancelled>;
}

/// A wait was ended by its [`CancelToken`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the wait was cancelled")]
pub struct Cancelled;

/// Tells threads to give up waiting, now and for ever. Clones are the same token; any number of threads may share it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken {
    bell: Arc<Bell>,
}

/// What the clones of a token share.
#[derive(Debug, Default)]
struct Bell {
    cancelled: AtomicBool,
    /// Held from the look at flag and clock to the sleep, and while ringing: no ring falls between the two.
    gate: Mutex<()>,
    rung: Condvar,
}

impl CancelToken {
    /// A token that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends every wait on this token; it cannot be taken back.
    pub fn cancel(&self) {
        // Release pairs with the Acquire in `is_cancelled`: who sees the flag sees what was done before it.
        self.bell.cancelled.store(true, Ordering::Release);
        self.ring();
    }

    /// True once [`cancel`](Self::cancel) was called.
    pub fn is_cancelled(&self) -> bool {
        // Acquire pairs with the Release in `cancel`.
        self.bell.cancelled.load(Ordering::Acquire)
    }

    /// Blocks for `d`, by the steady clock of the machine.
    pub fn sleep(&self, d: Duration) -> Result<(), Cancelled> {
        let start = Instant::now();
        self.wait(|| d.checked_sub(start.elapsed()))
    }

    /// Blocks until `remaining` says `None` or zero. It is asked again after the time it named, and whenever the
    /// token is rung; it must not call the token.
    pub fn wait(&self, mut remaining: impl FnMut() -> Option<Duration>) -> Result<(), Cancelled> {
        let mut held = lock(&self.bell.gate);
        while !self.is_cancelled() {
            match remaining() {
                None | Some(Duration::ZERO) => return Ok(()),
                Some(rest) => {
                    let nap = self.bell.rung.wait_timeout(held, rest);
                    held = nap.unwrap_or_else(PoisonError::into_inner).0;
                }
            }
        }
        Err(Cancelled)
    }

    /// Makes every thread that waits on this token look at its clock again.
    pub fn ring(&self) {
        let _held = lock(&self.bell.gate);
        self.bell.rung.notify_all();
    }

    fn is(&self, other: &CancelToken) -> bool {
        Arc::ptr_eq(&self.bell, &other.bell)
    }
}

/// The wall clock of the machine.
///
/// It is read anew on every look, to the nanosecond, so that processes on synchronized machines cut the same batches. When it
/// is set back, waiting threads wait until it has caught up; when it is set forward, they wake within a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        Time::from_millis(since_1970().as_millis() as i64)
    }

    fn wait_until(&self, t: Time, cancel: &CancelToken) -> Result<(), Cancelled> {
        let t = Duration::from_millis(t.as_millis().max(0) as u64);
        cancel.wait(|| Some(t.checked_sub(since_1970())?.min(LONGEST_NAP)))
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A clock that stands still until it is moved, for tests without sleeping and for replays.
///
/// ```
/// use millstream_engine::Time;
/// use millstream_engine::clock::{CancelToken, Clock, ManualClock};
/// use std::time::Duration;
/// let clock = ManualClock::new(Time::from_millis(0));
/// std::thread::scope(|scope| {
///     let waiting = scope.spawn(|| clock.wait_until(Time::from_millis(100), &CancelToken::new()));
///     assert!(clock.await_waiters(1, Duration::from_secs(10)));
///     clock.advance(Duration::from_millis(100));
///     assert_eq!(waiting.join().unwrap(), Ok(()));
/// });
/// ```
#[derive(Debug)]
pub struct ManualClock {
    face: Mutex<Face>,
    /// Notified when a thread begins to wait and when the clock is moved.
    changed: Condvar,
}

/// What the clock shows, and who waits for what.
#[derive(Debug)]
struct Face {
    now: Time,
    waits: Vec<(Time, CancelToken)>,
}

impl Face {
    fn waiters(&self) -> usize {
        self.waits.iter().filter(|(until, _)| *until > self.now).count()
    }
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Time) -> Self {
        let face = Face { now: start, waits: Vec::new() };
        ManualClock { face: Mutex::new(face), changed: Condvar::new() }
    }

    /// Moves the clock forward and wakes those whose time has come.
    pub fn advance(&self, d: Duration) {
        self.turn(|now| now + d);
    }

    /// Sets the clock, also backwards, and wakes those whose time has come.
    pub fn set_time(&self, t: Time) {
        self.turn(|_| t);
    }

    /// How many threads wait for a time that has not come yet. A thread whose time has come no longer counts,
    /// even before it runs again.
    pub fn waiters(&self) -> usize {
        lock(&self.face).waiters()
    }

    /// Blocks until at least `n` threads wait for a time that has not come yet; false if `timeout` of real time
    /// passes first. After [`advance`](Self::advance) this tells that the woken threads are done and wait again.
    pub fn await_waiters(&self, n: usize, timeout: Duration) -> bool {
        let face = lock(&self.face);
        let waited = self.changed.wait_timeout_while(face, timeout, |face| face.waiters() < n);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// The face is let go before the tokens are rung: a waiter holds its token when it looks at the face.
    fn turn(&self, to: impl FnOnce(Time) -> Time) {
        let waits = {
            let mut face = lock(&self.face);
            face.now = to(face.now);
            face.waits.clone()
        };
        self.changed.notify_all();
        waits.iter().for_each(|(_, cancel)| cancel.ring());
    }

    fn enter(&self, until: Time, cancel: &CancelToken) {
        lock(&self.face).waits.push((until, cancel.clone()));
        self.changed.notify_all();
    }

    /// Equal waits are interchangeable, so any one of them may go.
    fn leave(&self, until: Time, cancel: &CancelToken) {
        let waits = &mut lock(&self.face).waits;
        if let Some(i) = waits.iter().position(|(t, token)| *t == until && token.is(cancel)) {
            waits.swap_remove(i);
        }
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        lock(&self.face).now
    }

    fn wait_until(&self, t: Time, cancel: &CancelToken) -> Result<(), Cancelled> {
        self.enter(t, cancel);
        let woken = cancel.wait(|| (self.now() < t).then_some(UNTIL_RUNG));
        self.leave(t, cancel);
        woken
    }
}

/// Nothing behind these locks is left half-changed by a panic, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// Longer than any correct run needs; reached only when a thread was not woken.
    const BOUND: Duration = Duration::from_secs(20);
    const FAR: Time = Time::from_millis(i64::MAX);

    type Woken = mpsc::Receiver<Result<(), Cancelled>>;

    fn ms(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    /// Starts a thread that waits, and gives where its result arrives.
    fn wait_aside(clock: &Arc<impl Clock>, t: Time, cancel: &CancelToken) -> Woken {
        let (done, result) = mpsc::channel();
        let (clock, cancel) = (Arc::clone(clock), cancel.clone());
        thread::spawn(move || done.send(clock.wait_until(t, &cancel)));
        result
    }

    #[test]
    fn the_system_clock_never_wakes_early() {
        for _ in 0..20 {
            let t = SystemClock.now() + Duration::from_millis(1);
            assert_eq!(SystemClock.wait_until(t, &CancelToken::new()), Ok(()));
            assert!(SystemClock.now() >= t);
        }
    }

    #[test]
    fn a_sleep_is_never_too_short() {
        let start = Instant::now();
        assert_eq!(CancelToken::new().sleep(Duration::from_millis(2)), Ok(()));
        assert!(start.elapsed() >= Duration::from_millis(2));
    }

    #[test]
    fn a_time_that_has_passed_is_not_waited_for() {
        let cancel = CancelToken::new();
        assert_eq!(SystemClock.wait_until(ms(-5), &cancel), Ok(()));
        assert_eq!(ManualClock::new(ms(7)).wait_until(ms(7), &cancel), Ok(()));
        assert_eq!(cancel.sleep(Duration::ZERO), Ok(()));
    }

    #[test]
    fn cancelling_ends_every_wait_on_both_clocks() {
        let manual = Arc::new(ManualClock::new(ms(0)));
        let cancel = CancelToken::new();
        let first = wait_aside(&manual, FAR, &cancel);
        let second = wait_aside(&manual, FAR, &cancel);
        let third = wait_aside(&Arc::new(SystemClock), FAR, &cancel);
        assert!(manual.await_waiters(2, BOUND));
        cancel.cancel();
        for result in [first, second, third] {
            assert_eq!(result.recv_timeout(BOUND), Ok(Err(Cancelled)));
        }
        assert_eq!(manual.waiters(), 0);
    }

    #[test]
    fn a_cancelled_token_forbids_waiting() {
        let cancel = CancelToken::new();
        cancel.cancel();
        assert!(cancel.is_cancelled());
        assert_eq!(SystemClock.wait_until(ms(0), &cancel), Err(Cancelled));
        assert_eq!(cancel.sleep(Duration::MAX), Err(Cancelled));
    }

    #[test]
    fn moving_the_clock_wakes_only_those_whose_time_has_come() {
        let clock = Arc::new(ManualClock::new(ms(1_000)));
        let cancel = CancelToken::new();
        let early = wait_aside(&clock, ms(1_100), &cancel);
        let late = wait_aside(&clock, ms(2_000), &cancel);
        assert!(clock.await_waiters(2, BOUND));
        clock.advance(Duration::from_millis(100));
        assert_eq!(clock.waiters(), 1);
        assert_eq!(early.recv_timeout(BOUND), Ok(Ok(())));
        assert_eq!(late.try_recv(), Err(mpsc::TryRecvError::Empty));
        clock.set_time(ms(2_000));
        assert_eq!(late.recv_timeout(BOUND), Ok(Ok(())));
        assert_eq!(clock.now(), ms(2_000));
    }

    #[test]
    fn await_waiters_gives_up_at_its_bound() {
        assert!(!ManualClock::new(ms(0)).await_waiters(1, Duration::from_millis(1)));
    }

    #[test]
    fn no_wake_up_is_lost() {
        let clock = ManualClock::new(ms(0));
        let cancel = CancelToken::new();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (1..=2_000).try_for_each(|t| clock.wait_until(ms(t), &cancel)));
            }
            let all_woken = (1..=2_000).all(|_| {
                let parked = clock.await_waiters(2, BOUND);
                clock.advance(Duration::from_millis(1));
                parked
            });
            cancel.cancel();
            assert!(all_woken);
        });
        assert_eq!(clock.waiters(), 0);
    }
}
