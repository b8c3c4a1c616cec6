use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::{Data, Flow, Memo, Rdd, Stored};
use crate::Result;
use crate::job::{Executor, Job, Stage, Task};
use crate::storage::{Codec, Evict, Memory, Owned, Packed, Packer, Reservation, StorageLevel};

/// How the records of an RDD are kept for several readers.
pub struct Keep<T> {
    level: StorageLevel,
    /// Without it records stay in memory as they are, whatever there is of it.
    codec: Option<Codec<T>>,
    /// What the records own can be measured where they can be written down.
    owned: Option<Owned<T>>,
    /// Whether the records can be computed again.
    is_repeatable: bool,
}

impl<T: Stored> Keep<T> {
    /// At a level, which says what becomes of them when memory is short.
    pub fn at(level: StorageLevel) -> Self {
        Keep { level, codec: Some(Codec::new()), owned: Some(Owned::new()), is_repeatable: true }
    }
}

impl<T> Keep<T> {
    /// The level.
    pub fn level(&self) -> StorageLevel {
        self.level
    }

    /// The same for records that cannot be computed again.
    pub(crate) fn once(self) -> Self {
        Keep { is_repeatable: false, ..self }
    }

    /// In memory, whatever there is of it: for records that cannot be written down.
    pub(crate) fn in_memory() -> Self {
        Keep { level: StorageLevel::MEMORY_ONLY, codec: None, owned: None, is_repeatable: false }
    }
}

impl<T> Clone for Keep<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Keep<T> {}

impl<T> Keep<T> {
    /// What becomes of records that memory has no room for: on disk if the level has it, and the disk takes them; gone if they can be
    /// computed again. `None`: they must stay in memory.
    fn elsewhere(self, memory: &Memory, spill: impl FnOnce(Codec<T>) -> Result<Packed>) -> Option<Held<T>> {
        let codec = self.codec?;
        if self.level.uses_disk() {
            match spill(codec) {
                Ok(packed) => return Some(Held::Packed(packed, memory.reserve_always(0, 0))),
                Err(error) => tracing::warn!(%error, "kept records could not be spilled"),
            }
        }
        self.is_repeatable.then_some(Held::Gone)
    }
}

/// Takes one record after the other.
pub(crate) type Take<'a, T> = dyn FnMut(T) -> Flow + 'a;

/// The records of an RDD, once the first reader has had them computed.
pub(crate) struct Kept<T> {
    keep: Keep<T>,
    partitions: Memo<Vec<Arc<Partition<T>>>>,
}

impl<T> Clone for Kept<T> {
    fn clone(&self) -> Self {
        Kept { keep: self.keep, partitions: self.partitions.clone() }
    }
}

/// One partition; what holds its records changes while it is read.
struct Partition<T> {
    keep: Keep<T>,
    executor: Executor,
    /// The number of records.
    len: usize,
    held: Mutex<Arc<Held<T>>>,
}

