use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The records that a function makes something of: [`filter_map`](crate::RddOps::filter_map).
    FilterMap
}

impl<R, U, F> Rdd for FilterMap<R, F>
where
    R: Rdd,
    U: Data,
    F: Fn(R::Item) -> Option<U> + Send + Sync + 'static,
{
    type Item = U;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(U) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| (self.f)(item).map_or(Flow::Continue(()), &mut sink))
    }
}
