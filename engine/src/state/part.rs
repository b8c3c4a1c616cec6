use std::ops::Range;
use std::sync::Arc;

use crate::job::KeyHashing;

use super::bucket::{Bucket, Stamp};
use super::journal::{AllButSome, Journal, Undo};
use super::timers::{Timer, Timers};
use crate::rdd::{Data, Key};
use crate::shuffle::{BUCKETS, bucket_of};
use crate::storage::{Holding, Owned};

/// The keyed state of one partition, and the way back to what it was before the step that is under way.
///
/// A step [begins](Self::begin), changes it, and is [committed](Self::commit); a step that begins takes one back that was not
/// committed. Buckets are named by their place in the partition.
pub(super) struct Part<K, S> {
    buckets: Vec<Arc<Bucket<K, S>>>,
    /// The number of the first bucket.
    first: usize,
    hasher: KeyHashing,
    keys: usize,
    /// In so many batches without a record a key times out.
    span: Option<u32>,
    timers: Timers,
    step: Step<K, S>,
}

/// What a step has done.
struct Step<K, S> {
    /// The number of the batch.
    now: u32,
    /// The keys that there were when it began.
    keys_before: usize,
    journal: Journal<K, S>,
    set: Timers,
    fired: Vec<(u32, Vec<Timer>)>,
    /// All buckets anew.
    next: Option<Vec<Arc<Bucket<K, S>>>>,
}

impl<K, S> Step<K, S> {
    fn new() -> Self {
        let (journal, set) = (Journal::default(), Timers::default());
        Step { now: 0, keys_before: 0, journal, set, fired: Vec::new(), next: None }
    }
}

impl<K: Key, S: Data> Step<K, S> {
    /// Notes that the key at `place` has had a record.
    #[inline]
    fn stamp(&mut self, touched: &mut Bucket<K, S>, bucket: usize, place: usize) {
        if let Some(before) = touched.stamp(place)
            && before.last != self.now
        {
            self.restamp(touched, bucket, place, Stamp { last: self.now, ..before });
        }
    }

    #[inline]
    fn restamp(&mut self, touched: &mut Bucket<K, S>, bucket: usize, place: usize, after: Stamp) {
        if let Some(stamp) = touched.stamp_mut(place) {
            let before = std::mem::replace(stamp, after);
            self.journal.push(Undo::Stamped { bucket: bucket as u16, place: place as u32, before });
        }
    }
}

/// What is left when a step has been committed: the states that it has replaced. They are the user's, and so is what happens when
/// they are dropped.
pub(super) struct Replaced<K, S> {
    _journal: Journal<K, S>,
    _buckets: Vec<Arc<Bucket<K, S>>>,
}

/// What a step makes of all keys of a bucket.
pub(super) struct Update<K, S> {
    /// The new states of the keys that stay, in their order.
    pub(super) states: Vec<S>,
    /// The places of the keys that go, ascending.
    pub(super) gone: Vec<u32>,
    /// The keys that come, with half of their hash.
    pub(super) new: Vec<(u32, K, S)>,
}

/// Timers of keys that are gone, or that have been set anew, are left in their lists; when there are more of them than this and
/// than keys, all lists are made anew.
const STALE_TIMERS: usize = 1_024;

/// The buckets of one of so many partitions, as [`partition_of`](crate::shuffle::partition_of) gives them.
fn buckets_of(partition: usize, partitions: usize) -> Range<usize> {
    let begin = |partition: usize| (partition * BUCKETS).div_ceil(partitions);
    begin(partition)..begin(partition + 1)
}

fn keys_in<K: Key, S: Data>(buckets: &[Arc<Bucket<K, S>>]) -> usize {
    buckets.iter().map(|bucket| bucket.len()).sum()
}

