use std::marker::PhantomData;
use std::sync::{Mutex, PoisonError};

use super::Shuffle;
use super::bypass::{KEYS_MIN, Run};
use super::part::{Part, Share};
use super::table::Table;
use crate::Result;
use crate::job::{Executor, Job, KeyHashing, Stage};
use crate::rdd::{Data, Key};

/// Combines the values of each key: Spark's `combineByKey` with map-side combine, on which every keyed aggregation stands.
pub struct Combine<V, C, Create, Update, Merge> {
    name: &'static str,
    partitions: usize,
    hasher: KeyHashing,
    /// From how many keys on a worker may put records aside: without other workers never.
    bypass_from: usize,
    create: Create,
    update: Update,
    merge: Merge,
    values: PhantomData<fn(V) -> C>,
}

impl<V, C, Create, Update, Merge> Combine<V, C, Create, Update, Merge>
where
    Create: Fn(V) -> C,
    Update: Fn(C, V) -> C,
    Merge: Fn(C, C) -> C,
{
    /// `create` begins with a key's first value, `update` takes in a further one, `merge` brings two workers' results together.
    /// `partitions` of 0 stands for the default parallelism.
    pub fn new(
        name: &'static str,
        executor: &Executor,
        partitions: usize,
        create: Create,
        update: Update,
        merge: Merge,
    ) -> Self {
        let partitions = if partitions == 0 { executor.default_parallelism() } else { partitions };
        let hasher = executor.hasher().clone();
        let bypass_from = if executor.threads() > 1 { KEYS_MIN } else { usize::MAX };
        Combine { name, partitions, hasher, bypass_from, create, update, merge, values: PhantomData }
    }
}

impl<K, V, C, Create, Update, Merge> Shuffle<(K, V)> for Combine<V, C, Create, Update, Merge>
where
    K: Key,
    V: Data,
    C: Data,
    Create: Fn(V) -> C + Send + Sync + 'static,
    Update: Fn(C, V) -> C + Send + Sync + 'static,
    Merge: Fn(C, C) -> C + Send + Sync + 'static,
{
    type Local = Table<K, V, C>;
    type Out = (K, C);

    fn name(&self) -> &'static str {
        self.name
    }

    fn partitions(&self) -> usize {
        self.partitions
    }

    fn local(&self) -> Table<K, V, C> {
        Table::new(self.partitions, self.hasher.clone(), self.bypass_from)
    }

    #[inline(always)]
    fn add(&self, local: &mut Table<K, V, C>, (key, value): (K, V)) {
        local.upsert(key, value, &self.create, &self.update);
    }

    fn finish(&self, local: &mut Table<K, V, C>) {
        local.flush(&self.create, &self.update);
    }

    fn merge(&self, locals: Vec<Table<K, V, C>>, executor: &Executor, job: &Job) -> Result<Vec<Vec<(K, C)>>> {
        let shares = transpose(locals.into_iter().map(Table::into_shares).collect(), self.partitions);
        let aside = |runs: &[Run<K, V>]| runs.iter().flatten().map(Vec::len).sum::<usize>();
        let entries: usize = shares.iter().flatten().map(|(part, runs)| part.len() + aside(runs)).sum();
        let shares: Vec<_> = shares.into_iter().map(Mutex::new).collect();
        let weight = entries * size_of::<(u64, K, C)>();
        let stage = Stage { name: self.name, partitions: self.partitions, weight };
        executor.run_once(job, stage, |task| {
            let share =
                std::mem::take(&mut *shares[task.partition()].lock().unwrap_or_else(PoisonError::into_inner));
            self.merge_share(share)
        })
    }
}

impl<V, C, Create, Update, Merge> Combine<V, C, Create, Update, Merge>
where
    Create: Fn(V) -> C,
    Update: Fn(C, V) -> C,
    Merge: Fn(C, C) -> C,
{
    /// Merges the workers' parts of one partition into the largest of them, or run by run where records were put aside.
    fn merge_share<K: Key>(&self, mut share: Vec<Share<K, V, C>>) -> Vec<(K, C)> {
        if share.iter().any(|(_, runs)| !runs.is_empty()) {
            return Part::of_runs(share, &self.create, &self.update, &self.merge).into_pairs();
        }
        let Some(largest) = (0..share.len()).max_by_key(|&i| share[i].0.len()) else { return Vec::new() };
        let (mut base, _) = share.swap_remove(largest);
        for (other, _) in share {
            base.absorb(other, &self.merge);
        }
        base.into_pairs()
    }
}

/// From one list of partitions per worker to one list of workers' parts per partition.
pub(super) fn transpose<P>(workers: Vec<Vec<P>>, partitions: usize) -> Vec<Vec<P>> {
    let mut shares: Vec<Vec<P>> = (0..partitions).map(|_| Vec::with_capacity(workers.len())).collect();
    for parts in workers {
        for (share, part) in shares.iter_mut().zip(parts) {
            share.push(part);
        }
    }
    shares
}
