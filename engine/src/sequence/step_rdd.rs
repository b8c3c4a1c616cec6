use std::marker::PhantomData;
use std::sync::Arc;

use super::steps::{Sequence, Sequential, Step};
use crate::Result;
use crate::job::{Executor, Job, Task};
use crate::rdd::{Data, Flow, Rdd};

/// How the records of a batch are read from what a step gave.
pub(crate) trait View<S: Sequential>: Send + Sync + 'static {
    type Item: Data;

    /// About how many bytes will be read.
    fn weight(out: &S::Out) -> usize;

    /// Pushes the records of `partition` into `sink` until it breaks.
    fn read(operator: &S, out: &S::Out, partition: usize, sink: impl FnMut(Self::Item) -> Flow) -> Flow;
}

/// The RDD of a batch of a sequential operator, seen through a [`View`].
pub(crate) struct StepRdd<S: Sequential, V> {
    sequence: Arc<Sequence<S>>,
    step: Arc<Step<S>>,
    view: PhantomData<fn() -> V>,
}

impl<S: Sequential, V> StepRdd<S, V> {
    pub(crate) fn new(sequence: Arc<Sequence<S>>, step: Arc<Step<S>>) -> Self {
        StepRdd { sequence, step, view: PhantomData }
    }
}

impl<S: Sequential, V> Clone for StepRdd<S, V> {
    fn clone(&self) -> Self {
        StepRdd::new(Arc::clone(&self.sequence), Arc::clone(&self.step))
    }
}

impl<S: Sequential, V: View<S>> Rdd for StepRdd<S, V> {
    type Item = V::Item;

    fn executor(&self) -> &Executor {
        self.sequence.executor()
    }

    fn num_partitions(&self) -> usize {
        self.sequence.operator.partitions()
    }

    fn weight(&self) -> usize {
        self.step.output().map_or(usize::MAX, |out| V::weight(&out))
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.sequence.run_through(job, &self.step)
    }

    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(V::Item) -> Flow) -> Flow {
        match self.step.output() {
            Some(out) => V::read(&self.sequence.operator, &out, partition, sink),
            None => task.fail("a step was read before it was prepared"),
        }
    }
}
