use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// One collection per worker thread, for the tasks of one map side.
///
/// A worker takes its collection out of its slot, fills it and puts it back. If user code panics in between, the collection is
/// gone, and with it what earlier tasks had put there: the whole is *torn* and must be collected again.
pub(crate) struct Locals<L> {
    slots: Vec<Mutex<Option<L>>>,
    /// Collections of tasks that found their worker's slot taken (user code that runs rayon inside a task).
    extra: Mutex<Vec<L>>,
    torn: Mutex<Option<Torn>>,
}

/// The first failure of a map side.
#[derive(Clone, Debug)]
pub(crate) struct Torn {
    pub(crate) partition: usize,
    pub(crate) reason: String,
}

impl<L> Locals<L> {
    /// Slots for `workers` pool threads and one for threads outside of the pool.
    pub(crate) fn new(workers: usize) -> Self {
        Locals {
            slots: (0..=workers).map(|_| Mutex::new(None)).collect(),
            extra: Mutex::default(),
            torn: Mutex::default(),
        }
    }

    /// Runs `fill` on this worker's collection.
    pub(crate) fn with(&self, make: impl FnOnce() -> L, fill: impl FnOnce(&mut L)) {
        let worker = rayon::current_thread_index().unwrap_or(self.slots.len() - 1).min(self.slots.len() - 1);
        match self.slots[worker].try_lock() {
            Ok(slot) => refill(slot, make, fill),
            Err(TryLockError::Poisoned(slot)) => refill(slot.into_inner(), make, fill),
            Err(TryLockError::WouldBlock) => {
                let mut local = make();
                fill(&mut local);
                self.extra.lock().unwrap_or_else(PoisonError::into_inner).push(local);
            }
        }
    }

    pub(crate) fn tear(&self, partition: usize, reason: String) {
        let mut torn = self.torn.lock().unwrap_or_else(PoisonError::into_inner);
        torn.get_or_insert(Torn { partition, reason });
    }

    pub(crate) fn torn(&self) -> Option<Torn> {
        self.torn.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All collections, once no task uses them any more.
    pub(crate) fn take(&self) -> Vec<L> {
        let slots = self.slots.iter();
        let mut locals: Vec<L> =
            slots.filter_map(|slot| slot.lock().unwrap_or_else(PoisonError::into_inner).take()).collect();
        locals.append(&mut self.extra.lock().unwrap_or_else(PoisonError::into_inner));
        locals
    }
}

fn refill<L>(mut slot: MutexGuard<'_, Option<L>>, make: impl FnOnce() -> L, fill: impl FnOnce(&mut L)) {
    let mut local = slot.take().unwrap_or_else(make);
    fill(&mut local);
    *slot = Some(local);
}
