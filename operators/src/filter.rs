use millstream_engine::job::Task;
use millstream_engine::rdd::{Flow, Rdd};

operator! {
    /// The records for which a predicate holds: [`filter`](crate::RddOps::filter).
    Filter
}

impl<R, F> Rdd for Filter<R, F>
where
    R: Rdd,
    F: Fn(&R::Item) -> bool + Send + Sync + 'static,
{
    type Item = R::Item;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        self.parent.compute(
            partition,
            task,
            |item| if (self.f)(&item) { sink(item) } else { Flow::Continue(()) },
        )
    }
}
