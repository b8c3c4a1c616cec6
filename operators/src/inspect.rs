use millstream_engine::job::Task;
use millstream_engine::rdd::{Flow, Rdd};

operator! {
    /// Every record shown to a function and passed on: [`inspect`](crate::RddOps::inspect).
    Inspect
}

impl<R, F> Rdd for Inspect<R, F>
where
    R: Rdd,
    F: Fn(&R::Item) + Send + Sync + 'static,
{
    type Item = R::Item;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| {
            (self.f)(&item);
            sink(item)
        })
    }
}
