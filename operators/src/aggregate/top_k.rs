use std::hash::Hash;

use millstream_engine::rdd::Key;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::table::{self, Table, by_frequency, room};
use super::{Aggregate, kept};

/// The `k` most frequent values with how often each occurs, exactly: the most frequent first, of equal frequency in the order of
/// the values.
///
/// Every different value is kept; [`TopKApprox`](super::TopKApprox) is bounded. Floats go in as [`Ordered`](super::Ordered).
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, TopK};
///
/// let words = TopK::new(2);
/// let mut acc = words.zero();
/// "to be or not to be to".split(' ').for_each(|word| words.add(&mut acc, word.to_owned()));
/// assert_eq!(words.finish(&acc), [("to".to_owned(), 3), ("be".to_owned(), 2)]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TopK {
    k: usize,
}

impl TopK {
    /// The `k` most frequent; all of them if there are fewer.
    pub fn new(k: usize) -> Self {
        TopK { k }
    }
}

/// How often each value occurs, the accumulator of [`TopK`]. Equal ones have equal bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "V: Serialize + Ord", deserialize = "V: Deserialize<'de> + Eq + Hash"))]
pub struct Tally<V: Eq + Hash>(#[serde(with = "table")] Table<V, u64>);

impl<V: Key + Ord> Tally<V> {
    #[inline]
    fn add(&mut self, value: &V, count: u64) {
        match self.0.get_mut(value) {
            Some(so_far) => *so_far = so_far.saturating_add(count),
            None => {
                self.0.insert(kept(value), count);
            }
        }
    }
}

/// The first `k` of `entries` in the order of their frequency.
pub(super) fn most_frequent<V: Ord, C>(
    entries: impl Iterator<Item = (V, C)>,
    k: usize,
    frequency: impl Fn(&C) -> u64,
) -> Vec<(V, C)> {
    let order = |a: &(V, C), b: &(V, C)| by_frequency((&a.0, frequency(&a.1)), (&b.0, frequency(&b.1)));
    let mut entries: Vec<(V, C)> = entries.collect();
    if entries.len() > k {
        entries.select_nth_unstable_by(k, order);
        entries.truncate(k);
    }
    entries.sort_unstable_by(order);
    entries
}

impl<V: Key + Ord + Serialize + DeserializeOwned> Aggregate<V> for TopK {
    type Acc = Tally<V>;
    type Out = Vec<(V, u64)>;

    fn zero(&self) -> Tally<V> {
        Tally(Table::default())
    }

    #[inline]
    fn add(&self, acc: &mut Tally<V>, value: V) {
        acc.add(&value, 1);
    }

    fn merge(&self, acc: &mut Tally<V>, other: &Tally<V>) {
        acc.0.reserve(room(acc.0.len(), other.0.len()));
        other.0.iter().for_each(|(value, count)| acc.add(value, *count));
    }

    fn finish(&self, acc: &Tally<V>) -> Vec<(V, u64)> {
        let found = most_frequent(acc.0.iter(), self.k, |count| **count);
        found.into_iter().map(|(value, count)| (value.clone(), *count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::super::testing::{check_exact, collect, encoded, groupings, result, split, values};
    use super::TopK;

    #[test]
    fn none_and_all() {
        assert_eq!(result(&TopK::new(0), [1, 2]), []);
        assert_eq!(result(&TopK::new(usize::MAX), [2, 1, 2]), [(2, 2), (1, 1)]);
        assert_eq!(result(&TopK::new(3), Vec::<u8>::new()), []);
    }

    proptest! {
        #[test]
        fn is_that_of_counting_and_sorting(split in split("[a-d]{1,2}", 0..100), k in 0usize..8) {
            check_exact(&TopK::new(k), &split);
            let mut counts = BTreeMap::new();
            values(&split).into_iter().for_each(|word| *counts.entry(word).or_insert(0) += 1);
            let mut reference: Vec<(String, u64)> = counts.into_iter().collect();
            reference.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            reference.truncate(k);
            prop_assert_eq!(result(&TopK::new(k), values(&split)), reference);
        }

        #[test]
        fn equal_tallies_have_equal_bytes(split in split(0u8..30, 0..100)) {
            let bytes = encoded(&collect(&TopK::new(1), values(&split)));
            for acc in groupings(&TopK::new(1), &split) {
                prop_assert_eq!(encoded(&acc), bytes.clone());
            }
        }
    }
}
