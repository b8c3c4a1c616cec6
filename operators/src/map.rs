use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Data, Flow, Rdd};

/// Every record changed by a function: [`map`](crate::RddOps::map).
pub struct Map<R, F> {
    parent: R,
    f: Arc<F>,
}

impl<R, F> Map<R, F> {
    pub(crate) fn new(parent: R, f: Arc<F>) -> Self {
        Map { parent, f }
    }
}

impl<R: Clone, F> Clone for Map<R, F> {
    fn clone(&self) -> Self {
        Map { parent: self.parent.clone(), f: Arc::clone(&self.f) }
    }
}

impl<R, U, F> Rdd for Map<R, F>
where
    R: Rdd,
    U: Data,
    F: Fn(R::Item) -> U + Send + Sync + 'static,
{
    type Item = U;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(U) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| sink((self.f)(item)))
    }
}
