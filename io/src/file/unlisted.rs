use std::collections::BTreeMap;

use millstream_engine::Time;

/// The batches whose directories could not all be listed, each with the last batch before that saw all there was.
///
/// What appears in such a batch is found by the first one that can list again, however long that takes.
#[derive(Default)]
pub(super) struct Unlisted(BTreeMap<Time, Time>);

impl Unlisted {
    /// The last batch up to `previous` that saw all there was.
    pub(super) fn seen_until(&self, previous: Time) -> Time {
        self.of(previous).unwrap_or(previous)
    }

    /// The last batch that saw all there was before the one at `time`; `None` when that one did, too.
    pub(super) fn of(&self, time: Time) -> Option<Time> {
        self.0.get(&time).copied()
    }

    /// Notes that the batch at `time` did not see all, if it did not.
    pub(super) fn insert(&mut self, time: Time, seen_until: Option<Time>) {
        match seen_until {
            Some(seen_until) => self.0.insert(time, seen_until),
            None => self.0.remove(&time),
        };
    }

    /// Forgets the batches before `time`.
    pub(super) fn forget_before(&mut self, time: Time) {
        self.0 = self.0.split_off(&time);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_last_is_handed_on_until_all_is_seen_again() {
        let (mut unlisted, at) = (Unlisted::default(), Time::from_millis);
        assert_eq!(unlisted.seen_until(at(10)), at(10));
        for batch in [11, 12, 13] {
            let seen = unlisted.seen_until(at(batch - 1));
            unlisted.insert(at(batch), Some(seen));
        }
        assert_eq!(unlisted.seen_until(at(13)), at(10));
        unlisted.insert(at(14), None);
        assert_eq!(unlisted.seen_until(at(14)), at(14));
        unlisted.forget_before(at(13));
        assert_eq!((unlisted.of(at(12)), unlisted.of(at(13))), (None, Some(at(10))));
    }
}
