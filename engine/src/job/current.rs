//! The job that runs on this thread, so that an action (`rdd.collect()`) inside an output operation belongs to it.

use std::cell::RefCell;

use super::task::Job;
use crate::Time;

thread_local! {
    static CURRENT: RefCell<Option<Job>> = const { RefCell::new(None) };
}

/// Runs `f` as part of `job`. User code inside must not unwind: it is caught by `f`.
pub(crate) fn within<T>(job: &Job, f: impl FnOnce() -> T) -> T {
    let outer = CURRENT.replace(Some(job.clone()));
    let result = f();
    CURRENT.set(outer);
    result
}

/// True on a thread that runs a job.
pub(crate) fn is_inside() -> bool {
    CURRENT.with_borrow(Option::is_some)
}

/// The job that runs on this thread; outside of one, a job of its own for an action of the program.
pub(crate) fn job() -> Job {
    CURRENT
        .with_borrow(Clone::clone)
        .unwrap_or_else(|| Job::new(Time::default(), "an action outside of a batch"))
}
