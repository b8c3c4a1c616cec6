//! The synchronous core with a model beside it: what was acknowledged must be there, what was not appended must not.

use std::sync::Arc;

use super::support::*;
use crate::error::Result;
use crate::fs::Fs;
use crate::wal::LogOptions;
use crate::wal::opening::{Opened, open};
use crate::wal::payload::Stored;
use crate::wal::segment_file::Pending;
use crate::wal::trouble::Trouble;

/// What a program knows of its log: records below `acked` were acknowledged, below `attempted` appended, below `released` given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) acked: u64,
    pub(super) attempted: u64,
    pub(super) released: u64,
}

/// The core, driven by hand.
pub(super) struct Core {
    opened: Opened,
    next: u64,
    /// Tries that ended with a full disk.
    pub(super) waits: u64,
}

/// How often a commit that met a full disk is tried again.
const PATIENCE: u64 = 5;

impl Core {
    /// Opens the log, checks what it recovers against `known`, and writes again what is uncertain.
    pub(super) fn open(fs: Arc<dyn Fs>, options: &LogOptions, known: &mut Known) -> Result<Core> {
        let mut opened = open(fs, dir(), options)?;
        let recovered = checked_numbers(&opened.recovery)?;
        let begin = recovered.first().copied().unwrap_or(opened.next);
        assert_eq!(recovered, (begin..opened.next).collect::<Vec<_>>(), "a hole in what was recovered");
        assert!(begin <= known.released, "released only {}, lost up to {begin}", known.released);
        assert!(opened.next >= known.acked, "acknowledged {}, recovered up to {}", known.acked, opened.next);
        assert!(
            opened.next <= known.attempted,
            "appended {}, recovered up to {}",
            known.attempted,
            opened.next
        );
        // What was appended and is not there is forgotten; what is there is promised to whoever recovered it.
        known.attempted = opened.next;
        let again: Vec<Pending> = opened.again.drain(..).collect();
        let mut core = Core { next: opened.next, opened, waits: 0 };
        if !again.is_empty() {
            core.commit(&again)?;
        }
        known.acked = core.next;
        Ok(core)
    }

    /// Appends so many records as one group.
    pub(super) fn append(&mut self, records: u64, known: &mut Known) -> Result<()> {
        let pending = |number| Pending {
            number,
            kind: kind(number),
            stored: Stored::new(payload(number).into(), false).unwrap(),
        };
        let group: Vec<Pending> = (self.next..self.next + records).map(pending).collect();
        known.attempted = self.next + records;
        self.commit(&group)?;
        self.next += records;
        known.acked = self.next;
        Ok(())
    }

    fn commit(&mut self, group: &[Pending]) -> Result<()> {
        let mut last = None;
        for _ in 0..PATIENCE {
            match self.opened.writer.commit(group) {
                Ok(()) => return Ok(()),
                Err(Trouble::Wait(error)) => last = Some(error),
                Err(Trouble::Stop(error) | Trouble::Broken(error)) => return Err(error),
            }
            self.waits += 1;
        }
        Err(last.unwrap())
    }

    /// Releases what is below `before`; a failure leaves segments, which does no harm.
    pub(super) fn release(&mut self, before: u64, known: &mut Known) {
        known.released = known.released.max(before);
        let _ = self.opened.writer.release(before);
    }

    pub(super) fn close(mut self) {
        self.opened.writer.close();
    }

    pub(super) fn index_bytes(&self) -> u64 {
        self.opened.index.lock().unwrap().bytes()
    }
}

/// The fixed job: groups of all sizes over several segments, releases, a clean end and a second life.
pub(super) fn job(fs: &Arc<dyn Fs>, known: &mut Known) -> Result<()> {
    let mut core = Core::open(Arc::clone(fs), &options(), known)?;
    for records in [1, 3, 2, 9, 1, 1] {
        core.append(records, known)?;
    }
    core.release(known.acked - 2, known);
    core.append(5, known)?;
    core.close();
    let mut core = Core::open(Arc::clone(fs), &options(), known)?;
    core.append(7, known)?;
    core.append(1, known)?;
    core.release(known.acked, known);
    core.append(2, known)?;
    drop(core);
    let mut core = Core::open(Arc::clone(fs), &options(), known)?;
    core.append(4, known)
}
