//! The job that runs on this thread, so that an action (`rdd.collect()`) inside an output operation belongs to it.

use std::cell::{Cell, RefCell};

use super::task::Job;
use crate::Time;

thread_local! {
    static CURRENT: RefCell<Option<Job>> = const { RefCell::new(None) };
    static ENGINE_THREAD: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` as part of `job`. User code inside must not unwind: it is caught by `f`.
pub(crate) fn within<T>(job: &Job, f: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(Some(job.clone()));
    let result = f();
    CURRENT.set(outer);
    result
}

/// Marks this thread as one that a stopping context waits for: it runs jobs, tasks, a receiver or the batch timer.
pub(crate) fn mark_engine_thread() {
    ENGINE_THREAD.set(true);
}

/// True on a thread that a stopping context waits for, and that must not wait for the stop in its turn.
pub(crate) fn on_engine_thread() -> bool {
    ENGINE_THREAD.get()
}

/// The job that runs on this thread; outside of one, a job of its own for an action of the program.
pub(crate) fn job() -> Job {
    CURRENT
        .with_borrow(Clone::clone)
        .unwrap_or_else(|| Job::new(Time::default(), "an action outside of a batch"))
}
