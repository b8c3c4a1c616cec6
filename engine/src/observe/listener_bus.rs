//! The thread between the engine and its listeners.
//!
//! Posting never waits: events go into a queue of at most [`MAX_QUEUED_EVENTS`], and what does not fit is
//! dropped and counted. One thread takes them out in order and tells every listener in turn. Waking it costs more than a tiny batch,
//! so it is woken only for the first event after a pause. After that it lingers: it comes by itself for what was posted during
//! [`LINGER`], and goes to rest when that was nothing. The whole state is one small struct behind one lock, taken a few times per
//! batch:
//!
//! - `open` turns false once, when the bus stops; from then on nothing enters the queue. The thread
//!   leaves when it finds the bus closed and the queue empty, so what was posted before is delivered.
//! - `asleep` says how the thread sleeps; it is awake from the moment on at which somebody decides to wake it, so that only one does.
//! - `delivering` is true from taking an event out to the last listener's return; the bus is idle when
//!   the queue is empty and nothing is being delivered.
//! - `abandoned` turns true when a stop has lost its patience; from then on no listener is told anything.

use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use super::{Event, StreamingListener};
use crate::{Error, Result};

/// Events that wait for the listeners at most; Spark's bus has the same bound.
pub const MAX_QUEUED_EVENTS: usize = 10_000;

/// How long an event may wait for others that are told with it.
const LINGER: Duration = Duration::from_millis(50);

/// How long the bus's thread rests before it looks whether it was forgotten.
const REST: Duration = Duration::from_secs(3_600);

/// How long [`ListenerBus::stop`] waits for listeners before the events that still wait are dropped.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// How often dropped events are logged at most.
const WARN_EVERY: Duration = Duration::from_secs(1);

/// Names a listener, to take it off the bus again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerId(u64);

/// Carries events to listeners on a thread of its own.
///
/// ```
/// use millstream_engine::Time;
/// use millstream_engine::observe::{Event, ListenerBus, StreamingListener};
/// use std::sync::{Arc, Mutex};
///
/// #[derive(Default)]
/// struct Starts(Mutex<Vec<Time>>);
/// impl StreamingListener for Starts {
///     fn on_streaming_started(&self, time: Time) {
///         self.0.lock().unwrap().push(time);
///     }
/// }
///
/// let starts = Arc::new(Starts::default());
/// let bus = ListenerBus::start()?;
/// bus.add(Arc::clone(&starts) as _);
/// bus.post(Event::StreamingStarted(Time::from_millis(5)));
/// bus.stop()?;
/// assert_eq!(*starts.0.lock().unwrap(), [Time::from_millis(5)]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub struct ListenerBus {
    shared: Arc<Shared>,
    thread_id: ThreadId,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    max_queued: usize,
    state: Mutex<State>,
    /// Signalled when the bus's thread is to wake up.
    arrived: Condvar,
    /// Signalled when the bus becomes idle.
    idle: Condvar,
    listeners: Mutex<Listeners>,
    dropped: AtomicU64,
}

struct State {
    queue: VecDeque<Event>,
    asleep: Asleep,
    open: bool,
    delivering: bool,
    abandoned: bool,
    last_warning: Option<Instant>,
}

/// How the bus's thread sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asleep {
    Awake,
    /// For [`LINGER`] at the most; events alone do not wake it.
    Lingering,
    /// Until the next event.
    Resting,
}

#[derive(Default)]
struct Listeners {
    next_id: u64,
    all: Vec<(ListenerId, Arc<dyn StreamingListener>)>,
}

impl ListenerBus {
    /// Starts the bus's thread.
    pub fn start() -> Result<Self> {
        Self::with_capacity(MAX_QUEUED_EVENTS)
    }

    fn with_capacity(max_queued: usize) -> Result<Self> {
        let state = State {
            queue: VecDeque::new(),
            asleep: Asleep::Awake,
            open: true,
            delivering: false,
            abandoned: false,
            last_warning: None,
        };
        let shared = Arc::new(Shared {
            max_queued,
            state: Mutex::new(state),
            arrived: Condvar::new(),
            idle: Condvar::new(),
            listeners: Mutex::default(),
            dropped: AtomicU64::new(0),
        });
        let carrier = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("listener-bus".to_string())
            .spawn(move || carrier.run())
            .map_err(|e| Error::io("cannot start the thread of the listener bus", e))?;
        Ok(ListenerBus { shared, thread_id: thread.thread().id(), thread: Mutex::new(Some(thread)) })
    }

    /// Adds a listener. It is told of every event that is delivered from now on, after those added before.
    pub fn add(&self, listener: Arc<dyn StreamingListener>) -> ListenerId {
        let mut listeners = lock(&self.shared.listeners);
        let id = ListenerId(listeners.next_id);
        listeners.next_id += 1;
        listeners.all.push((id, listener));
        id
    }

    /// Takes a listener off; false when it was not there. A call that is under way is finished.
    pub fn remove(&self, id: ListenerId) -> bool {
        let mut listeners = lock(&self.shared.listeners);
        let before = listeners.all.len();
        listeners.all.retain(|(other, _)| *other != id);
        listeners.all.len() < before
    }

    /// Hands an event to the bus and returns at once. A full queue drops it, a stopped bus ignores it. It is told soon, with those
    /// that are posted within the next moments.
    pub fn post(&self, event: Event) {
        self.post_with(|| event);
    }

