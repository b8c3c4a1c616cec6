use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Key, Rdd};

operator! {
    /// The pairs whose key the other side lacks, from a [`Cogroup`](crate::Cogroup):
    /// [`subtract_by_key`](crate::JoinRddOps::subtract_by_key).
    SubtractByKey without function
}

impl<K, V, W, R> Rdd for SubtractByKey<R>
where
    K: Key,
    V: Data,
    W: Data,
    R: Rdd<Item = (K, (Vec<V>, Vec<W>))>,
{
    type Item = (K, V);

    narrow!();

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut((K, V)) -> Flow) -> Flow {
        self.parent.compute(partition, task, |(key, (values, others))| {
            let kept = if others.is_empty() { values } else { Vec::new() };
            kept.into_iter().try_for_each(|value| sink((key.clone(), value)))
        })
    }
}
