use std::cell::{Cell, RefCell};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::Time;

/// Whether the consumer of a partition wants more records: `Continue`, or `Break` when it has enough (`take`, `print`).
pub type Flow = ControlFlow<()>;

/// One output operation of one batch while it runs.
#[derive(Clone, Debug)]
pub struct Job {
    time: Time,
    name: Arc<str>,
    cancelled: Arc<AtomicBool>,
}

impl Job {
    /// The job of the output operation `name` in the batch at `time`.
    pub fn new(time: Time, name: impl Into<Arc<str>>) -> Self {
        Job::with_cancel(time, name, Arc::default())
    }

    /// The same, stopped by a flag that it shares with others.
    pub(crate) fn with_cancel(time: Time, name: impl Into<Arc<str>>, cancelled: Arc<AtomicBool>) -> Self {
        Job { time, name: name.into(), cancelled }
    }

    /// The job that runs on this thread; outside of an output operation, a job of its own.
    pub fn current() -> Self {
        super::current::job()
    }

    /// The time of the batch.
    pub fn time(&self) -> Time {
        self.time
    }

    /// What runs, with the place in the user's program where it was defined.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// True once the context is being stopped without grace; tasks that have not begun are not begun any more.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// One attempt to compute one partition of one stage.
#[derive(Debug)]
pub struct Task {
    time: Time,
    partition: usize,
    attempt: usize,
    failure: RefCell<Option<String>>,
    is_refused: Cell<bool>,
}

impl Task {
    pub(crate) fn new(time: Time, partition: usize, attempt: usize) -> Self {
        Task { time, partition, attempt, failure: RefCell::new(None), is_refused: Cell::new(false) }
    }

    /// The time of the batch.
    pub fn time(&self) -> Time {
        self.time
    }

    /// The partition of the stage, from 0.
    pub fn partition(&self) -> usize {
        self.partition
    }

    /// 0 for the first attempt.
    pub fn attempt(&self) -> usize {
        self.attempt
    }

    /// Fails this attempt with a reason (a file that cannot be read); the caller passes the returned `Break` on.
    pub fn fail(&self, reason: impl Into<String>) -> Flow {
        self.failure.borrow_mut().get_or_insert_with(|| reason.into());
        Flow::Break(())
    }

    /// The same for good: another attempt would come to the same. The batch fails with the reason, which says who gave it.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Flow {
        self.is_refused.set(true);
        self.fail(reason)
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.is_refused.get()
    }

    pub(crate) fn take_failure(&self) -> Option<String> {
        self.failure.take()
    }
}
