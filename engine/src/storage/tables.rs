use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::Memory;
use super::memory::Holder;
use crate::{Error, Result, Time};

/// What one operator carries from batch to batch: its keys, and the bytes of its tables, which the memory counts.
///
/// What keys and values own elsewhere is not counted as it comes and goes: that would have every record visited once more. It is
/// measured when it matters, which is when the process occupies more than it may ([`refusal`](Self::refusal)).
#[derive(Debug)]
pub(crate) struct Tables {
    name: &'static str,
    /// What the program calls the operator, and where it stands in it.
    label: OnceLock<String>,
    memory: Memory,
    holder: Holder,
    keys: AtomicUsize,
    bytes: AtomicUsize,
    /// About what keys and values own elsewhere, if it has been measured since the process occupies more than it may.
    owned: AtomicUsize,
    /// What was seen of each partition when it was let pass; all forgotten once the process occupies no more than it may.
    passed: Mutex<Vec<Option<Passed>>>,
    has_passed: AtomicBool,
    /// The most keys; 0 is no limit.
    max_keys: usize,
    /// What to do about too many keys, beside raising the limit.
    remedy: &'static str,
}

/// What a partition holds in the midst of a step, with what its keys and values own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// What stays when the step is done.
    pub(crate) stays: usize,
    /// What goes then: that from which the step can be undone.
    pub(crate) goes: usize,
    /// About how much of either the step has brought so far.
    pub(crate) grown: usize,
}

/// What a partition held, and the process occupied, when it was last let pass above the limit.
#[derive(Clone, Copy, Debug)]
struct Passed {
    occupied: usize,
    holding: Holding,
}

/// The process is not said to have grown by less than one part in so many of its memory.
const NOTICED: usize = 64;

/// Windows and states may have one part in so many of the memory in any case.
const OWN_SHARE: usize = 2;

/// A partition is to blame when what it holds has grown by one part in so many of what the process has grown by.
const BLAME_SHARE: usize = 4;

impl Tables {
    /// The tables of a windowed operator.
    pub(crate) fn of_window(
        name: &'static str,
        memory: &Memory,
        max_keys: usize,
        partitions: usize,
    ) -> Arc<Self> {
        let remedy = "shorten the window, or filter the keys";
        Tables::new(name, memory, Holder::Windows, max_keys, partitions, remedy)
    }

    /// The tables of an operator with keyed state.
    pub(crate) fn of_state(
        name: &'static str,
        memory: &Memory,
        max_keys: usize,
        partitions: usize,
    ) -> Arc<Self> {
        let remedy = "remove keys or let them time out, or filter them";
        Tables::new(name, memory, Holder::State, max_keys, partitions, remedy)
    }

    fn new(
        name: &'static str,
        memory: &Memory,
        holder: Holder,
        max_keys: usize,
        partitions: usize,
        remedy: &'static str,
    ) -> Arc<Self> {
        Arc::new(Tables {
            name,
            label: OnceLock::new(),
            memory: memory.clone(),
            holder,
            keys: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            owned: AtomicUsize::new(0),
            passed: Mutex::new(vec![None; partitions]),
            has_passed: AtomicBool::new(false),
            max_keys,
            remedy,
        })
    }

    /// Says what the program calls the operator, and where it stands.
    pub(crate) fn set_label(&self, label: String) {
        let _ = self.label.set(label);
    }

    fn label(&self) -> &str {
        self.label.get().map_or(self.name, String::as_str)
    }

    /// The keys, as of the last batch.
    pub(crate) fn keys(&self) -> usize {
        self.keys.load(Ordering::Relaxed)
    }

    /// The bytes of the tables, as of the last batch; what keys and values own elsewhere is not counted.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says how much there is by now.
    pub(crate) fn set(&self, keys: usize, bytes: usize) {
        self.keys.store(keys, Ordering::Relaxed);
        self.memory.change(self.holder, self.bytes.swap(bytes, Ordering::Relaxed), bytes);
        if self.has_passed.load(Ordering::Relaxed) && self.memory.occupied() <= self.memory.max() {
            self.has_passed.store(false, Ordering::Relaxed);
            self.passed().fill(None);
            self.set_owned(0);
        }
    }

    fn set_owned(&self, bytes: usize) {
        self.memory.change(Holder::Owned, self.owned.swap(bytes, Ordering::Relaxed), bytes);
    }

