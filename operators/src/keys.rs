use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// The key of every pair: [`keys`](crate::PairRddOps::keys).
    Keys without function
}

impl<R, K, V> Rdd for Keys<R>
where
    R: Rdd<Item = (K, V)>,
    K: Data,
    V: Data,
{
    type Item = K;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(K) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(key, _)| sink(key))
    }
}
