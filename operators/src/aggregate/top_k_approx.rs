use millstream_engine::rdd::Key;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::top_k::most_frequent;
use super::{Aggregate, SpaceSaving};

/// About the `k` most frequent values, in bounded memory: [`SpaceSaving`].
///
/// Of n values in all, no count is further off than n / (`capacity` + 1), and every value that occurs more often than that has
/// a counter. Each result says how far its counts can be off, which is usually much less: see [`Frequents`]. As long as there are at
/// most `capacity` different values, all is exact. A key holds at most 2 · `capacity` values, and 16 bytes for each.
///
/// Ties are broken by the order of the values, so the result does not depend on chance; it may depend, within the bound, on how the
/// input was grouped. Floats go in as [`Ordered`](super::Ordered).
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, TopKApprox};
///
/// let pages = TopKApprox::new(1, 100);
/// let mut acc = pages.zero();
/// (0..10_000u32).for_each(|i| pages.add(&mut acc, if i % 2 == 0 { 7 } else { i }));
/// let found = pages.finish(&acc);
/// assert_eq!(found.values[0].value, 7);
/// assert!(found.values[0].count >= 5_000 && found.error_max <= 10_000 / 101);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TopKApprox {
    k: usize,
    capacity: usize,
}

impl TopKApprox {
    /// The `k` most frequent, found with at least `capacity` counters, of which there are at least `k` and one.
    ///
    /// Ten times `k` is a good capacity for words, visitors and the like, of which few are frequent and many are rare. An
    /// accumulator from disk of another capacity is still good.
    pub fn new(k: usize, capacity: usize) -> Self {
        TopKApprox { k, capacity: capacity.max(k).max(1) }
    }
}

/// What [`TopKApprox`] finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frequents<V> {
    /// The values of the highest counts, the highest first, of equal counts in the order of the values.
    pub values: Vec<Frequent<V>>,
    /// No count is off by more, and no value without a counter occurred more often. 0 when all is exact.
    pub error_max: u64,
}

/// A value that is probably frequent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frequent<V> {
    /// The value.
    pub value: V,
    /// How often it occurred, at most.
    pub count: u64,
    /// It occurred at least `count - error` times.
    pub error: u64,
}

impl<V: Key + Ord + Serialize + DeserializeOwned> Aggregate<V> for TopKApprox {
    type Acc = SpaceSaving<V>;
    type Out = Frequents<V>;

    fn zero(&self) -> SpaceSaving<V> {
        SpaceSaving::new()
    }

    #[inline]
    fn add(&self, acc: &mut SpaceSaving<V>, value: V) {
        acc.add(&value, self.capacity);
    }

    fn merge(&self, acc: &mut SpaceSaving<V>, other: &SpaceSaving<V>) {
        acc.merge(other, self.capacity);
    }

    fn finish(&self, acc: &SpaceSaving<V>) -> Frequents<V> {
        let found = most_frequent(acc.counters(), self.k, |counter| counter.count);
        let frequent = |(value, counter): (&V, &_)| frequent(value, counter);
        Frequents { values: found.into_iter().map(frequent).collect(), error_max: acc.floor() }
    }
}

fn frequent<V: Clone>(value: &V, counter: &super::space_saving::Counter) -> Frequent<V> {
    Frequent { value: value.clone(), count: counter.count, error: counter.error }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::testing::{
        check_exact, check_groupings, check_roundtrip_and_zero, collect, encoded, merged, result, split,
        values,
    };
    use super::super::{Aggregate, TopK};
    use super::{Frequents, TopKApprox};

    /// Every claim of the documentation, for a result with all counters.
    fn check_bounds(all: &[u16], capacity: usize, found: &Frequents<u16>) {
        let mut counts = BTreeMap::<u16, u64>::new();
        all.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
        assert!(found.error_max <= all.len() as u64 / (capacity as u64 + 1), "{found:?}");
        assert!(found.values.len() <= 2 * capacity);
        for frequent in &found.values {
            let count = counts.remove(&frequent.value).unwrap_or(0);
            let at_least = frequent.count - frequent.error;
            assert!((at_least..=frequent.count).contains(&count), "{count} is not in {frequent:?}");
            assert!(frequent.error <= found.error_max, "{frequent:?}");
        }
        assert!(counts.values().all(|&count| count <= found.error_max), "{counts:?} have no counter");
    }

    /// With as many results as there can be counters.
    fn with_all_counters(capacity: usize) -> TopKApprox {
        TopKApprox { k: usize::MAX, capacity }
    }

    #[test]
    fn the_frequent_ones_among_a_million_in_bounded_memory() {
        let value = |i: u32| if i.is_multiple_of(10) { i % 50 } else { i.wrapping_mul(2_654_435_761) };
        let top = TopKApprox::new(5, 1_000);
        let acc = collect(&top, (0..1_000_000).map(value));
        assert!(encoded(&acc).len() <= 2_000 * (5 + 2 * 3) + 10, "{}", encoded(&acc).len());
        let found = top.finish(&acc);
        let frequent: Vec<u32> = found.values.iter().map(|frequent| frequent.value).collect();
        assert_eq!(frequent, [0, 10, 20, 30, 40]);
        assert!(found.error_max > 0 && found.error_max <= 1_000_000 / 1_001);
    }

    #[test]
    fn a_capacity_has_its_least() {
        assert_eq!(result(&TopKApprox::new(0, 0), [1, 2, 3]).values, []);
        assert_eq!(result(&TopKApprox::new(3, 1), [1, 2, 3, 3]).values.len(), 3);
    }

    proptest! {
        #[test]
        fn is_exact_for_few_different_values(split in split(0u8..5, 0..100), k in 0usize..6) {
            check_exact(&TopKApprox::new(k, 5), &split);
            let found = result(&TopKApprox::new(k, 5), values(&split));
            let pairs: Vec<_> = found.values.iter().map(|frequent| (frequent.value, frequent.count)).collect();
            prop_assert_eq!(pairs, result(&TopK::new(k), values(&split)));
            prop_assert_eq!(found.error_max, 0);
        }

        #[test]
        fn keeps_the_bounds_in_every_grouping(split in split(prop_oneof![0u16..4, 0u16..200], 0..300), capacity in 1usize..12) {
            let (top, all) = (with_all_counters(capacity), values(&split));
            check_bounds(&all, capacity, &result(&top, all.clone()));
            check_groupings(&top, &split, |_, got| {
                check_bounds(&all, capacity, got);
                true
            });
            check_roundtrip_and_zero(&top, &split);
        }

        #[test]
        fn capacities_may_differ(a in prop::collection::vec(0u16..50, 0..200), b in prop::collection::vec(0u16..50, 0..200)) {
            let (few, many) = (with_all_counters(3), with_all_counters(10));
            let (left, right) = (collect(&few, a.clone()), collect(&many, b.clone()));
            let all = [a, b].concat();
            check_bounds(&all, 3, &few.finish(&merged(&few, &left, &right)));
        }
    }
}
