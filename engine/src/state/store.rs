use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Snapshot;
use super::part::Part;
use crate::job::{Executor, Job, Stage, Task, catch};
use crate::rdd::{BoxRdd, Data, Flow, Key, Rdd};
use crate::shuffle::{Exchange, Wide};
use crate::text::detached;
use crate::{Error, Result, Time};

/// The keyed state of one operator: its partitions, which take a step together or not at all.
pub(super) struct Store<K: Key, S: Data> {
    name: &'static str,
    executor: Executor,
    partitions: Vec<Mutex<Part<K, S>>>,
    span: Option<u32>,
    /// The keys as of the last batch.
    keys: Arc<AtomicUsize>,
    /// The most keys of all partitions together; 0 is no limit.
    max_keys: usize,
    /// What is there before the first batch, until it has been put in.
    initial: Mutex<Option<Wide<(K, S)>>>,
}

/// The first batch; the initial state counts as touched by it.
const FIRST_BATCH: u32 = 1;

impl<K: Key, S: Data> Store<K, S> {
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
            keys: Arc::default(),
            max_keys: executor.config().max_state_keys,
            initial: Mutex::new(initial.map(exchange)),
        }
    }

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

    /// The number of keys, as of the last batch.
    pub(super) fn keys(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.keys)
    }

    /// About how many bytes of keys and states there are.
    pub(super) fn weight(&self) -> usize {
        self.keys.load(Ordering::Relaxed) * size_of::<(K, S)>()
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
        self.check_limit(job.time(), parts.iter().map(Part::keys).sum())?;
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
        self.keys.store(parts.iter().map(Part::keys).sum(), Ordering::Relaxed);
        self.replace(parts);
        *self.initial.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn loaded(&self, rdd: &Wide<(K, S)>, task: &Task) -> Part<K, S> {
        let (partition, hasher) = (task.partition(), self.executor.hasher());
        let mut part = Part::new(partition, self.partitions.len(), hasher, self.span);
        let _ = detached(|| {
            rdd.compute(partition, task, |(key, state)| {
                part.put(hasher.hash_one(&key), key, state, FIRST_BATCH);
                Flow::Continue(())
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
            f(&mut part, task)
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
        self.check_limit(time, keys).inspect_err(|_| self.roll_back())?;
        let replaced: Vec<_> =
            (0..self.partitions.len()).map(|partition| self.part(partition).commit()).collect();
        self.keys.store(keys, Ordering::Relaxed);
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

    fn check_limit(&self, time: Time, keys: usize) -> Result<()> {
        if self.max_keys == 0 || keys <= self.max_keys {
            return Ok(());
        }
        let reason = format!(
            "{} would hold {keys} keys, more than {} (state.max_keys), so the batch cannot be taken in: raise the limit, \
             remove keys or let them time out, or filter them",
            self.name, self.max_keys
        );
        Err(Error::Batch { time, reason })
    }

    /// All keys with their states, as they are now.
    pub(super) fn snapshot(&self) -> Snapshot<K, S> {
        let buckets = |partition| self.part(partition).buckets().to_vec();
        Snapshot::new((0..self.partitions.len()).map(buckets).collect())
    }
}
