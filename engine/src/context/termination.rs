use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::{Error, Result};

/// What those who await the end of a context wait for: its stop, or its first error.
#[derive(Debug, Default)]
pub(super) struct Termination {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    error: Option<Error>,
    ended: bool,
}

impl Termination {
    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    pub(super) fn stopped(&self) {
        self.update(|state| state.stopped = true);
    }

    /// All inputs have ended and all batches are done.
    pub(super) fn ended(&self) {
        self.update(|state| state.ended = true);
    }

    pub(super) fn failed(&self, error: Error) {
        self.update(|state| {
            state.error.get_or_insert(error);
        });
    }

    /// Waits for the stop or an error; false when `timeout` is over first.
    pub(super) fn wait(&self, timeout: Option<Duration>) -> Result<bool> {
        self.wait_for(timeout, |state| state.stopped)
    }

    /// Waits until everything is processed; false when the context was stopped before.
    pub(super) fn wait_for_end(&self) -> Result<bool> {
        self.wait_for(None, |state| state.stopped || state.ended)?;
        Ok(self.state.lock().unwrap_or_else(PoisonError::into_inner).ended)
    }

    fn wait_for(&self, timeout: Option<Duration>, done: impl Fn(&State) -> bool) -> Result<bool> {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(error) = &state.error {
                return Err(error.clone());
            }
            if done(&state) {
                return Ok(true);
            }
            let left =
                end.map_or(Duration::from_secs(3_600), |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(false);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