impl<K: Key, S: Data> Part<K, S> {
    pub(super) fn new(partition: usize, partitions: usize, hasher: &KeyHashing, span: Option<u32>) -> Self {
        let own = buckets_of(partition, partitions);
        Part {
            buckets: Self::empty(own.len()),
            first: own.start,
            hasher: hasher.clone(),
            keys: 0,
            span,
            timers: Timers::default(),
            step: Step::new(),
        }
    }

    /// The same, with slots for what is its own of `keys` keys in all partitions.
    pub(super) fn with_slots(
        partition: usize,
        partitions: usize,
        hasher: &KeyHashing,
        span: Option<u32>,
        keys: usize,
    ) -> Self {
        let mut part = Part::new(partition, partitions, hasher, span);
        if keys > BUCKETS {
            let each = keys / BUCKETS;
            // Most buckets have no more than this (three standard deviations).
            let room = each + 3 * each.isqrt();
            part.buckets.iter_mut().for_each(|bucket| *bucket = Arc::new(Bucket::with_slots(room)));
        }
        part
    }

    /// A bucket without keys takes no memory of its own.
    fn empty(buckets: usize) -> Vec<Arc<Bucket<K, S>>> {
        let empty = Arc::new(Bucket::new());
        (0..buckets).map(|_| Arc::clone(&empty)).collect()
    }

    pub(super) fn keys(&self) -> usize {
        match &self.step.next {
            Some(next) => keys_in(next),
            None => self.keys,
        }
    }

    /// The bytes of the tables.
    pub(super) fn bytes(&self) -> usize {
        let buckets = self.step.next.as_ref().unwrap_or(&self.buckets);
        buckets.iter().map(|bucket| bucket.bytes()).sum()
    }

    /// What there is in the midst of a step.
    pub(super) fn holding(&self, entries: Owned<(K, S)>, states: Owned<S>) -> Holding {
        let bytes = |buckets: &[Arc<Bucket<K, S>>]| -> usize {
            buckets.iter().map(|bucket| bucket.bytes_with(entries)).sum()
        };
        let (stays, replaced) = match &self.step.next {
            Some(next) => (bytes(next), bytes(&self.buckets)),
            None => (bytes(&self.buckets), 0),
        };
        let goes = replaced + self.step.journal.bytes_with(states);
        let new = self.keys().saturating_sub(self.step.keys_before);
        // What keys that are new hold is taken to be what the others hold.
        let grown = stays as u128 * new as u128 / self.keys().max(1) as u128;
        Holding { stays, goes, grown: grown as usize + goes }
    }

    pub(super) fn buckets(&self) -> &[Arc<Bucket<K, S>>] {
        &self.buckets
    }

    pub(super) fn hasher(&self) -> &KeyHashing {
        &self.hasher
    }

    /// Begins the step of the batch with the number `now`.
    pub(super) fn begin(&mut self, now: u32) {
        self.roll_back();
        if self.timers.len() > 2 * self.keys + STALE_TIMERS {
            self.timers = self.timers_of_keys();
        }
        (self.step.now, self.step.keys_before) = (now, self.keys);
    }

    /// Makes it what it was when the last step was committed.
    pub(super) fn roll_back(&mut self) {
        self.step.next = None;
        if !self.step.journal.is_empty() {
            self.step.journal.undo(&mut self.buckets, &self.hasher);
            self.keys = keys_in(&self.buckets);
        }
        self.step.set.clear();
        for (due, timers) in self.step.fired.drain(..) {
            self.timers.set_all(due, timers);
        }
    }

    /// Keeps what the step has done. Runs none of the user's code: nothing is dropped.
    pub(super) fn commit(&mut self) -> Replaced<K, S> {
        let mut step = std::mem::replace(&mut self.step, Step::new());
        self.timers.append(&mut step.set);
        let mut buckets = Vec::new();
        if let Some(next) = step.next {
            buckets = std::mem::replace(&mut self.buckets, next);
            self.keys = keys_in(&self.buckets);
        }
        Replaced { _journal: step.journal, _buckets: buckets }
    }

