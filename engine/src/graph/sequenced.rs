//! The way from a stream into a [`Sequence`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::node::{AnyNode, Node};
use crate::config::OnBatchFailure;
use crate::rdd::{Rdd, Shared};
use crate::sequence::{Sequence, Sequential, Step};
use crate::{Result, Time};

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

impl<R: Rdd, S: Sequential> Feed<R, S> {
    fn every(&self) -> Duration {
        self.node.info().slide
    }

    /// The step of the parent's batch at `time`; `None` before the first batch, and for times that are forgotten.
    pub(crate) fn step_at(&self, time: Time) -> Result<Option<Arc<Step<S>>>> {
        let Some(zero) = self.node.info().origin.zero.get() else { return Ok(None) };
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = steps.last.unwrap_or(*zero) + self.every();
        while next <= time {
            if (self.wants)(next) {
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
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        let later = steps.by_time.split_off(&(time + Duration::from_millis(1)));
        let old = std::mem::replace(&mut steps.by_time, later);
        drop(steps);
        drop(old);
    }
}