    /// The same for an event that is made only if somebody listens.
    pub(crate) fn post_with(&self, event: impl FnOnce() -> Event) {
        if lock(&self.shared.listeners).all.is_empty() {
            return;
        }
        let event = event();
        let mut state = lock(&self.shared.state);
        if !state.open {
            tracing::debug!(?event, "the listener bus has stopped; nobody is told");
        } else if state.queue.len() < self.shared.max_queued {
            state.queue.push_back(event);
            if state.asleep == Asleep::Resting || state.queue.len() > self.shared.max_queued / 2 {
                self.shared.wake(&mut state);
            }
        } else {
            self.shared.drop_event(&mut state);
        }
    }

    /// How many events were dropped because listeners were too slow.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    /// Waits until every event posted so far is delivered; false when that took longer than `timeout`.
    pub fn wait_until_empty(&self, timeout: Duration) -> bool {
        let mut state = lock(&self.shared.state);
        self.shared.wake(&mut state);
        self.shared.wait_idle(state, timeout).is_idle()
    }

    /// Whether the caller is a listener, in one of its calls.
    pub fn on_bus_thread(&self) -> bool {
        thread::current().id() == self.thread_id
    }

    /// Delivers what was posted before, then stops: nothing is delivered after this has returned, but for
    /// a listener's call that has hung for 10 s. What is behind such a call is dropped, events counted.
    ///
    /// Refused inside a listener's call, which would wait for itself.
    pub fn stop(&self) -> Result<()> {
        if self.on_bus_thread() {
            let refusal = "Cannot stop StreamingContext within listener bus thread.";
            return Err(Error::State(refusal.to_string()));
        }
        let ended = self.shared.close(STOP_PATIENCE);
        let thread = lock(&self.thread).take();
        if let Some(thread) = thread.filter(|_| ended) {
            thread
                .join()
                .map_err(|_| Error::State("the listener bus had failed before it was stopped".into()))?;
        }
        Ok(())
    }
}

/// Closes the bus without waiting: its thread delivers what it has and ends by itself.
impl Drop for ListenerBus {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.open = false;
        self.shared.wake(&mut state);
    }
}

impl Shared {
    /// The bus's thread: takes out one event after the other until the bus is closed and empty.
    fn run(&self) {
        while let Some(event) = self.next() {
            let listeners = lock(&self.listeners).all.clone();
            for (id, listener) in listeners {
                if lock(&self.state).abandoned {
                    break;
                }
                let told = panic::catch_unwind(AssertUnwindSafe(|| event.tell(&*listener)));
                if told.is_err() {
                    tracing::error!(?id, ?event, "a streaming listener panicked; it stays on the bus");
                }
            }
        }
    }

    /// Reports the last event as delivered and waits for the next; `None` when no more will come.
    fn next(&self) -> Option<Event> {
        let mut state = lock(&self.state);
        state.delivering = false;
        if state.is_idle() {
            self.idle.notify_all();
            state = self.doze(state, Asleep::Lingering, LINGER);
        }
        while state.open && state.queue.is_empty() {
            state = self.doze(state, Asleep::Resting, REST);
        }
        let event = state.queue.pop_front();
        state.delivering = event.is_some();
        event
    }

    /// Sleeps until somebody decides that the bus's thread is to wake up, for `time` at the most.
    fn doze<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        asleep: Asleep,
        time: Duration,
    ) -> MutexGuard<'a, State> {
        state.asleep = asleep;
        let slept =
            self.arrived.wait_timeout_while(state, time, |state| state.open && state.asleep == asleep);
        let mut state = slept.unwrap_or_else(PoisonError::into_inner).0;
        state.asleep = Asleep::Awake;
        state
    }

    /// Has the bus's thread wake up, if it sleeps.
    fn wake(&self, state: &mut State) {
        if std::mem::replace(&mut state.asleep, Asleep::Awake) != Asleep::Awake {
            self.arrived.notify_one();
        }
    }

    /// Lets nothing more in and waits for what is in; past `patience` drops it. True when all was delivered.
    fn close(&self, patience: Duration) -> bool {
        let mut state = lock(&self.state);
        state.open = false;
        self.wake(&mut state);
        let mut state = self.wait_idle(state, patience);
        if state.is_idle() {
            return true;
        }
        state.abandoned = true;
        let left = state.queue.len();
        state.queue.clear();
        self.dropped.fetch_add(left as u64, Ordering::Relaxed);
        tracing::warn!(
            dropped = left,
            "a streaming listener still runs after {patience:?}; stopping without it"
        );
        false
    }

    fn wait_idle<'a>(&self, state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        let waited = self.idle.wait_timeout_while(state, timeout, |state| !state.is_idle());
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Counts a dropped event, and says so at most once per [`WARN_EVERY`].
    fn drop_event(&self, state: &mut State) {
        let dropped = self.dropped.fetch_add(1, Ordering::Relaxed) + 1;
        let now = Instant::now();
        if state.last_warning.is_none_or(|last| now - last >= WARN_EVERY) {
            state.last_warning = Some(now);
            tracing::warn!(dropped, "streaming listeners are too slow; events are dropped");
        }
    }
}

impl State {
    fn is_idle(&self) -> bool {
        self.queue.is_empty() && !self.delivering
    }
}

/// A lock that is held only for plain moves of data, so a panic elsewhere leaves nothing half done in it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
