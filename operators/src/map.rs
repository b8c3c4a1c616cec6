use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// Every record changed by a function: [`map`](crate::RddOps::map).
    Map
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
