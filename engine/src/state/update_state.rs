use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::job::KeyHashing;

use super::groups::Arrived;
use super::key_updates::KeyUpdates;
use super::map_state::{Arriving, RUN};
use super::part::Part;
use super::store::Store;
use super::update_function::{UpdateBucket, UpdateKind, UpdatePartition};
use super::{Snapshot, UpdateSpec};
use crate::job::{Executor, Job, Task};
use crate::rdd::{Data, Flow, Key, Stored};
use crate::recovery::{Captured, Persist, Saved};
use crate::sequence::{Sequential, View};
use crate::shuffle::partition_of;
use crate::storage::Tables;
use crate::{Result, Time};

/// The operator behind [`update_state`](crate::DStream::update_state): a function that makes, in every batch, a new state for
/// every key.
pub(crate) struct UpdateState<K: Key, V, S: Data> {
    store: Store<K, S>,
    kind: UpdateKind<K, V, S>,
    hasher: KeyHashing,
    /// Whether there was a batch, or an initial state, and so there are keys to be asked for.
    has_begun: AtomicBool,
    /// The time from which on there is something; before it, the stream has no RDD.
    begin: Arc<OnceLock<Time>>,
}

/// Keys, with their hash, that a function has given to another partition than its own.
type Strays<K, S> = Vec<(u64, K, S)>;

impl<K: Key + Stored, V: Data, S: Stored> UpdateState<K, V, S> {
    pub(crate) fn new(
        name: &'static str,
        executor: &Executor,
        partitions: usize,
        spec: UpdateSpec<K, V, S>,
    ) -> Self {
        let has_begun = AtomicBool::new(spec.has_initial());
        UpdateState {
            has_begun,
            store: Store::new(name, executor, partitions, spec.initial, None),
            kind: spec.kind,
            hasher: executor.hasher().clone(),
            begin: Arc::default(),
        }
    }
}

impl<K: Key, V: Data, S: Data> UpdateState<K, V, S> {
    /// To be set to the time of the first batch that has something.
    pub(crate) fn begin(&self) -> Arc<OnceLock<Time>> {
        Arc::clone(&self.begin)
    }

    /// The number of keys, as of the last batch.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.store.tables()
    }

    /// The records of the task's partition, bucket by bucket.
    fn records(&self, part: &Part<K, S>, arriving: &Arriving<K, V>, task: &Task) -> Vec<Vec<Arrived<K, V>>> {
        let mut records: Vec<_> = part.buckets().iter().map(|_| Vec::new()).collect();
        arriving.read(task, |(key, value)| {
            let hash = self.hasher.hash_one(&key);
            records[part.bucket(hash)].push(Arrived { hash: hash as u32, key, value });
            Flow::Continue(())
        });
        records
    }

    fn step(&self, part: &mut Part<K, S>, arriving: &Arriving<K, V>, task: &Task) -> Strays<K, S> {
        let records = self.records(part, arriving, task);
        match &self.kind {
            UpdateKind::Keys(f) => {
                let _ = self.update_keys(&**f, part, task, records);
                Vec::new()
            }
            UpdateKind::Partition(f) => self.update_partition(&**f, part, task, records),
        }
    }

    fn update_keys(
        &self,
        f: &dyn UpdateBucket<K, V, S>,
        part: &mut Part<K, S>,
        task: &Task,
        records: Vec<Vec<Arrived<K, V>>>,
    ) -> Flow {
        for (bucket, records) in records.into_iter().enumerate() {
            let keys = part.buckets()[bucket].map();
            if keys.len() > 0 || !records.is_empty() {
                let update = f.update(task.time(), keys, records);
                part.update(bucket, update);
                self.store.goes_on(part, task)?;
            }
        }
        Flow::Continue(())
    }

    fn update_partition(
        &self,
        f: &UpdatePartition<K, V, S>,
        part: &mut Part<K, S>,
        task: &Task,
        records: Vec<Vec<Arrived<K, V>>>,
    ) -> Strays<K, S> {
        let (keys, hasher) = (KeyUpdates::new(part.buckets(), records), part.hasher().clone());
        let (mut strays, mut number) = (Vec::new(), 0usize);
        part.begin_next();
        f(task.time(), keys, &mut |key, state| {
            number += 1;
            // The function cannot be stopped. What it still gives is dropped once the task has failed.
            if task.is_refused() || (number.is_multiple_of(RUN) && self.store.goes_on(part, task).is_break())
            {
                return;
            }
            let hash = hasher.hash_one(&key);
            match part.own_bucket(hash) {
                Some(_) => part.put_next(hash, key, state),
                None => strays.push((hash, key, state)),
            }
        });
        strays
    }

    /// Brings the keys of other partitions where they belong.
    fn settle(&self, strays: Vec<Strays<K, S>>) {
        for (hash, key, state) in strays.into_iter().flatten() {
            let partition = partition_of(hash, self.store.partitions());
            self.store.part(partition).put_next(hash, key, state);
        }
    }
}

impl<K: Key, V: Data, S: Data> Sequential for UpdateState<K, V, S> {
    type In = Arriving<K, V>;
    type Out = Snapshot<K, S>;

    fn partitions(&self) -> usize {
        self.store.partitions()
    }

    fn advance(&self, job: &Job, time: Time, arriving: &Arriving<K, V>) -> Result<Self::Out> {
        self.store.load(job)?;
        if !self.has_begun.fetch_or(arriving.records.is_some(), Ordering::AcqRel)
            && arriving.records.is_none()
        {
            return Ok(self.store.snapshot());
        }
        let weight = arriving.prepare(job)? + self.store.weight();
        let strays =
            self.store.step(job, arriving.number, weight, |part, task| self.step(part, arriving, task))?;
        self.settle(strays);
        self.store.commit(time)?;
        Ok(self.store.snapshot())
    }
}

impl<K: Key + Stored, V: Data, S: Stored> Persist for UpdateState<K, V, S> {
    fn types(&self) -> String {
        self.store.types()
    }

    fn capture(&self) -> Box<dyn Captured> {
        self.store.capture(self.has_begun.load(Ordering::Acquire))
    }

    fn restore(&self, job: &Job, saved: &Saved) -> Result<()> {
        let rest = self.store.restore(job, saved)?;
        if rest.has_begun {
            self.has_begun.store(true, Ordering::Release);
            let _ = self.begin.set(job.time());
        }
        Ok(())
    }
}

/// All keys with their states.
pub(crate) struct AllKeys;

impl<K: Key, V: Data, S: Data> View<UpdateState<K, V, S>> for AllKeys {
    type Item = (K, S);

    fn weight(out: &Snapshot<K, S>) -> usize {
        out.weight()
    }

    fn read(
        _operator: &UpdateState<K, V, S>,
        out: &Snapshot<K, S>,
        partition: usize,
        sink: impl FnMut((K, S)) -> Flow,
    ) -> Flow {
        out.read(partition, sink)
    }
}
