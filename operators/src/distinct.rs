use millstream_engine::job::{Executor, Task};
use millstream_engine::rdd::{Flow, Key, Rdd, Shared};
use millstream_engine::shuffle::{Combine, Shuffle, Wide};

use crate::Keys;

/// Every different record once: [`distinct`](crate::RddOps::distinct).
pub type Distinct<T> = Keys<Wide<(T, ())>>;

/// What [`distinct`](crate::StreamOps::distinct) makes of each batch of a stream.
pub type StreamDistinct<T> = Keys<Shared<Wide<(T, ())>>>;

/// Every record as the key of a pair without a value.
#[derive(Clone)]
pub(crate) struct Single<R> {
    parent: R,
}

impl<R> Single<R> {
    pub(crate) fn new(parent: R) -> Self {
        Single { parent }
    }
}

impl<R: Rdd> Rdd for Single<R> {
    type Item = (R::Item, ());

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        self.parent.compute(partition, task, |item| sink((item, ())))
    }
}

/// Each key once: `distinct`.
pub(crate) fn distinct<T: Key>(
    executor: &Executor,
    partitions: usize,
) -> impl Shuffle<(T, ()), Out = (T, ())> {
    Combine::new("distinct", executor, partitions, |()| (), |(), ()| (), |(), ()| ())
}
