use std::collections::HashSet;
use std::hash::Hash;

use millstream_engine::rdd::Key;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use super::stable_hash::stable_hash;
use super::table::{InMemory, room};
use super::{Aggregate, kept};

/// How many different values there are, exactly.
///
/// Every different value is kept, so memory grows with the answer; [`DistinctHll`](super::DistinctHll) is bounded. Floats go
/// in as [`Ordered`](super::Ordered).
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, DistinctExact};
///
/// let mut acc = DistinctExact.zero();
/// ["a", "b", "a"].map(String::from).into_iter().for_each(|user| DistinctExact.add(&mut acc, user));
/// assert_eq!(DistinctExact.finish(&acc), 2);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct DistinctExact;

/// The different values of some, the accumulator of [`DistinctExact`].
///
/// Written in the order of their stable hashes, so that equal sets have equal bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de> + Eq + Hash"))]
pub struct Different<V: Eq + Hash>(HashSet<V, InMemory>);

impl<V: Serialize + Eq + Hash> Serialize for Different<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values: Vec<&V> = self.0.iter().collect();
        values.sort_by_cached_key(stable_hash);
        serializer.collect_seq(values)
    }
}

impl<V: Key + Serialize + DeserializeOwned> Aggregate<V> for DistinctExact {
    type Acc = Different<V>;
    type Out = u64;

    fn zero(&self) -> Different<V> {
        Different(HashSet::default())
    }

    #[inline]
    fn add(&self, acc: &mut Different<V>, value: V) {
        if !acc.0.contains(&value) {
            acc.0.insert(kept(&value));
        }
    }

    fn merge(&self, acc: &mut Different<V>, other: &Different<V>) {
        acc.0.reserve(room(acc.0.len(), other.0.len()));
        for value in &other.0 {
            if !acc.0.contains(value) {
                acc.0.insert(value.clone());
            }
        }
    }

    fn finish(&self, acc: &Different<V>) -> u64 {
        acc.0.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::testing::{check_exact, collect, encoded, groupings, result, split, values};
    use super::super::{Aggregate, Ordered};
    use super::DistinctExact;

    #[test]
    fn floats_and_large_sets() {
        let floats = [f64::NAN, f64::NAN, 0.0, -0.0, f64::INFINITY].map(Ordered);
        assert_eq!(result(&DistinctExact, floats), 4);
        let (mut half, other) =
            (collect(&DistinctExact, 0..60_000), collect(&DistinctExact, 40_000..100_000));
        DistinctExact.merge(&mut half, &other);
        assert_eq!(DistinctExact.finish(&half), 100_000);
    }

    proptest! {
        #[test]
        fn is_that_of_an_ordered_set(split in split("[abc]{0,2}", 0..60)) {
            check_exact(&DistinctExact, &split);
            let reference: BTreeSet<_> = values(&split).into_iter().collect();
            prop_assert_eq!(result(&DistinctExact, values(&split)), reference.len() as u64);
        }

        #[test]
        fn equal_sets_have_equal_bytes(split in split(0u16..50, 0..100)) {
            let bytes = encoded(&collect(&DistinctExact, values(&split)));
            let reversed = encoded(&collect(&DistinctExact, values(&split).into_iter().rev()));
            prop_assert_eq!(&reversed, &bytes);
            for acc in groupings(&DistinctExact, &split) {
                prop_assert_eq!(encoded(&acc), bytes.clone());
            }
        }
    }
}
