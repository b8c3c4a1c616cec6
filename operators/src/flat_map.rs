use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// Every record turned into any number of records: [`flat_map`](crate::RddOps::flat_map).
    FlatMap
}

impl<R, I, F> Rdd for FlatMap<R, F>
where
    R: Rdd,
    I: IntoIterator,
    I::Item: Data,
    F: Fn(R::Item) -> I + Send + Sync + 'static,
{
    type Item = I::Item;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(I::Item) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| (self.f)(item).into_iter().try_for_each(&mut sink))
    }
}
