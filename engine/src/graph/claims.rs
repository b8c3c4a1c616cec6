use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::recovery::Claim;
use crate::{Result, Time};

/// What the inputs' batches were made of: those of this run until they are in the log, and those of an earlier one that are to be
/// made again.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// Whether anybody writes them down.
    is_on: AtomicBool,
    made: Mutex<Vec<Claim>>,
    earlier: Mutex<BTreeMap<(usize, Time), Vec<u8>>>,
}

impl Claims {
    pub(crate) fn turn_on(&self) {
        self.is_on.store(true, Ordering::Release);
    }

    fn made(&self) -> MutexGuard<'_, Vec<Claim>> {
        self.made.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn earlier(&self) -> MutexGuard<'_, BTreeMap<(usize, Time), Vec<u8>>> {
        self.earlier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what `claim` says of the batch at `time`, if it says anything and anybody wants to know.
    pub(crate) fn note(
        &self,
        stream: usize,
        time: Time,
        claim: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<()> {
        if self.is_on.load(Ordering::Acquire)
            && let Some(claim) = claim()?
        {
            self.made().push(Claim { stream: stream as u32, time, claim });
        }
        Ok(())
    }

    /// What was noted since the last call.
    pub(crate) fn take(&self) -> Vec<Claim> {
        std::mem::take(&mut *self.made())
    }

    /// Has the batches of an earlier run made again.
    pub(crate) fn repeat(&self, claims: impl IntoIterator<Item = Claim>) {
        self.earlier()
            .extend(claims.into_iter().map(|Claim { stream, time, claim }| ((stream as usize, time), claim)));
    }

    /// What the batch was made of in an earlier run.
    pub(crate) fn of(&self, stream: usize, time: Time) -> Option<Vec<u8>> {
        self.earlier().get(&(stream, time)).cloned()
    }

    /// Forgets the earlier batches up to and including `time`.
    pub(crate) fn forget(&self, time: Time) {
        self.earlier().retain(|(_, of), _| *of > time);
    }
}