    /// One timer for every key.
    fn timers_of_keys(&self) -> Timers {
        let mut timers = Timers::default();
        for (bucket, keys) in self.buckets.iter().enumerate() {
            for (place, (key, _)) in keys.entries().iter().enumerate() {
                if let Some(stamp) = keys.stamp(place) {
                    timers.set(
                        stamp.due,
                        Timer { hash: self.hasher.hash_one(key) as u32, bucket: bucket as u16 },
                    );
                }
            }
        }
        timers
    }

    /// The bucket of a key with this hash, if it is one of this partition.
    #[inline]
    pub(super) fn own_bucket(&self, hash: u64) -> Option<usize> {
        bucket_of(hash).checked_sub(self.first).filter(|bucket| *bucket < self.buckets.len())
    }

    /// The bucket of a key with this hash, which the shuffle has brought to this partition.
    #[inline]
    pub(super) fn bucket(&self, hash: u64) -> usize {
        bucket_of(hash).wrapping_sub(self.first)
    }

    /// Has the memory fetched that leads to a key.
    #[inline]
    pub(super) fn prefetch_slot(&self, bucket: usize, hash: u32) {
        self.buckets[bucket].map().prefetch_slot(hash);
    }

    /// Has the memory of a key fetched, when its slot has come.
    #[inline]
    pub(super) fn prefetch_entry(&self, bucket: usize, hash: u32) {
        self.buckets[bucket].prefetch_entry(hash);
    }

    /// Has the stamp of a key fetched, when its slot has come.
    #[inline]
    pub(super) fn prefetch_stamp(&self, bucket: usize, hash: u32) {
        self.buckets[bucket].prefetch_stamp(hash);
    }

    #[inline]
    pub(super) fn find(&self, bucket: usize, hash: u32, key: &K) -> Option<usize> {
        self.buckets[bucket].map().find(hash, key)
    }

    #[inline]
    pub(super) fn entry(&self, bucket: usize, place: usize) -> &(K, S) {
        &self.buckets[bucket].entries()[place]
    }

    /// The bucket, to be changed by this step.
    #[inline]
    fn touch(&mut self, bucket: usize) -> (&mut Bucket<K, S>, &mut Step<K, S>) {
        let (touched, step) = (Arc::make_mut(&mut self.buckets[bucket]), &mut self.step);
        if touched.changed != step.now {
            step.journal.push(Undo::Touched { bucket: bucket as u16, before: touched.changed });
            touched.changed = step.now;
        }
        (touched, step)
    }

    /// A stamp of this batch for a new key, with its timer.
    fn stamp(&mut self, bucket: usize, hash: u32) -> Option<Stamp> {
        let last = self.step.now;
        let due = last.saturating_add(self.span?);
        self.step.set.set(due, Timer { hash, bucket: bucket as u16 });
        Some(Stamp { last, due })
    }

    /// Adds a key that is not there.
    pub(super) fn insert(&mut self, bucket: usize, hash: u32, key: K, state: S) {
        let stamp = self.stamp(bucket, hash);
        let (touched, step) = self.touch(bucket);
        touched.insert(hash, key, state, stamp);
        step.journal.push(Undo::Inserted { bucket: bucket as u16 });
        self.keys += 1;
    }

    /// Gives the key at `place` another state.
    #[inline]
    pub(super) fn replace(&mut self, bucket: usize, place: usize, state: S) {
        let (touched, step) = self.touch(bucket);
        let before = std::mem::replace(touched.state_mut(place), state);
        step.journal.push(Undo::Replaced { bucket: bucket as u16, place: place as u32, before });
        step.stamp(touched, bucket, place);
    }

    /// The key at `place` has had a record in this batch, which has changed nothing.
    #[inline]
    pub(super) fn refresh(&mut self, bucket: usize, place: usize) {
        if self.span.is_some() {
            let (touched, step) = self.touch(bucket);
            step.stamp(touched, bucket, place);
        }
    }

