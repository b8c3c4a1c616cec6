use std::collections::HashMap;
use std::marker::PhantomData;

use millstream_engine::Result;
use millstream_engine::job::{Job, KeyHashing, Stage, Task};
use millstream_engine::rdd::{Data, Flow, Key, Memo, Rdd};
use millstream_engine::text::detached;

use crate::join::{JoinKind, with_each};

/// The static side of [`join_rdd`](crate::JoinStreamOps::join_rdd): a hash table of an RDD, made once for all batches.
pub struct Lookup<S, K, W> {
    rdd: S,
    table: Memo<HashMap<K, Vec<W>, KeyHashing>>,
}

impl<K: Key, W: Data, S: Rdd<Item = (K, W)>> Lookup<S, K, W> {
    pub(crate) fn new(rdd: S) -> Self {
        Lookup { rdd, table: Memo::default() }
    }

    /// The table outlives the batch that makes it, so its texts must not hold the blocks they were read from.
    fn load(&self, job: &Job) -> Result<HashMap<K, Vec<W>, KeyHashing>> {
        self.rdd.prepare(job)?;
        let executor = self.rdd.executor();
        let stage =
            Stage { name: "join_rdd", partitions: self.rdd.num_partitions(), weight: self.rdd.weight() };
        let parts = executor.run(job, stage, |task| {
            let mut pairs = Vec::new();
            let _ = self.rdd.compute(task.partition(), task, |pair| {
                pairs.push(detached(|| pair.clone()));
                Flow::Continue(())
            });
            pairs
        })?;
        let mut table: HashMap<K, Vec<W>, KeyHashing> = HashMap::with_hasher(executor.hasher().clone());
        for (key, value) in parts.into_iter().flatten() {
            table.entry(key).or_default().push(value);
        }
        Ok(table)
    }
}

impl<S: Clone, K, W> Clone for Lookup<S, K, W> {
    fn clone(&self) -> Self {
        Lookup { rdd: self.rdd.clone(), table: self.table.clone() }
    }
}

/// Pairs joined with a [`Lookup`], in their own partitions: nothing is shuffled.
pub struct JoinRdd<R, S, K, W, J> {
    parent: R,
    lookup: Lookup<S, K, W>,
    kind: PhantomData<fn() -> J>,
}

impl<R, S, K, W, J> JoinRdd<R, S, K, W, J> {
    pub(crate) fn new(parent: R, lookup: Lookup<S, K, W>) -> Self {
        JoinRdd { parent, lookup, kind: PhantomData }
    }
}

impl<R: Clone, S: Clone, K, W, J> Clone for JoinRdd<R, S, K, W, J> {
    fn clone(&self) -> Self {
        JoinRdd::new(self.parent.clone(), self.lookup.clone())
    }
}

impl<K, V, W, R, S, J> Rdd for JoinRdd<R, S, K, W, J>
where
    K: Key,
    V: Data,
    W: Data,
    R: Rdd<Item = (K, V)>,
    S: Rdd<Item = (K, W)>,
    J: JoinKind<V, W>,
{
    type Item = (K, J::Out);

    narrow!(partitions of parent);

    fn prepare(&self, job: &Job) -> Result<()> {
        self.parent.prepare(job)?;
        self.lookup.table.fill(|| self.lookup.load(job))
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        let Some(table) = self.lookup.table.get() else {
            return task.fail("join_rdd was read before it was prepared");
        };
        self.parent.compute(partition, task, |(key, value)| {
            let others = table.get(&key).map_or(&[][..], Vec::as_slice);
            with_each::<V, W, J>(value, others, |pair| sink((key.clone(), pair)))
        })
    }
}
