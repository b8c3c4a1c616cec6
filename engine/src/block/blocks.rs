use std::marker::PhantomData;
use std::sync::Arc;

use super::{BlockFormat, Segment};
use crate::Result;
use crate::job::{Executor, Job, Task};
use crate::rdd::{Flow, Rdd};

/// The blocks of one batch of a receiver: a partition per block that holds anything.
pub struct Blocks<F> {
    executor: Executor,
    segments: Arc<[Segment]>,
    /// Where each partition's segments begin, and the end.
    bounds: Arc<[usize]>,
    format: PhantomData<F>,
}

impl<F: BlockFormat> Blocks<F> {
    /// The blocks that `segments` form, which stand in the order of their block times.
    pub fn new(executor: Executor, segments: Vec<Segment>) -> Self {
        let begins =
            (0..segments.len()).filter(|&i| i == 0 || segments[i].block() != segments[i - 1].block());
        let bounds: Arc<[usize]> = begins.chain([segments.len()]).collect();
        let bounds = if segments.is_empty() { Arc::from([0]) } else { bounds };
        Blocks { executor, segments: segments.into(), bounds, format: PhantomData }
    }
}

impl<F> Clone for Blocks<F> {
    fn clone(&self) -> Self {
        Blocks {
            executor: self.executor.clone(),
            segments: Arc::clone(&self.segments),
            bounds: Arc::clone(&self.bounds),
            format: PhantomData,
        }
    }
}

impl<F: BlockFormat> Rdd for Blocks<F> {
    type Item = F::Item;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.bounds.len() - 1
    }

    fn weight(&self) -> usize {
        self.segments.iter().map(Segment::len).sum()
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(F::Item) -> Flow) -> Flow {
        let segments = &self.segments[self.bounds[partition]..self.bounds[partition + 1]];
        segments.iter().try_for_each(|segment| match segment.content(self.executor.chunks()) {
            Ok(content) => F::for_each(&content, segment.records(), task, &mut sink),
            Err(error) => task.fail(error.to_string()),
        })
    }
}
