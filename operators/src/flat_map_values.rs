use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The value of every pair turned into any number of values: [`flat_map_values`](crate::PairRddOps::flat_map_values).
    FlatMapValues
}

impl<R, K, V, I, F> Rdd for FlatMapValues<R, F>
where
    R: Rdd<Item = (K, V)>,
    K: Data,
    V: Data,
    I: IntoIterator,
    I::Item: Data,
    F: Fn(V) -> I + Send + Sync + 'static,
{
    type Item = (K, I::Item);

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut((K, I::Item)) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(key, value)| {
            (self.f)(value).into_iter().try_for_each(|value| sink((key.clone(), value)))
        })
    }
}
