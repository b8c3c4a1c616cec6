use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::job::KeyHashing;

use super::function::{StateFunction, Turn, Waiting};
use super::store::Store;
use super::{Snapshot, StateSpec};
use crate::job::{Executor, Job, Task};
use crate::rdd::{Data, Flow, Key, Rdd, Shared, Stored};
use crate::recovery::{Captured, Persist, Saved};
use crate::sequence::{Sequential, View};
use crate::shuffle::Wide;
use crate::storage::Tables;
use crate::text::detached;
use crate::{Result, Time};

/// The operator behind [`map_state`](crate::DStream::map_state): a function that is called for every record and may change the
/// state of the record's key.
pub(crate) struct MapState<K: Key, V, S: Data, E> {
    store: Store<K, S>,
    function: Arc<dyn StateFunction<K, V, S, E>>,
    hasher: KeyHashing,
    /// Whether somebody reads snapshots.
    shows_states: Arc<AtomicBool>,
}

/// What a batch brings to a stateful operator.
pub(crate) struct Arriving<K: Key, V: Data> {
    /// Each record in the partition of its key's hash.
    pub(crate) records: Option<Shared<Wide<(K, V)>>>,
    /// The number of the batch, from 1.
    pub(crate) number: u32,
}

/// What the consumers of a batch read.
pub(crate) struct MappedBatch<K, S, E> {
    emitted: Vec<Vec<E>>,
    states: Option<Snapshot<K, S>>,
}

/// Records that are looked up together: enough for their memory to come, few enough to stay in the first-level cache.
pub(super) const RUN: usize = 64;

impl<K: Key, V: Data> Arriving<K, V> {
    /// Runs what comes before the records can be read; about how many bytes they are.
    pub(super) fn prepare(&self, job: &Job) -> Result<usize> {
        let Some(records) = &self.records else { return Ok(0) };
        records.prepare(job)?;
        Ok(records.weight() * 2)
    }

    /// Gives the records of the task's partition to `sink`, until it breaks. What is made of them may stay, and must not keep the blocks alive
    /// that they were cut from.
    pub(super) fn read(&self, task: &Task, sink: impl FnMut((K, V)) -> Flow) {
        if let Some(records) = &self.records
            && task.partition() < records.num_partitions()
        {
            let _ = detached(|| records.compute(task.partition(), task, sink));
        }
    }
}

impl<K: Key + Stored, V: Data, S: Stored, E: Data> MapState<K, V, S, E> {
    /// `span`: in so many batches without a record a key times out.
    pub(crate) fn new(
        name: &'static str,
        executor: &Executor,
        partitions: usize,
        spec: StateSpec<K, V, S, E>,
        span: Option<u32>,
    ) -> Self {
        MapState {
            store: Store::new(name, executor, partitions, spec.initial, span),
            function: spec.function,
            hasher: executor.hasher().clone(),
            shows_states: Arc::default(),
        }
    }
}

impl<K: Key, V: Data, S: Data, E: Data> MapState<K, V, S, E> {
    /// The number of keys, as of the last batch.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        self.store.tables()
    }

    /// To be set before the first batch if its [states](States) will be read.
    pub(crate) fn shows_states(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.shows_states)
    }

    /// Calls the function for the records of the task's partition, and then for the keys that time out.
    fn call(&self, turn: &mut Turn<'_, K, S, E>, arriving: &Arriving<K, V>, task: &Task) {
        let mut run = Vec::with_capacity(RUN);
        arriving.read(task, |(key, value)| {
            let hash = self.hasher.hash_one(&key);
            let bucket = turn.part.bucket(hash);
            turn.part.prefetch_slot(bucket, hash as u32);
            run.push(Waiting { hash: hash as u32, bucket, key, value });
            if run.len() < RUN {
                return Flow::Continue(());
            }
            self.function.records(turn, &mut run);
            self.store.goes_on(turn.part, task)
        });
        self.function.records(turn, &mut run);
        self.function.timeouts(turn);
    }
}

impl<K: Key, V: Data, S: Data, E: Data> Sequential for MapState<K, V, S, E> {
    type In = Arriving<K, V>;
    type Out = MappedBatch<K, S, E>;

    fn partitions(&self) -> usize {
        self.store.partitions()
    }

    fn advance(&self, job: &Job, time: Time, arriving: &Arriving<K, V>) -> Result<Self::Out> {
        self.store.load(job)?;
        let weight = arriving.prepare(job)?;
        let emitted = self.store.step(job, arriving.number, weight, |part, task| {
            let mut turn = Turn { part, time, emitted: Vec::new() };
            self.call(&mut turn, arriving, task);
            turn.emitted
        })?;
        self.store.commit(time)?;
        let states = self.shows_states.load(Ordering::Acquire).then(|| self.store.snapshot());
        Ok(MappedBatch { emitted, states })
    }
}

impl<K: Key + Stored, V: Data, S: Stored, E: Data> Persist for MapState<K, V, S, E> {
    fn types(&self) -> String {
        self.store.types()
    }

    fn capture(&self) -> Box<dyn Captured> {
        self.store.capture(true)
    }

    fn restore(&self, job: &Job, saved: &Saved) -> Result<()> {
        self.store.restore(job, saved).map(|_| ())
    }
}

/// What the function has given.
pub(crate) struct Emitted;

impl<K: Key, V: Data, S: Data, E: Data> View<MapState<K, V, S, E>> for Emitted {
    type Item = E;

    fn weight(out: &MappedBatch<K, S, E>) -> usize {
        out.emitted.iter().map(|part| part.len() * size_of::<E>()).sum()
    }

    fn read(
        _operator: &MapState<K, V, S, E>,
        out: &MappedBatch<K, S, E>,
        partition: usize,
        sink: impl FnMut(E) -> Flow,
    ) -> Flow {
        out.emitted[partition].iter().cloned().try_for_each(sink)
    }
}

/// All keys with their states after the batch.
pub(crate) struct States;

impl<K: Key, V: Data, S: Data, E: Data> View<MapState<K, V, S, E>> for States {
    type Item = (K, S);

    fn weight(out: &MappedBatch<K, S, E>) -> usize {
        out.states.as_ref().map_or(0, Snapshot::weight)
    }

    fn read(
        _operator: &MapState<K, V, S, E>,
        out: &MappedBatch<K, S, E>,
        partition: usize,
        sink: impl FnMut((K, S)) -> Flow,
    ) -> Flow {
        out.states.as_ref().map_or(Flow::Continue(()), |states| states.read(partition, sink))
    }
}
