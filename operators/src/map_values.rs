use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The value of every pair changed by a function: [`map_values`](crate::PairRddOps::map_values).
    MapValues
}

impl<R, K, V, W, F> Rdd for MapValues<R, F>
where
    R: Rdd<Item = (K, V)>,
    K: Data,
    V: Data,
    W: Data,
    F: Fn(V) -> W + Send + Sync + 'static,
{
    type Item = (K, W);

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut((K, W)) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(key, value)| sink((key, (self.f)(value))))
    }
}
