use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Snapshot;
use super::map_state::RUN;
use super::part::Part;
use crate::job::{Executor, Job, Stage, Task, catch};
use crate::rdd::{BoxRdd, Data, Flow, Key, Rdd, Stored};
use crate::shuffle::{Exchange, Wide};
use crate::storage::{Owned, Tables};
use crate::text::detached;
use crate::{Result, Time};

/// The keyed state of one operator: its partitions, which take a step together or not at all.
pub(super) struct Store<K: Key, S: Data> {
    name: &'static str,
    executor: Executor,
    partitions: Vec<Mutex<Part<K, S>>>,
    span: Option<u32>,
    tables: Arc<Tables>,
    entries: Owned<(K, S)>,
    states: Owned<S>,
    /// How many keys there were when the bytes of the tables were looked up.
    looked_up: AtomicUsize,
    /// What is there before the first batch, until it has been put in.
    initial: Mutex<Option<Wide<(K, S)>>>,
}

/// The bytes are looked up again when the number of keys has changed by one part in so many.
const LOOK_AGAIN: usize = 32;

/// The first batch; the initial state counts as touched by it.
const FIRST_BATCH: u32 = 1;

impl<K: Key + Stored, S: Stored> Store<K, S> {
    /// `span`: in so many batches without a record a key times out.
    pub(super) fn new(
        name: &'static str,
        executor: &Executor,
        partitions: usize,
        initial: Option<BoxRdd<(K, S)>>,
        span: Option<u32>,
    ) -> Self {
        let exchange = |rdd| Wide::new(rdd, Exchange::by_key("initial state", executor, partitions));
        let part = |partition| Mutex::new(Part::new(partition, partitions, executor.hasher(), span));
        Store {
            name,
            executor: executor.clone(),
            partitions: (0..partitions).map(part).collect(),
            span,
            tables: Tables::of_state(name, executor.memory(), executor.config().max_state_keys, partitions),
            entries: Owned::new(),
            states: Owned::new(),
            looked_up: AtomicUsize::new(0),
            initial: Mutex::new(initial.map(exchange)),
        }
    }
}

impl<K: Key, S: Data> Store<K, S> {
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    /// In so many batches without a record a key times out.
    pub(super) fn span(&self) -> Option<u32> {
        self.span
    }

