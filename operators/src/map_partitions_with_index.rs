use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The same with the number of the partition: [`map_partitions_with_index`](crate::RddOps::map_partitions_with_index).
    MapPartitionsWithIndex
}

impl<R, I, F> Rdd for MapPartitionsWithIndex<R, F>
where
    R: Rdd,
    I: IntoIterator,
    I::Item: Data,
    F: Fn(usize, std::vec::IntoIter<R::Item>) -> I + Send + Sync + 'static,
{
    type Item = I::Item;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(I::Item) -> Flow) -> Flow {
        let mut records = Vec::new();
        self.parent.compute(partition, task, |item| {
            records.push(item);
            Flow::Continue(())
        })?;
        (self.f)(partition, records.into_iter()).into_iter().try_for_each(&mut sink)
    }
}
