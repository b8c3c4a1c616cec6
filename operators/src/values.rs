use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The value of every pair: [`values`](crate::PairRddOps::values).
    Values without function
}

impl<R, K, V> Rdd for Values<R>
where
    R: Rdd<Item = (K, V)>,
    K: Data,
    V: Data,
{
    type Item = V;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(V) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(_, value)| sink(value))
    }
}