    pub(super) fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// How much there is, as of the last batch.
    pub(super) fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables)
    }

    /// The bytes of `parts`, where the last ones with about as many keys had so many.
    fn bytes_of<'a>(&self, keys: usize, parts: impl Iterator<Item = MutexGuard<'a, Part<K, S>>>) -> usize
    where
        K: 'a,
        S: 'a,
    {
        let before = self.looked_up.load(Ordering::Relaxed);
        if keys.abs_diff(before) * LOOK_AGAIN <= before {
            return self.tables.bytes();
        }
        self.looked_up.store(keys, Ordering::Relaxed);
        parts.map(|part| part.bytes()).sum()
    }

    /// To be asked again and again while the task's step goes on: breaks when it must not, for want of memory.
    #[inline]
    pub(super) fn goes_on(&self, part: &Part<K, S>, task: &Task) -> Flow {
        let measure = || part.holding(self.entries, self.states);
        match self.tables.refusal(task.partition(), measure) {
            None => Flow::Continue(()),
            Some(reason) => task.refuse(reason),
        }
    }

    /// About how many bytes of keys and states there are.
    pub(super) fn weight(&self) -> usize {
        self.tables.keys() * size_of::<(K, S)>()
    }

    pub(super) fn part(&self, partition: usize) -> MutexGuard<'_, Part<K, S>> {
        self.partitions[partition].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the initial state in, unless that has been done.
    ///
    /// # Errors
    /// When it cannot be computed, or has too many keys; the next call tries again.
    pub(super) fn load(&self, job: &Job) -> Result<()> {
        let mut initial = self.initial.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(rdd) = &*initial else { return Ok(()) };
        rdd.prepare(job)?;
        let stage =
            Stage { name: "initial state", partitions: self.partitions.len(), weight: rdd.weight() * 2 };
        let parts = self.executor.run(job, stage, |task| self.loaded(rdd, task))?;
        let (keys, bytes) = (parts.iter().map(Part::keys).sum(), parts.iter().map(Part::bytes).sum());
        self.tables.check(job.time(), keys, bytes)?;
        self.replace(parts);
        *initial = None;
        Ok(())
    }

    /// Has `parts` in place of what there was.
    fn replace(&self, parts: Vec<Part<K, S>>) {
        for (mine, part) in self.partitions.iter().zip(parts) {
            *mine.lock().unwrap_or_else(PoisonError::into_inner) = part;
        }
    }

    /// Has `parts`, which a checkpoint had, in place of what there was, and of the initial state.
    pub(super) fn resume(&self, parts: Vec<Part<K, S>>) {
        let (keys, bytes) = (parts.iter().map(Part::keys).sum(), parts.iter().map(Part::bytes).sum());
        self.looked_up.store(keys, Ordering::Relaxed);
        self.tables.set(keys, bytes);
        self.replace(parts);
        *self.initial.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn loaded(&self, rdd: &Wide<(K, S)>, task: &Task) -> Part<K, S> {
        let (partition, hasher) = (task.partition(), self.executor.hasher());
        let mut part = Part::new(partition, self.partitions.len(), hasher, self.span);
        let mut number = 0usize;
        let _ = detached(|| {
            rdd.compute(partition, task, |(key, state)| {
                part.put(hasher.hash_one(&key), key, state, FIRST_BATCH);
                number += 1;
                if number.is_multiple_of(RUN) { self.goes_on(&part, task) } else { Flow::Continue(()) }
            })
        });
        drop(part.commit());
        part
    }

    /// Runs `f` on every partition. What it does holds only after a [`commit`](Self::commit).
    ///
    /// # Errors
    /// When a task has failed for good; then nothing has happened.
    pub(super) fn step<T: Send>(
        &self,
        job: &Job,
        now: u32,
        weight: usize,
        f: impl Fn(&mut Part<K, S>, &Task) -> T + Sync,
    ) -> Result<Vec<T>> {
        let stage = Stage { name: self.name, partitions: self.partitions.len(), weight };
        let done = self.executor.run(job, stage, |task| {
            let mut part = self.part(task.partition());
            part.begin(now);
            let made = f(&mut part, task);
            let _ = self.goes_on(&part, task);
            made
        });
        if done.is_err() {
            self.roll_back();
        }
        done
    }

    /// Keeps what the step has done, in all partitions.
    ///
    /// # Errors
    /// When there are too many keys; then nothing has happened.
    pub(super) fn commit(&self, time: Time) -> Result<()> {
        let keys = (0..self.partitions.len()).map(|partition| self.part(partition).keys()).sum();
        let bytes = self.bytes_of(keys, (0..self.partitions.len()).map(|partition| self.part(partition)));
        self.tables.check(time, keys, bytes).inspect_err(|_| self.roll_back())?;
        let replaced: Vec<_> =
            (0..self.partitions.len()).map(|partition| self.part(partition).commit()).collect();
        self.tables.set(keys, bytes);
        // The states' own code, which must not fail what is done.
        if let Err(reason) = catch(|| drop(replaced)) {
            tracing::warn!(batch = %time, operator = self.name, %reason, "a state that was replaced could not be dropped");
        }
        Ok(())
    }

    /// Undoes the step that is not committed. Where this is not possible now, the next step begins with it.
    pub(super) fn roll_back(&self) {
        for partition in 0..self.partitions.len() {
            if let Err(reason) = catch(|| self.part(partition).roll_back()) {
                tracing::warn!(operator = self.name, partition, %reason, "a state could not be dropped");
            }
        }
    }

    /// All keys with their states, as they are now.
    pub(super) fn snapshot(&self) -> Snapshot<K, S> {
        let buckets = |partition| self.part(partition).buckets().to_vec();
        Snapshot::new((0..self.partitions.len()).map(buckets).collect())
    }
}
