//! The way from a stream into a [`Sequence`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::node::{AnyNode, Node};
use super::output::OutputBody;
use crate::config::OnBatchFailure;
use crate::job::Job;
use crate::rdd::{Rdd, Shared};
use crate::recovery::Persist;
use crate::sequence::{Sequence, Sequential, Step};
use crate::{BoxError, Result, Time};

/// A sequential operator and the way into it, as checkpoints and recovery see them.
pub(crate) trait AnyFeed: Send + Sync {
    /// What is written into checkpoints and restored from them.
    fn operator(&self) -> &dyn Persist;

    /// How many batches the operator has taken in by `time`, or was offered.
    fn number_at(&self, time: Time) -> u32;

    /// Goes on behind the batch at `time`: what was restored has all up to and including it.
    fn resume_after(&self, time: Time);

    /// Work that takes in what there is up to the batch at `time`, whether an output asks for it or not.
    fn step_through(&self, time: Time) -> Result<Option<OutputBody>>;
}

/// What a sequential operator gets from its parent stream: a step for every batch of the parent that it takes in, in order and
/// without a gap, whichever batch is asked for.
pub(crate) struct Feed<R: Rdd, S: Sequential> {
    pub(crate) node: Arc<Node<R>>,
    pub(crate) sequence: Arc<Sequence<S>>,
    /// Whether the operator wants the parent's batch at a time; false in the gaps between windows.
    pub(crate) wants: Box<dyn Fn(Time) -> bool + Send + Sync>,
    pub(crate) input: Box<Input<R, S>>,
    pub(crate) steps: Mutex<Steps<S>>,
}

/// What a batch of the parent brings to the operator.
type Input<R, S> = dyn Fn(Option<Shared<R>>, Time) -> <S as Sequential>::In + Send + Sync;

/// The steps of the batches that are not forgotten.
pub(crate) struct Steps<S: Sequential> {
    /// The last time that was looked at.
    last: Option<Time>,
    by_time: BTreeMap<Time, Arc<Step<S>>>,
}

impl<S: Sequential> Default for Steps<S> {
    fn default() -> Self {
        Steps { last: None, by_time: BTreeMap::new() }
    }
}

impl<R: Rdd, S: Sequential + Persist> AnyFeed for Feed<R, S> {
    fn operator(&self) -> &dyn Persist {
        &self.sequence.operator
    }

    fn number_at(&self, time: Time) -> u32 {
        self.node.info().origin.batches_until(time, self.every())
    }

    fn resume_after(&self, time: Time) {
        let zero = *self.node.info().origin.zero.get().unwrap_or(&time);
        self.steps().last = Some(time.floor_from(self.every(), zero));
    }

    fn step_through(&self, time: Time) -> Result<Option<OutputBody>> {
        self.step_at(time)?;
        let step = self.steps().by_time.last_key_value().map(|(_, step)| Arc::clone(step));
        let body = |step: Arc<Step<S>>| -> OutputBody {
            let sequence = Arc::clone(&self.sequence);
            Box::new(move |job: &Job| sequence.run_through(job, &step).map_err(BoxError::from))
        };
        Ok(step.map(body))
    }
}

impl<R: Rdd, S: Sequential> Feed<R, S> {
    fn steps(&self) -> MutexGuard<'_, Steps<S>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn every(&self) -> Duration {
        self.node.info().slide
    }

    /// The step of the parent's batch at `time`; `None` before the first batch, and for times that are forgotten.
    pub(crate) fn step_at(&self, time: Time) -> Result<Option<Arc<Step<S>>>> {
        let origin = &self.node.info().origin;
        let Some(zero) = origin.zero.get() else { return Ok(None) };
        let mut steps = self.steps();
        let mut next = steps.last.unwrap_or(*zero) + self.every();
        while next <= time {
            if (self.wants)(next) && !origin.gaps.contains(next) {
                let rdd = self.rdd_at(next, time)?;
                steps.by_time.insert(next, self.sequence.push(next, (self.input)(rdd, next)));
            }
            steps.last = Some(next);
            next = next + self.every();
        }
        Ok(steps.by_time.get(&time).cloned())
    }

    /// The parent's RDD at `time`. One of an earlier batch that could not be made was skipped with its batch.
    fn rdd_at(&self, time: Time, asked: Time) -> Result<Option<Shared<R>>> {
        let skips = self.sequence.executor().config().on_batch_failure == OnBatchFailure::Skip;
        match self.node.at(time) {
            Err(error) if time < asked && skips => {
                tracing::warn!(batch = %time, %error, "what the batch would have brought is left out");
                Ok(None)
            }
            rdd => rdd,
        }
    }

    /// Forgets the steps up to and including `time`; what the operator has made of them stays with it.
    pub(crate) fn forget(&self, time: Time) {
        let mut steps = self.steps();
        let later = steps.by_time.split_off(&(time + Duration::from_millis(1)));
        let old = std::mem::replace(&mut steps.by_time, later);
        drop(steps);
        drop(old);
    }
}
