//! How far a batch is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::job::{Executor, Job, Task};
use millstream::prelude::*;
use millstream::rdd::Flow;

/// The records of each partition that has been computed. Clones are the same gauge.
#[derive(Clone)]
pub(crate) struct Gauge(Arc<[AtomicU64]>);

/// What stands for a partition that has not been computed yet.
const UNKNOWN: u64 = u64::MAX;

impl Gauge {
    pub(crate) fn new(partitions: usize) -> Self {
        Gauge((0..partitions).map(|_| AtomicU64::new(UNKNOWN)).collect())
    }

    fn known(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|records| records.load(Ordering::Relaxed)).filter(|records| *records != UNKNOWN)
    }

    /// The part of the partitions that has been computed, from 0 to 1.
    pub(crate) fn done(&self) -> f64 {
        self.known().count() as f64 / self.0.len().max(1) as f64
    }

    /// The records that were read, those of a partition that was tried twice counted once.
    pub(crate) fn lines(&self) -> u64 {
        self.known().sum()
    }
}

/// An RDD that is watched by a [`Gauge`].
#[derive(Clone)]
pub(crate) struct Gauged<R> {
    parent: R,
    gauge: Gauge,
}

impl<R: Rdd> Gauged<R> {
    pub(crate) fn new(parent: R, gauge: Gauge) -> Self {
        Gauged { parent, gauge }
    }
}

impl<R: Rdd> Rdd for Gauged<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        self.parent.executor()
    }

    fn num_partitions(&self) -> usize {
        self.parent.num_partitions()
    }

    fn weight(&self) -> usize {
        self.parent.weight()
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.parent.prepare(job)
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        let mut records = 0;
        let flow = self.parent.compute(partition, task, |item| {
            records += 1;
            sink(item)
        });
        if flow.is_continue() {
            self.gauge.0[partition].store(records, Ordering::Relaxed);
        }
        flow
    }
}
