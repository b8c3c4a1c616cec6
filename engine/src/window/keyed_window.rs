use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::job::KeyHashing;

use super::live::Live;
use super::{EntryRef, PaneEntry, Sliding, Span};
use crate::job::{Executor, Job, Stage, Task};
use crate::rdd::{Data, Flow, Key, Rdd, Shared, Stored};
use crate::sequence::{Sequential, View};
use crate::shuffle::Wide;
use crate::storage::{Holding, Owned, Tables};
use crate::text::detached;
use crate::{Result, Time};

/// A window over pairs whose panes have each key once, in the partition of its hash.
pub(crate) struct KeyedWindow<K, V, S: Sliding<V>>
where
    V: Data,
{
    name: &'static str,
    span: Span,
    sliding: S,
    /// Once it has held something, it is never empty again: the last key that left stays, with what it came to.
    sticky: bool,
    hasher: KeyHashing,
    executor: Executor,
    tables: Arc<Tables>,
    owned: (Owned<K>, Owned<V>),
    partitions: Vec<Mutex<Partition<K, V, S>>>,
}

/// After so many keys it is asked whether there is memory for more.
const RUN: usize = 64;

/// What a batch brings to a window.
pub(crate) struct Arriving<K: Key, V: Data> {
    pub(crate) pane: Option<Shared<Wide<(K, V)>>>,
    /// The end of the window that is put out next.
    pub(crate) end: Time,
}

pub(super) struct Partition<K, V: Data, S: Sliding<V>> {
    live: Arc<Live<K, V, S>>,
    /// A step has begun that was not completed: the index holds more, or less, than the panes.
    torn: bool,
    step: Changes<K, V, S>,
}

/// What a step has done to the index and not yet to the panes.
enum Changes<K, V: Data, S: Sliding<V>> {
    /// All panes have left, and these keys have entered what is empty otherwise.
    Replace(Live<K, V, S>, Vec<PaneEntry<K, V>>),
    /// So many panes leave, and these keys enter.
    Slide(usize, Vec<PaneEntry<K, V>>),
}

/// What the consumers of a window read: its partitions, as they are at one time.
pub(crate) struct Contents<K, V: Data, S: Sliding<V>>(Vec<Arc<Live<K, V, S>>>);

impl<K: Key + Stored, V: Stored, S: Sliding<V>> KeyedWindow<K, V, S> {
    pub(crate) fn new(
        name: &'static str,
        span: Span,
        sliding: S,
        sticky: bool,
        executor: &Executor,
        partitions: usize,
    ) -> Self {
        KeyedWindow {
            name,
            span,
            sliding,
            sticky,
            hasher: executor.hasher().clone(),
            executor: executor.clone(),
            tables: Tables::of_window(name, executor.memory(), executor.config().max_state_keys, partitions),
            owned: (Owned::new(), Owned::new()),
            partitions: (0..partitions).map(|_| Mutex::new(Partition::new())).collect(),
        }
    }
}

