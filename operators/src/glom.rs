use millstream_engine::job::Task;
use millstream_engine::rdd::{Flow, Rdd};

operator! {
    /// All records of a partition as one: [`glom`](crate::RddOps::glom).
    Glom without function
}

impl<R> Rdd for Glom<R>
where
    R: Rdd,
{
    type Item = Vec<R::Item>;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Vec<R::Item>) -> Flow) -> Flow {
        let mut records = Vec::new();
        self.parent.compute(partition, task, |item| {
            records.push(item);
            Flow::Continue(())
        })?;
        sink(records)
    }
}