    fn passed(&self) -> MutexGuard<'_, Vec<Option<Passed>>> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be asked again and again while a step works on a partition: why it must not go on, if it must not. `measure` says what the
    /// partition holds; it is asked only when the process occupies more than it may. ARCHITECTURE.md has the rule, under memory, and why it is so.
    #[inline]
    pub(crate) fn refusal(&self, partition: usize, measure: impl FnOnce() -> Holding) -> Option<String> {
        let noticed = self.memory.max() + self.memory.max() / NOTICED;
        if self.memory.occupied() <= noticed { None } else { self.refusal_above(noticed, partition, measure) }
    }

    #[cold]
    fn refusal_above(
        &self,
        noticed: usize,
        partition: usize,
        measure: impl FnOnce() -> Holding,
    ) -> Option<String> {
        let before = self.passed()[partition];
        let noticed = before.map_or(noticed, |before| before.occupied + self.memory.max() / NOTICED);
        if self.memory.occupied() <= noticed || self.memory.make_room(noticed) <= noticed {
            return None;
        }
        let (occupied, holding) = (self.memory.occupied(), measure());
        let mine = self.pass(partition, Passed { occupied, holding });
        let all = self.memory.carried();
        let is_to_blame = self.is_to_blame(before, occupied, holding);
        (is_to_blame && all * OWN_SHARE >= self.memory.max()).then(|| self.outgrown(mine, all, occupied))
    }

    /// Notes what is seen of a partition; about what the operator holds in all.
    fn pass(&self, partition: usize, seen: Passed) -> usize {
        let mut passed = self.passed();
        passed[partition] = Some(seen);
        self.has_passed.store(true, Ordering::Relaxed);
        let measured = passed.iter().flatten().map(|seen| seen.holding.stays);
        let (parts, bytes) = measured.fold((0, 0), |(parts, sum), bytes| (parts + 1, sum + bytes));
        // Keys are spread by their hashes: the partitions that have not been measured are taken to be like the others.
        let mine = bytes / parts.max(1) * passed.len();
        self.set_owned(mine.saturating_sub(self.bytes()));
        mine
    }

    /// Whether what the process has grown by, above the limit or since the partition was let pass there, is the partition's.
    fn is_to_blame(&self, before: Option<Passed>, occupied: usize, holding: Holding) -> bool {
        let held = |holding: Holding| holding.stays + holding.goes;
        let (grown, from) = match before {
            Some(before) => (held(holding).saturating_sub(held(before.holding)), before.occupied),
            None => (holding.grown, self.memory.max()),
        };
        grown * self.passed().len() * BLAME_SHARE >= occupied.saturating_sub(from)
    }

    fn outgrown(&self, mine: usize, all: usize, occupied: usize) -> String {
        let (name, remedy, max) = (self.label(), self.remedy, self.memory.max() >> 20);
        let (mine, all, occupied) = (mine >> 20, all >> 20, occupied >> 20);
        format!(
            "{name} would hold about {mine} MiB with what its keys and values own, and all windows and states together {all} MiB; the process \
             occupies {occupied} MiB, more than the {max} MiB of memory.max, and there is nothing left to evict or to spill, so the batch \
             cannot be taken in: raise the limit, {remedy}"
        )
    }

    /// Refuses a step that would leave so much.
    ///
    /// # Errors
    /// When it is more keys than are allowed, or more than the memory has with all that other operators hold.
    pub(crate) fn check(&self, time: Time, keys: usize, bytes: usize) -> Result<()> {
        let status = self.memory.status();
        let tables = status.windows + status.state - self.bytes().min(status.windows + status.state) + bytes;
        let (name, remedy) = (self.label(), self.remedy);
        let reason = if self.max_keys > 0 && keys > self.max_keys {
            let max = self.max_keys;
            format!(
                "{name} would hold {keys} keys, more than {max} (state.max_keys), so the batch cannot be taken in: raise the limit, {remedy}"
            )
        } else if tables > status.max && bytes > self.bytes() {
            let (mine, all, max) = (bytes >> 20, tables >> 20, status.max >> 20);
            format!(
                "{name} would hold {mine} MiB for {keys} keys, and all windows and states together {all} MiB, more than the {max} MiB \
                 of memory.max, so the batch cannot be taken in: raise the limit, {remedy}"
            )
        } else {
            return Ok(());
        };
        Err(Error::Batch { time, reason })
    }
}

impl Drop for Tables {
    fn drop(&mut self) {
        self.set(0, 0);
        self.set_owned(0);
    }
}

#[cfg(test)]
mod tests;
