use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use crate::recovery::{BatchLog, DoneRecord, Prepared, PreparedRecord};
use crate::{Error, Result, Time};

/// Which batches the outputs with a sink have prepared: those of this run go into the log, those of an earlier one that
/// were not committed wait here.
#[derive(Default)]
pub(crate) struct Commits {
    /// Set when the context starts, if it has a checkpoint directory. The graph outlives the context, and must not hold
    /// the directory longer than this does.
    log: OnceLock<Weak<BatchLog>>,
    /// What the outputs are called in the log, by their places.
    names: OnceLock<Arc<[String]>>,
    earlier: Mutex<BTreeMap<(Time, usize), Vec<u8>>>,
}

impl Commits {
    fn earlier(&self) -> MutexGuard<'_, BTreeMap<(Time, usize), Vec<u8>>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on, what is prepared is written down, under the outputs' `names`.
    pub(crate) fn turn_on(&self, log: &Arc<BatchLog>, names: &Arc<[String]>) {
        let _ = self.names.set(Arc::clone(names));
        let _ = self.log.set(Arc::downgrade(log));
    }

    fn name(&self, output: usize) -> String {
        self.names.get().and_then(|names| names.get(output)).cloned().unwrap_or_default()
    }

    /// The log, if there is one.
    fn log(&self) -> Result<Option<Arc<BatchLog>>> {
        let closed = || Error::Stopped("the log is closed, and nothing can be committed".to_owned());
        self.log.get().map(|log| log.upgrade().ok_or_else(closed)).transpose()
    }

    /// Whether a later run will know what this one has prepared.
    pub(super) fn is_on(&self) -> bool {
        self.log.get().is_some()
    }

    /// Has what an earlier run prepared, by batch and place of the output, committed, and not made again.
    pub(crate) fn complete(&self, prepared: impl IntoIterator<Item = ((Time, usize), Vec<u8>)>) {
        self.earlier().extend(prepared);
    }

    /// What an earlier run has prepared of the batch.
    pub(crate) fn of(&self, time: Time, output: usize) -> Option<Vec<u8>> {
        self.earlier().get(&(time, output)).cloned()
    }

    /// Forgets the earlier batches up to and including `time`.
    pub(crate) fn forget(&self, time: Time) {
        self.earlier().retain(|(of, _), _| *of > time);
    }

    /// Writes that a batch is prepared; returns when that is durable, and the commit may begin.
    ///
    /// # Errors
    /// When it cannot be written, or `prepared` not be made. It may be durable all the same.
    pub(super) fn prepared(
        &self,
        time: Time,
        output: usize,
        prepared: impl FnOnce() -> Result<Prepared>,
    ) -> Result<()> {
        match self.log()? {
            Some(log) => {
                log.prepared(&PreparedRecord { time, output: self.name(output), prepared: prepared()? })
            }
            None => Ok(()),
        }
    }

    /// Writes that a batch that was prepared is not to be committed any more; returns when that is durable.
    ///
    /// # Errors
    /// When it cannot be written. It may be durable all the same.
    pub(super) fn give_up(&self, time: Time, output: usize) -> Result<()> {
        match self.log()? {
            Some(log) => log.wait(log.done(&DoneRecord { time, output: self.name(output) })?),
            None => Ok(()),
        }
    }
}

impl std::fmt::Debug for Commits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Commits").field("is_on", &self.is_on()).finish_non_exhaustive()
    }
}
