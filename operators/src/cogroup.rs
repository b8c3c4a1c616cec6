use std::collections::HashMap;

use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Data, Flow, Key, Rdd};

/// The values that each key has on two sides: [`cogroup`](crate::JoinRddOps::cogroup).
///
/// Both sides are grouped by key into the same number of partitions, so a key is in the same partition of both.
#[derive(Clone)]
pub struct Cogroup<L, R> {
    left: L,
    right: R,
}

impl<L, R> Cogroup<L, R> {
    pub(crate) fn new(left: L, right: R) -> Self {
        Cogroup { left, right }
    }
}

impl<K, V, W, L, R> Rdd for Cogroup<L, R>
where
    K: Key,
    V: Data,
    W: Data,
    L: Rdd<Item = (K, Vec<V>)>,
    R: Rdd<Item = (K, Vec<W>)>,
{
    type Item = (K, (Vec<V>, Vec<W>));

    fn executor(&self) -> &Executor {
        self.left.executor()
    }

    fn num_partitions(&self) -> usize {
        self.left.num_partitions().max(self.right.num_partitions())
    }

    fn weight(&self) -> usize {
        self.left.weight().saturating_add(self.right.weight())
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.left.prepare(job)?;
        self.right.prepare(job)
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        let mut rights = HashMap::with_hasher(self.executor().hasher().clone());
        if partition < self.right.num_partitions() {
            self.right.compute(partition, task, |(key, values)| {
                rights.insert(key, values);
                Flow::Continue(())
            })?;
        }
        if partition < self.left.num_partitions() {
            self.left.compute(partition, task, |(key, values)| {
                let other = rights.remove(&key).unwrap_or_default();
                sink((key, (values, other)))
            })?;
        }
        rights.into_iter().try_for_each(|(key, values)| sink((key, (Vec::new(), values))))
    }
}
