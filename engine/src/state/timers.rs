use std::collections::BTreeMap;

/// The timers of the keys of one partition: lists by the batch in which they are due. All timers of a batch are set and fired at
/// once, so there is nothing to be sorted; a heap would compare every timer some twenty times.
#[derive(Default)]
pub(super) struct Timers {
    by_due: BTreeMap<u32, Vec<Timer>>,
    len: usize,
}

/// Says that a key may have timed out: not which, but what its hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timer {
    pub(super) hash: u32,
    pub(super) bucket: u16,
}

impl Timers {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Sets a timer for batch `due`.
    #[inline]
    pub(super) fn set(&mut self, due: u32, timer: Timer) {
        self.by_due.entry(due).or_default().push(timer);
        self.len += 1;
    }

    /// Sets all timers of `other`.
    pub(super) fn append(&mut self, other: &mut Timers) {
        while let Some((due, timers)) = other.pop_due(u32::MAX) {
            self.set_all(due, timers);
        }
    }

    pub(super) fn set_all(&mut self, due: u32, mut timers: Vec<Timer>) {
        self.len += timers.len();
        let list = self.by_due.entry(due).or_default();
        if list.is_empty() { *list = timers } else { list.append(&mut timers) }
    }

    /// The timers of the first batch up to and including `now` that has any.
    pub(super) fn pop_due(&mut self, now: u32) -> Option<(u32, Vec<Timer>)> {
        let first = self.by_due.first_entry().filter(|first| *first.key() <= now)?;
        let (due, timers) = first.remove_entry();
        self.len -= timers.len();
        Some((due, timers))
    }

    pub(super) fn clear(&mut self) {
        *self = Timers::default();
    }

    /// The batch, the bucket and the hash of every timer.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(u32, u16, u32)> {
        let all = self.by_due.iter().flat_map(|(due, timers)| timers.iter().map(|timer| (*due, timer)));
        all.map(|(due, timer)| (due, timer.bucket, timer.hash)).collect()
    }
}
