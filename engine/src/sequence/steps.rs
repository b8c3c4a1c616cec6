use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::OnBatchFailure;
use crate::job::{Executor, Job};
use crate::{Error, Result, Time};

/// An operator whose result of a batch is made from what it has kept of the batches before.
pub(crate) trait Sequential: Send + Sync + 'static {
    /// What a batch brings.
    type In: Send + Sync + 'static;
    /// What the consumers of a batch read.
    type Out: Send + Sync + 'static;

    /// The number of partitions of what it keeps and gives.
    fn partitions(&self) -> usize;

    /// Takes the batch at `time` in. All or nothing: after an error it is as if this had not been called. It is never called by
    /// two threads at a time, and in the order of time.
    fn advance(&self, job: &Job, time: Time, input: &Self::In) -> Result<Self::Out>;
}

/// A [`Sequential`] operator and the steps that it has not made yet.
pub(crate) struct Sequence<S: Sequential> {
    pub(crate) operator: S,
    executor: Executor,
    due: Mutex<VecDeque<Arc<Step<S>>>>,
    /// Held by the thread that makes steps.
    stepping: Mutex<()>,
}

/// One batch of a [`Sequence`].
pub(crate) struct Step<S: Sequential> {
    time: Time,
    progress: Mutex<Progress<S>>,
}

enum Progress<S: Sequential> {
    Due(Arc<S::In>),
    Done(Arc<S::Out>),
    /// Left out, because it failed and the configuration says to go on.
    Skipped(String),
}

impl<S: Sequential> Step<S> {
    fn progress(&self) -> MutexGuard<'_, Progress<S>> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_due(&self) -> bool {
        matches!(&*self.progress(), Progress::Due(_))
    }

    /// What the step gave, once it is done.
    pub(crate) fn output(&self) -> Option<Arc<S::Out>> {
        match &*self.progress() {
            Progress::Done(out) => Some(Arc::clone(out)),
            Progress::Due(_) | Progress::Skipped(_) => None,
        }
    }
}

impl<S: Sequential> Sequence<S> {
    pub(crate) fn new(operator: S, executor: Executor) -> Arc<Self> {
        Arc::new(Sequence { operator, executor, due: Mutex::default(), stepping: Mutex::default() })
    }

    pub(crate) fn executor(&self) -> &Executor {
        &self.executor
    }

    fn due(&self) -> MutexGuard<'_, VecDeque<Arc<Step<S>>>> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the step of the next batch.
    pub(crate) fn push(&self, time: Time, input: S::In) -> Arc<Step<S>> {
        let step = Arc::new(Step { time, progress: Mutex::new(Progress::Due(Arc::new(input))) });
        self.due().push_back(Arc::clone(&step));
        step
    }

    /// Makes all steps up to and including `step`.
    ///
    /// # Errors
    /// Those of the step, or of one before it that must be made first.
    pub(crate) fn run_through(&self, job: &Job, step: &Step<S>) -> Result<()> {
        if step.output().is_some() {
            return Ok(());
        }
        let _stepping = self.stepping.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(next) = self.next_through(step.time) {
            let outcome = self.make(job, &next);
            if next.is_due() {
                return outcome;
            }
            self.due().pop_front();
        }
        match &*step.progress() {
            Progress::Skipped(reason) => Err(Error::Batch { time: step.time, reason: reason.clone() }),
            Progress::Due(_) | Progress::Done(_) => Ok(()),
        }
    }

    fn next_through(&self, time: Time) -> Option<Arc<Step<S>>> {
        self.due().front().filter(|next| next.time <= time).map(Arc::clone)
    }

    /// Makes one step. One that fails stays due, or is left out where a failed batch is to be skipped.
    fn make(&self, job: &Job, step: &Step<S>) -> Result<()> {
        let input = match &*step.progress() {
            Progress::Due(input) => Arc::clone(input),
            Progress::Done(_) | Progress::Skipped(_) => return Ok(()),
        };
        let outcome = self.operator.advance(job, step.time, &input);
        if let Err(error) = &outcome
            && self.skips(error)
        {
            tracing::warn!(batch = %step.time, %error, "what the batch brings is left out");
            *step.progress() = Progress::Skipped(error.to_string());
        }
        outcome.map(|out| *step.progress() = Progress::Done(Arc::new(out)))
    }

    fn skips(&self, error: &Error) -> bool {
        self.executor.config().on_batch_failure == OnBatchFailure::Skip && !matches!(error, Error::Stopped(_))
    }
}
