use std::hash::Hash;

use millstream_engine::rdd::Key;
use serde::{Deserialize, Serialize};

use super::kept;
use super::table::{self, Table, by_frequency};

/// Counters for the most frequent values in bounded memory, the accumulator of [`TopKApprox`](super::TopKApprox).
///
/// SpaceSaving (Metwally, Agrawal and El Abbadi, Efficient computation of frequent and top-k elements in data streams, 2005) in the
/// mergeable form of Agarwal, Cormode, Huang, Phillips, Wei and Yi (Mergeable summaries, 2012), where a counter less the *floor* is
/// a counter of Misra and Gries. The floor is the most that a value without a counter may have occurred. A value that gets a counter
/// begins with the floor, which is its error. Of more than twice the capacity of counters, the largest are left, as many as the
/// capacity, and the floor becomes the largest count given up.
///
/// Each time, more than `capacity` counters lose what the floor gains, so the floor is at most n / (capacity + 1) after n values, in
/// whatever grouping they were merged. To give up half of the counters at a time, instead of the least one for each new value, costs
/// twice the room and makes adding a value a constant number of steps on average.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Serialize + Ord", deserialize = "V: Deserialize<'de> + Eq + Hash"))]
pub struct SpaceSaving<V: Eq + Hash> {
    floor: u64,
    #[serde(with = "table")]
    counters: Table<V, Counter>,
}

/// What is known of a value: it occurred at most `count` and at least `count - error` times.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Counter {
    pub(super) count: u64,
    pub(super) error: u64,
}

impl Counter {
    fn plus(self, count: u64, error: u64) -> Self {
        Counter { count: self.count.saturating_add(count), error: self.error.saturating_add(error) }
    }
}

impl<V: Key + Ord> SpaceSaving<V> {
    pub(super) fn new() -> Self {
        SpaceSaving { floor: 0, counters: Table::default() }
    }

    /// The most that a value without a counter may have occurred.
    pub(super) fn floor(&self) -> u64 {
        self.floor
    }

    pub(super) fn counters(&self) -> impl Iterator<Item = (&V, &Counter)> {
        self.counters.iter()
    }

    #[inline]
    pub(super) fn add(&mut self, value: &V, capacity: usize) {
        if let Some(counter) = self.counters.get_mut(value) {
            *counter = counter.plus(1, 0);
            return;
        }
        if self.counters.len() >= capacity.saturating_mul(2) {
            self.give_up_all_but(capacity);
        }
        let counter = Counter { count: self.floor, error: self.floor };
        self.counters.insert(kept(value), counter.plus(1, 0));
    }

    /// A value with one counter only may have occurred in the other part as often as the floor there.
    pub(super) fn merge(&mut self, other: &SpaceSaving<V>, capacity: usize) {
        for (value, counter) in &mut self.counters {
            let theirs = other.counters.get(value).copied();
            let theirs = theirs.unwrap_or(Counter { count: other.floor, error: other.floor });
            *counter = counter.plus(theirs.count, theirs.error);
        }
        for (value, counter) in &other.counters {
            if !self.counters.contains_key(value) {
                self.counters.insert(value.clone(), counter.plus(self.floor, self.floor));
            }
        }
        self.floor = self.floor.saturating_add(other.floor);
        if self.counters.len() > capacity.saturating_mul(2) {
            self.give_up_all_but(capacity);
        }
    }

    #[cold]
    fn give_up_all_but(&mut self, capacity: usize) {
        let mut all: Vec<(V, Counter)> = self.counters.drain().collect();
        if all.len() > capacity {
            let (_, largest, _) = all
                .select_nth_unstable_by(capacity, |a, b| by_frequency((&a.0, a.1.count), (&b.0, b.1.count)));
            self.floor = self.floor.max(largest.1.count);
            all.truncate(capacity);
        }
        self.counters.extend(all);
    }
}
