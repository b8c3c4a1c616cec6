use std::marker::PhantomData;

use super::Shuffle;
use super::combine::transpose;
use super::table::partition_of;
use crate::Result;
use crate::job::{Executor, Job};
use crate::rdd::{Data, Key};

/// Decides the partition of a record.
pub trait Router<T>: Send + Sync + 'static {
    /// The partition of `item`, below `partitions`; `sent` records have come from this worker before it.
    fn route(&self, item: &T, sent: usize, partitions: usize) -> usize;
}

impl<T, F: Fn(&T, usize, usize) -> usize + Send + Sync + 'static> Router<T> for F {
    fn route(&self, item: &T, sent: usize, partitions: usize) -> usize {
        self(item, sent, partitions)
    }
}

/// Moves records to partitions as a [`Router`] says, without combining them: `repartition`, `partition_by`.
pub struct Exchange<T, F> {
    name: &'static str,
    partitions: usize,
    router: F,
    records: PhantomData<fn(T)>,
}

impl<T: Data, F: Router<T>> Exchange<T, F> {
    /// `partitions` of 0 stands for the default parallelism.
    pub fn new(name: &'static str, executor: &Executor, partitions: usize, router: F) -> Self {
        let partitions = if partitions == 0 { executor.default_parallelism() } else { partitions };
        Exchange { name, partitions, router, records: PhantomData }
    }
}

impl<K: Key, V: Data> Exchange<(K, V), ()> {
    /// To the partition of the key's hash, the same one that every keyed operator uses.
    pub fn by_key(
        name: &'static str,
        executor: &Executor,
        partitions: usize,
    ) -> Exchange<(K, V), impl Router<(K, V)> + use<K, V>> {
        let hasher = executor.hasher().clone();
        let route = move |(key, _): &(K, V), _: usize, partitions: usize| {
            partition_of(hasher.hash_one(key), partitions)
        };
        Exchange::new(name, executor, partitions, route)
    }
}

/// One list of records per partition.
pub struct Lists<T> {
    sent: usize,
    lists: Vec<Vec<T>>,
}

impl<T: Data, F: Router<T>> Shuffle<T> for Exchange<T, F> {
    type Local = Lists<T>;
    type Out = T;

    fn name(&self) -> &'static str {
        self.name
    }

    fn partitions(&self) -> usize {
        self.partitions
    }

    fn local(&self) -> Lists<T> {
        Lists { sent: 0, lists: (0..self.partitions).map(|_| Vec::new()).collect() }
    }

    #[inline]
    fn add(&self, local: &mut Lists<T>, item: T) {
        let partition = self.router.route(&item, local.sent, self.partitions);
        local.sent += 1;
        local.lists[partition].push(item);
    }

    fn merge(&self, locals: Vec<Lists<T>>, _executor: &Executor, _job: &Job) -> Result<Vec<Vec<T>>> {
        let shares = transpose(locals.into_iter().map(|local| local.lists).collect(), self.partitions);
        Ok(shares.into_iter().map(join).collect())
    }
}

fn join<T>(lists: Vec<Vec<T>>) -> Vec<T> {
    let mut lists = lists.into_iter();
    let mut all = lists.next().unwrap_or_default();
    for mut list in lists {
        all.append(&mut list);
    }
    all
}
