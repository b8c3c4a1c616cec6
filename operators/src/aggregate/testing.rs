//! What the tests of the aggregates have in common.

use millstream_engine::rdd::Data;
use postcard::{from_bytes, to_allocvec};
use proptest::prelude::*;
use serde::Serialize;

use super::Aggregate;

/// Into how many parts the values are split.
const PARTS: usize = 4;

/// The accumulator of all values, added one by one.
pub(crate) fn collect<V, A: Aggregate<V>>(aggregate: &A, values: impl IntoIterator<Item = V>) -> A::Acc {
    let mut acc = aggregate.zero();
    values.into_iter().for_each(|value| aggregate.add(&mut acc, value));
    acc
}

/// What comes out for all values, added one by one.
pub(crate) fn result<V, A: Aggregate<V>>(aggregate: &A, values: impl IntoIterator<Item = V>) -> A::Out {
    aggregate.finish(&collect(aggregate, values))
}

/// `a` with `b` taken in.
pub(crate) fn merged<V, A: Aggregate<V>>(aggregate: &A, a: &A::Acc, b: &A::Acc) -> A::Acc {
    let mut both = a.clone();
    aggregate.merge(&mut both, b);
    both
}

/// The bytes on disk.
pub(crate) fn encoded(acc: &impl Serialize) -> Vec<u8> {
    to_allocvec(acc).unwrap()
}

/// Values, each with the part that it goes to.
pub(crate) fn split<S: Strategy>(
    value: S,
    len: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<(usize, S::Value)>> {
    proptest::collection::vec((0..PARTS, value), len)
}

/// The values of all parts, in their order.
pub(crate) fn values<V: Clone>(split: &[(usize, V)]) -> Vec<V> {
    split.iter().map(|(_, value)| value.clone()).collect()
}

/// The accumulators of the parts merged from the left, from the right and pairwise, the last with a trip to disk in between.
pub(crate) fn groupings<V: Data, A: Aggregate<V>>(aggregate: &A, split: &[(usize, V)]) -> Vec<A::Acc> {
    let part = |part| split.iter().filter(move |(to, _)| *to == part).map(|(_, value)| value.clone());
    let parts: Vec<A::Acc> = (0..PARTS).map(|i| collect(aggregate, part(i))).collect();
    let merged = |a: &A::Acc, b: &A::Acc| merged(aggregate, a, b);
    let left = parts.iter().fold(aggregate.zero(), |all, part| merged(&all, part));
    let right = parts.iter().rev().fold(aggregate.zero(), |all, part| merged(part, &all));
    let stored: Vec<A::Acc> = parts.iter().map(|acc| from_bytes(&encoded(acc)).unwrap()).collect();
    let pairwise = merged(&merged(&stored[0], &stored[1]), &merged(&stored[2], &stored[3]));
    vec![left, right, pairwise]
}

/// Holds `same(all at once, in parts)` for every grouping of the parts.
pub(crate) fn check_groupings<V: Data, A: Aggregate<V>>(
    aggregate: &A,
    split: &[(usize, V)],
    same: impl Fn(&A::Out, &A::Out) -> bool,
) where
    A::Out: std::fmt::Debug,
{
    let expected = result(aggregate, values(split));
    for (i, acc) in groupings(aggregate, split).iter().enumerate() {
        let got = aggregate.finish(acc);
        assert!(same(&expected, &got), "grouping {i}: {got:?} instead of {expected:?}");
    }
}

/// An accumulator comes back from disk as it was, and the empty one changes nothing on either side.
pub(crate) fn check_roundtrip_and_zero<V: Clone, A: Aggregate<V>>(aggregate: &A, split: &[(usize, V)])
where
    A::Out: std::fmt::Debug + PartialEq,
{
    let acc = &collect(aggregate, values(split));
    let bytes = encoded(acc);
    let back: A::Acc = from_bytes(&bytes).unwrap();
    assert_eq!(encoded(&back), bytes, "the bytes of what was read back");
    assert_eq!(aggregate.finish(&back), aggregate.finish(acc), "the result of what was read back");
    let zero: A::Acc = from_bytes(&encoded(&aggregate.zero())).unwrap();
    assert_eq!(aggregate.finish(&merged(aggregate, acc, &zero)), aggregate.finish(acc), "zero on the right");
    assert_eq!(aggregate.finish(&merged(aggregate, &zero, acc)), aggregate.finish(acc), "zero on the left");
}

/// All of the above for an aggregate whose result does not depend on how the values are grouped.
pub(crate) fn check_exact<V: Data, A: Aggregate<V>>(aggregate: &A, split: &[(usize, V)])
where
    A::Out: std::fmt::Debug + PartialEq,
{
    check_groupings(aggregate, split, |expected, got| expected == got);
    check_roundtrip_and_zero(aggregate, split);
}