enum Held<T> {
    Records(Vec<T>, #[expect(dead_code, reason = "counts them as long as they live")] Reservation),
    Packed(Packed, #[expect(dead_code, reason = "the same")] Reservation),
    /// To be computed again by whoever reads it.
    Gone,
}

impl<T: Data> Kept<T> {
    pub(crate) fn new(keep: Keep<T>) -> Self {
        Kept { keep, partitions: Memo::default() }
    }

    /// Computes `rdd` and keeps its records, unless that has been done.
    pub(crate) fn fill<R: Rdd<Item = T>>(&self, rdd: &R, job: &Job) -> Result<()> {
        self.partitions.fill(|| {
            rdd.prepare(job)?;
            let stage = Stage { name: "kept stream", partitions: rdd.num_partitions(), weight: rdd.weight() };
            let held = rdd.executor().run(job, stage, |task| Partition::of(rdd, self.keep, task))?;
            let partitions: Vec<_> = held.into_iter().flatten().map(Arc::new).collect();
            partitions.iter().for_each(Partition::offer);
            Ok(partitions)
        })
    }

    /// The bytes of the records themselves, once they are kept.
    pub(crate) fn weight(&self) -> Option<usize> {
        let partitions = self.partitions.get()?;
        Some(partitions.iter().map(|partition| partition.len * size_of::<T>()).sum())
    }

    /// Gives the records of `partition` to `sink`; where they are gone, `again` computes them.
    #[cold]
    pub(crate) fn replay(
        &self,
        partition: usize,
        task: &Task,
        sink: &mut Take<'_, T>,
        again: &dyn Fn(&mut Take<'_, T>) -> Flow,
    ) -> Flow {
        match self.partitions.get() {
            Some(partitions) => partitions[partition].replay(task, sink, again),
            None => task.fail("a kept stream was read before it was prepared"),
        }
    }
}

impl<T: Data> Partition<T> {
    /// The task's partition of `rdd`; `None` when the task has failed.
    fn of<R: Rdd<Item = T>>(rdd: &R, keep: Keep<T>, task: &Task) -> Option<Self> {
        let executor = rdd.executor().clone();
        let (held, len) = match keep.codec.filter(|_| keep.level.is_serialized()) {
            Some(codec) => packed_of(rdd, keep, codec, task),
            None => records_of(rdd, keep, task),
        }?;
        Some(Partition { keep, executor, len, held: Mutex::new(Arc::new(held)) })
    }

    /// Lets the memory have it back when it is short.
    fn offer(self: &Arc<Self>) {
        if self.keep.codec.is_some() {
            let evictable = Arc::downgrade(self) as Weak<dyn Evict>;
            self.executor.memory().add_evictable(evictable);
        }
    }

    fn held(&self) -> MutexGuard<'_, Arc<Held<T>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replay(&self, task: &Task, sink: &mut Take<'_, T>, again: &dyn Fn(&mut Take<'_, T>) -> Flow) -> Flow {
        let held = Arc::clone(&self.held());
        match (&*held, self.keep.codec) {
            (Held::Records(records, _), _) => records.iter().cloned().try_for_each(sink),
            (Held::Packed(packed, _), Some(codec)) => packed.for_each(codec, sink).unwrap_or_else(|error| {
                // The records that came before have been read: the next attempt computes them all.
                if self.keep.is_repeatable {
                    *self.held() = Arc::new(Held::Gone);
                }
                task.fail(error.to_string())
            }),
            _ => again(sink),
        }
    }

    /// What takes the place of `held` when memory is short; `None` when it stays.
    fn evicted(&self, held: &Held<T>) -> Option<Held<T>> {
        let (keep, executor) = (self.keep, &self.executor);
        let memory = executor.memory();
        match held {
            Held::Packed(packed, _) if packed.memory() > 0 => {
                keep.elsewhere(memory, |_| packed.on_disk(executor.spill(), keep.level.copies()))
            }
            Held::Records(records, _) => {
                keep.elsewhere(memory, |codec| spilled(records, codec, keep.level, executor))
            }
            Held::Packed(..) | Held::Gone => None,
        }
    }
}

impl<T: Data> Evict for Partition<T> {
    fn evict(&self) -> bool {
        let mut held = self.held();
        let evicted = self.evicted(&held);
        let is_gained = evicted.is_some();
        if let Some(evicted) = evicted {
            *held = Arc::new(evicted);
        }
        is_gained
    }
}

impl<T> std::fmt::Debug for Partition<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Partition").field("level", &self.keep.level).finish_non_exhaustive()
    }
}

/// All records of the task's partition as they are, and their number; on disk, or gone, when there is no memory for them.
fn records_of<R: Rdd>(rdd: &R, keep: Keep<R::Item>, task: &Task) -> Option<(Held<R::Item>, usize)> {
    let mut records = Vec::new();
    let _ = rdd.compute(task.partition(), task, |item| {
        records.push(item);
        Flow::Continue(())
    });
    let (memory, len) = (rdd.executor().memory(), records.len());
    let bytes = records.capacity() * size_of::<R::Item>();
    let owned = keep.owned.map_or(0, |owned| owned.of_all_but_texts(&records));
    let held = match memory.reserve(bytes, owned) {
        Some(reservation) => Held::Records(records, reservation),
        None => {
            let spill = |codec| spilled(&records, codec, keep.level, rdd.executor());
            let elsewhere = keep.elsewhere(memory, spill);
            elsewhere.unwrap_or_else(|| Held::Records(records, memory.reserve_always(bytes, owned)))
        }
    };
    Some((held, len))
}

/// The same, encoded.
fn packed_of<R: Rdd>(
    rdd: &R,
    keep: Keep<R::Item>,
    codec: Codec<R::Item>,
    task: &Task,
) -> Option<(Held<R::Item>, usize)> {
    let (executor, level) = (rdd.executor(), keep.level);
    let (packed, len) = told(encoded_of(rdd, level, codec, task), task)?;
    let bytes = packed.memory();
    let memory = executor.memory();
    let held = match memory.reserve(bytes, 0) {
        Some(reservation) => Held::Packed(packed, reservation),
        None => {
            let elsewhere = keep.elsewhere(memory, |_| packed.on_disk(executor.spill(), level.copies()));
            elsewhere.unwrap_or_else(|| Held::Packed(packed, memory.reserve_always(bytes, 0)))
        }
    };
    Some((held, len))
}

fn encoded_of<R: Rdd>(
    rdd: &R,
    level: StorageLevel,
    codec: Codec<R::Item>,
    task: &Task,
) -> Result<(Packed, usize)> {
    let file = if level.uses_memory() { None } else { Some(rdd.executor().spill().file(level.copies())?) };
    let (mut packer, mut len, mut outcome) = (Packer::new(codec, file), 0, Ok(()));
    let _ = rdd.compute(task.partition(), task, |item| {
        len += 1;
        outcome = packer.push(&item);
        if outcome.is_ok() { Flow::Continue(()) } else { Flow::Break(()) }
    });
    outcome?;
    Ok((packer.finish()?, len))
}

fn spilled<T>(records: &[T], codec: Codec<T>, level: StorageLevel, executor: &Executor) -> Result<Packed> {
    let mut packer = Packer::new(codec, Some(executor.spill().file(level.copies())?));
    records.iter().try_for_each(|record| packer.push(record))?;
    packer.finish()
}

/// Fails the task with the error, if it is one.
fn told<T>(outcome: Result<T>, task: &Task) -> Option<T> {
    outcome.map_err(|error| task.fail(error.to_string())).ok()
}

#[cfg(test)]
mod tests;
