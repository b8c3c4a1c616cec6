use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};

operator! {
    /// Every record with a key made from it: [`key_by`](crate::RddOps::key_by).
    KeyBy
}

impl<R, K, F> Rdd for KeyBy<R, F>
where
    R: Rdd,
    K: Data,
    F: Fn(&R::Item) -> K + Send + Sync + 'static,
{
    type Item = (K, R::Item);

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut((K, R::Item)) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| sink(((self.f)(&item), item)))
    }
}
