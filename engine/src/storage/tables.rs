use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Memory;
use super::memory::Holder;
use crate::{Error, Result, Time};

/// What one operator carries from batch to batch: its keys, and the bytes of its tables, which the memory counts.
#[derive(Debug)]
pub(crate) struct Tables {
    name: &'static str,
    memory: Memory,
    holder: Holder,
    keys: AtomicUsize,
    bytes: AtomicUsize,
    /// The most keys; 0 is no limit.
    max_keys: usize,
    /// What to do about too many keys, beside raising the limit.
    remedy: &'static str,
}

impl Tables {
    /// The tables of a windowed operator.
    pub(crate) fn of_window(name: &'static str, memory: &Memory, max_keys: usize) -> Arc<Self> {
        Tables::new(name, memory, Holder::Windows, max_keys, "shorten the window, or filter the keys")
    }

    /// The tables of an operator with keyed state.
    pub(crate) fn of_state(name: &'static str, memory: &Memory, max_keys: usize) -> Arc<Self> {
        Tables::new(name, memory, Holder::State, max_keys, "remove keys or let them time out, or filter them")
    }

    fn new(
        name: &'static str,
        memory: &Memory,
        holder: Holder,
        max_keys: usize,
        remedy: &'static str,
    ) -> Arc<Self> {
        let (memory, keys, bytes) = (memory.clone(), AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Tables { name, memory, holder, keys, bytes, max_keys, remedy })
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
    }

    /// Refuses a step that would leave so much.
    ///
    /// # Errors
    /// When it is more keys than are allowed, or more than the memory has with all that other operators hold.
    pub(crate) fn check(&self, time: Time, keys: usize, bytes: usize) -> Result<()> {
        let status = self.memory.status();
        let tables = status.windows + status.state - self.bytes().min(status.windows + status.state) + bytes;
        let (name, remedy) = (self.name, self.remedy);
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
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::ChunkPool;

    #[test]
    fn tables_of_all_operators_share_one_limit() {
        let memory = Memory::new(100 << 20, ChunkPool::new(1 << 10, 1));
        let window = Tables::of_window("count", &memory, 10);
        let state = Tables::of_state("sessions", &memory, 0);
        window.check(Time::default(), 10, 60 << 20).unwrap();
        window.set(10, 60 << 20);
        state.check(Time::default(), 1_000, 40 << 20).unwrap();
        let error = state.check(Time::default(), 1_000, 41 << 20).unwrap_err().to_string();
        assert!(
            error.contains("sessions would hold 41 MiB for 1000 keys") && error.contains("together 101 MiB"),
            "{error}"
        );
        assert!(error.contains("let them time out"), "{error}");
        let error = window.check(Time::default(), 11, 0).unwrap_err().to_string();
        assert!(
            error.contains("11 keys, more than 10 (state.max_keys)") && error.contains("shorten the window"),
            "{error}"
        );
        drop(window);
        state.check(Time::default(), 1_000, 100 << 20).unwrap();
        assert_eq!((memory.status().windows, state.keys(), state.bytes()), (0, 0, 0));
    }

    #[test]
    fn what_is_too_much_already_may_shrink() {
        let memory = Memory::new(10 << 20, ChunkPool::new(1 << 10, 1));
        let state = Tables::of_state("sessions", &memory, 0);
        state.set(5, 20 << 20);
        state.check(Time::default(), 4, 19 << 20).unwrap();
    }
}