impl<K: Key, V: Data, S: Sliding<V>> KeyedWindow<K, V, S> {
    /// How much is in the window, as of the last batch.
    pub(crate) fn tables(&self) -> Arc<Tables> {
        Arc::clone(&self.tables)
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn sliding(&self) -> &S {
        &self.sliding
    }

    pub(super) fn hasher(&self) -> &KeyHashing {
        &self.hasher
    }

    pub(super) fn executor(&self) -> &Executor {
        &self.executor
    }

    pub(super) fn num_partitions(&self) -> usize {
        self.partitions.len()
    }

    /// A partition as it is between two steps.
    pub(super) fn live(&self, partition: usize) -> Arc<Live<K, V, S>> {
        Arc::clone(&self.partition(partition).live)
    }

    /// Has `partitions`, which a checkpoint had, in place of what there was.
    pub(super) fn resume(&self, partitions: Vec<Partition<K, V, S>>) {
        let lives = || partitions.iter().map(|partition| &partition.live);
        self.tables.set(lives().map(|live| live.keys()).sum(), lives().map(|live| live.bytes()).sum());
        for (mine, partition) in self.partitions.iter().zip(partitions) {
            *mine.lock().unwrap_or_else(PoisonError::into_inner) = partition;
        }
    }

    fn partition(&self, partition: usize) -> MutexGuard<'_, Partition<K, V, S>> {
        self.partitions[partition].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entering pane's keys of the task's partition. What stays must not keep the blocks alive that it was cut from.
    fn entries_of(&self, arriving: &Arriving<K, V>, task: &Task) -> Vec<PaneEntry<K, V>> {
        let mut entries = Vec::new();
        if let Some(pane) = &arriving.pane
            && task.partition() < pane.num_partitions()
        {
            let _ = detached(|| {
                pane.compute(task.partition(), task, |(key, value)| {
                    let hash = self.hasher.hash_one(&key) as u32;
                    entries.push(PaneEntry { key, value, hash, before: EntryRef::default() });
                    if entries.len().is_multiple_of(RUN) {
                        return self.goes_on(&self.partition(task.partition()).live, &entries, task);
                    }
                    Flow::Continue(())
                })
            });
        }
        entries
    }

    /// To be asked again and again while a pane comes together and enters: breaks when it must not, for want of memory.
    #[inline]
    fn goes_on(&self, live: &Live<K, V, S>, entering: &[PaneEntry<K, V>], task: &Task) -> Flow {
        let measure = || {
            let (keys, values) = self.owned;
            let owned = keys.of_all(entering.iter().map(|entry| &entry.key))
                + values.of_all(entering.iter().map(|entry| &entry.value));
            let grown = Live::<K, V, S>::pane_bytes(entering) + owned;
            Holding { stays: live.bytes() + live.owned(self.owned) + grown, goes: 0, grown }
        };
        match self.tables.refusal(task.partition(), measure) {
            None => Flow::Continue(()),
            Some(reason) => task.refuse(reason),
        }
    }

    fn step(&self, arriving: &Arriving<K, V>, task: &Task, time: Time) {
        let mut entries = self.entries_of(arriving, task);
        if task.is_refused() {
            return;
        }
        let mut partition = self.partition(task.partition());
        let partition = &mut *partition;
        if !self.sticky && !partition.live.has_panes_after(arriving.end - self.span.window) {
            let mut fresh = partition.live.emptied();
            fresh.enter_pane(&self.sliding, &mut entries);
            let _ = self.goes_on(&fresh, &entries, task);
            partition.step = Changes::Replace(fresh, entries);
            return;
        }
        if partition.torn {
            partition.live = Arc::new(partition.live.rebuilt(&self.sliding));
        }
        partition.torn = true;
        let live = Arc::make_mut(&mut partition.live);
        live.tend(&self.sliding);
        let leaving = live.panes_through(time - self.span.window);
        live.leave_panes(&self.sliding, leaving, &self.hasher, self.sticky);
        live.enter_pane(&self.sliding, &mut entries);
        let _ = self.goes_on(live, &entries, task);
        partition.step = Changes::Slide(leaving, entries);
    }

    /// Refuses a step that would leave more than is allowed.
    fn check_limit(&self, time: Time) -> Result<()> {
        let sizes = (0..self.partitions.len()).map(|partition| self.partition(partition).next_size());
        let (keys, bytes) = sizes.fold((0, 0), |sum, size| (sum.0 + size.0, sum.1 + size.1));
        self.tables.check(time, keys, bytes)
    }

    fn commit(&self, time: Time) {
        let (mut keys, mut bytes) = (0, 0);
        for partition in 0..self.partitions.len() {
            let mut partition = self.partition(partition);
            partition.commit(time);
            keys += partition.live.keys();
            bytes += partition.live.bytes();
        }
        self.tables.set(keys, bytes);
    }
}

impl<K: Key, V: Data, S: Sliding<V>> Partition<K, V, S> {
    fn new() -> Self {
        Partition::of(Live::new())
    }

    pub(super) fn of(live: Live<K, V, S>) -> Self {
        Partition { live: Arc::new(live), torn: false, step: Changes::Slide(0, Vec::new()) }
    }

    /// The keys and the bytes that there will be when the step is committed.
    fn next_size(&self) -> (usize, usize) {
        match &self.step {
            Changes::Replace(fresh, entries) => {
                (fresh.keys(), fresh.bytes() + Live::<K, V, S>::pane_bytes(entries))
            }
            Changes::Slide(_, entries) => {
                (self.live.keys(), self.live.bytes() + Live::<K, V, S>::pane_bytes(entries))
            }
        }
    }

    fn commit(&mut self, time: Time) {
        match std::mem::replace(&mut self.step, Changes::Slide(0, Vec::new())) {
            Changes::Replace(mut fresh, entries) => {
                fresh.push_pane(time, entries);
                self.live = Arc::new(fresh);
            }
            Changes::Slide(leaving, entries) => {
                let live = Arc::make_mut(&mut self.live);
                live.push_pane(time, entries);
                live.drop_panes(leaving);
            }
        }
        self.torn = false;
    }
}

impl<K: Key, V: Data, S: Sliding<V>> Sequential for KeyedWindow<K, V, S> {
    type In = Arriving<K, V>;
    type Out = Contents<K, V, S>;

    fn partitions(&self) -> usize {
        self.partitions.len()
    }

    fn advance(&self, job: &Job, time: Time, arriving: &Arriving<K, V>) -> Result<Self::Out> {
        let mut weight = 0;
        if let Some(pane) = &arriving.pane {
            pane.prepare(job)?;
            weight = pane.weight().saturating_mul(2);
        }
        let stage = Stage { name: self.name, partitions: self.partitions.len(), weight };
        self.executor.run(job, stage, |task| self.step(arriving, task, time))?;
        self.check_limit(time)?;
        self.commit(time);
        let shown = if arriving.end == time { self.partitions.len() } else { 0 };
        Ok(Contents((0..shown).map(|partition| Arc::clone(&self.partition(partition).live)).collect()))
    }
}

/// The window's keys, each with what its values come to.
pub(crate) struct Whole;

impl<K: Key, V: Data, S: Sliding<V>> View<KeyedWindow<K, V, S>> for Whole {
    type Item = (K, S::Out);

    fn weight(contents: &Contents<K, V, S>) -> usize {
        contents.0.iter().map(|live| live.weight()).sum()
    }

    fn read(
        window: &KeyedWindow<K, V, S>,
        contents: &Contents<K, V, S>,
        partition: usize,
        sink: impl FnMut((K, S::Out)) -> Flow,
    ) -> Flow {
        contents.0[partition].read(&window.sliding).try_for_each(sink)
    }
}