    /// Takes the key at `place` out; the last one of the bucket moves there.
    pub(super) fn remove(&mut self, bucket: usize, place: usize) {
        let hasher = self.hasher.clone();
        let (touched, step) = self.touch(bucket);
        let gone = Box::new(touched.remove(place, &hasher));
        step.journal.push(Undo::Removed { bucket: bucket as u16, gone });
        self.keys -= 1;
    }

    /// Makes of all keys of a bucket what `update` says.
    pub(super) fn update(&mut self, bucket: usize, update: Update<K, S>) {
        let Update { states, gone, new } = update;
        if !states.is_empty() {
            let mut before = Box::new(AllButSome { states, left_out: gone.clone() });
            let (touched, step) = self.touch(bucket);
            before.swap(touched);
            step.journal.push(Undo::ReplacedAll { bucket: bucket as u16, before });
        }
        // From the end, so that none of the places moves before its turn.
        for place in gone.into_iter().rev() {
            self.remove(bucket, place as usize);
        }
        for (hash, key, state) in new {
            self.insert(bucket, hash, key, state);
        }
    }

    /// Begins to make all buckets anew; they are [put](Self::put_next) together, and the step puts them in the place of the old ones.
    pub(super) fn begin_next(&mut self) {
        self.step.next = Some(Self::empty(self.buckets.len()));
    }

    /// Puts a key into the buckets that are made anew.
    pub(super) fn put_next(&mut self, hash: u64, key: K, state: S) {
        let (bucket, now) = (self.bucket(hash), self.step.now);
        if let Some(next) = &mut self.step.next {
            let bucket = Arc::make_mut(&mut next[bucket]);
            bucket.changed = now;
            bucket.put(hash as u32, key, state, None);
        }
    }

    /// Puts a key in that is there before the first step.
    pub(super) fn put(&mut self, hash: u64, key: K, state: S, now: u32) {
        let (bucket, half) = (self.bucket(hash), hash as u32);
        self.step.now = now;
        match self.find(bucket, half, &key) {
            Some(place) => *Arc::make_mut(&mut self.buckets[bucket]).state_mut(place) = state,
            None => {
                let stamp = self.stamp(bucket, half);
                let touched = Arc::make_mut(&mut self.buckets[bucket]);
                touched.changed = now;
                touched.insert(half, key, state, stamp);
                self.keys += 1;
            }
        }
    }

    /// Takes the timers that are due; the number of lists.
    pub(super) fn fire(&mut self) -> usize {
        while let Some(fired) = self.timers.pop_due(self.step.now) {
            self.step.fired.push(fired);
        }
        self.step.fired.len()
    }

    /// One of the lists that fired.
    pub(super) fn fired(&self, list: usize) -> &[Timer] {
        &self.step.fired[list].1
    }

    /// The next key of a timer that fired: one that has timed out, whose place is returned. The others are given a new timer.
    pub(super) fn next_timed_out(&mut self, list: usize, timer: Timer) -> Option<usize> {
        let (span, now, due) = (self.span?, self.step.now, self.step.fired[list].0);
        let bucket = usize::from(timer.bucket);
        while let Some((place, stamp)) = self.key_due(bucket, timer.hash, due) {
            let again = stamp.last.saturating_add(span);
            if again <= now {
                return Some(place);
            }
            let (touched, step) = self.touch(bucket);
            step.restamp(touched, bucket, place, Stamp { due: again, ..stamp });
            step.set.set(again, timer);
        }
        None
    }

    /// A key with this hash whose timer is that of batch `due`.
    #[inline]
    fn key_due(&self, bucket: usize, hash: u32, due: u32) -> Option<(usize, Stamp)> {
        let keys = &self.buckets[bucket];
        let mut stamps =
            keys.map().places_of(hash).filter_map(|place| keys.stamp(place).map(|stamp| (place, stamp)));
        stamps.find(|(_, stamp)| stamp.due == due)
    }
}

#[cfg(test)]
mod tests;
