//! Operators of streams against the same thing done to each batch.

use std::collections::{BTreeMap, BTreeSet};

use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{cases, cut, lifted, numbers, pairs, slices, sorted};

/// `f` of every batch.
fn each<T, U>(batches: &[Vec<T>], f: impl Fn(&[T]) -> Vec<U>) -> Vec<Vec<U>> {
    batches.iter().map(|batch| f(batch)).collect()
}

/// Every batch in order.
fn ordered<T: Ord>(batches: Vec<Vec<T>>) -> Vec<Vec<T>> {
    batches.into_iter().map(sorted).collect()
}

proptest! {
    #![proptest_config(cases(12))]

    #[test]
    fn narrow_ones_fuse(batches in vec(numbers(), 1..4), cut in cut()) {
        let seen = lifted(&batches, cut.0, |s| {
            let odd = s.inspect(|_| ()).flat_map(|x| [x, x + 1]).filter(|x| x % 2 != 0);
            odd.filter_map(|x| x.checked_mul(3)).map(|x| x - 1).key_by(|x| x % 3).boxed().map_values(|x| x + 1)
        });
        let expected = each(&batches, |batch| {
            let odd = batch.iter().flat_map(|&x| [x, x + 1]).filter(|x| x % 2 != 0);
            odd.map(|x| x * 3 - 1).map(|x| (x % 3, x + 1)).collect()
        });
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn partitions(batches in vec(numbers(), 1..4), cut in cut()) {
        let (n, m) = (cut.0, cut.1);
        prop_assert_eq!(lifted(&batches, n, |s| s.glom()), each(&batches, |batch| slices(batch, n)));
        let sums = lifted(&batches, n, |s| s.map_partitions(|part| [part.sum::<i64>()]));
        prop_assert_eq!(sums, each(&batches, |batch| slices(batch, n).iter().map(|p| p.iter().sum()).collect()));
        let tagged = lifted(&batches, n, |s| s.map_partitions_with_index(|p, part| [(p, part.len())]));
        let expected = each(&batches, |b| slices(b, n).iter().map(Vec::len).enumerate().collect());
        prop_assert_eq!(tagged, expected);
        prop_assert_eq!(lifted(&batches, n, |s| s.coalesce(m)), batches.clone());
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.repartition(m))), ordered(batches.clone()));
        prop_assert_eq!(lifted(&batches, n, |s| s.sample(1.0, 1)), batches);
    }

    #[test]
    fn totals(batches in vec(numbers(), 1..4), cut in cut()) {
        let n = cut.0;
        prop_assert_eq!(lifted(&batches, n, |s| s.count()), each(&batches, |b| vec![b.len() as u64]));
        let sums = each(&batches, |b| b.iter().copied().reduce(|a, b| a + b).into_iter().collect());
        prop_assert_eq!(lifted(&batches, n, |s| s.reduce(|a, b| a + b)), sums);
        prop_assert_eq!(lifted(&batches, n, |s| s.fold(0, |a, b| a + b)), each(&batches, |b| vec![b.iter().sum()]));
        let lens = lifted(&batches, n, |s| s.aggregate(0, |len, _| len + 1, |a, b| a + b));
        prop_assert_eq!(lens, each(&batches, |b| vec![b.len()]));
        let distinct = ordered(lifted(&batches, n, |s| s.distinct_in(cut.1)));
        prop_assert_eq!(distinct, each(&batches, |b| b.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()));
        let counts = ordered(lifted(&batches, n, |s| s.count_by_value_in(cut.1)));
        let expected = each(&batches, |b| {
            let mut counts = BTreeMap::new();
            b.iter().for_each(|&x| *counts.entry(x).or_insert(0u64) += 1);
            counts.into_iter().collect()
        });
        prop_assert_eq!(counts, expected);
    }

    #[test]
    fn orders(batches in vec(pairs(), 1..4), cut in cut()) {
        let (n, m) = (cut.0, cut.1);
        let by = |batch: &[(u8, i64)], order: fn(&(u8, i64), &(u8, i64)) -> std::cmp::Ordering| {
            let mut batch = batch.to_vec();
            batch.sort_by(order);
            batch
        };
        let up = each(&batches, |batch| by(batch, |a, b| a.0.cmp(&b.0)));
        prop_assert_eq!(lifted(&batches, n, |s| s.sort_by_key_in(m, true)), up);
        let down = each(&batches, |batch| by(batch, |a, b| b.1.cmp(&a.1)));
        prop_assert_eq!(lifted(&batches, n, |s| s.sort_by_in(m, |a, b| b.1.cmp(&a.1))), down);
        let first = |mut batch: Vec<_>| { batch.truncate(m); batch };
        prop_assert_eq!(lifted(&batches, n, |s| s.top(m)), each(&batches, |batch| first(by(batch, |a, b| b.cmp(a)))));
        prop_assert_eq!(lifted(&batches, n, |s| s.take_ordered(m)), each(&batches, |batch| first(by(batch, Ord::cmp))));
    }

    #[test]
    fn keyed(batches in vec(pairs(), 1..4), cut in cut()) {
        let (n, m) = (cut.0, cut.1);
        let sums = each(&batches, |batch| {
            let mut sums = BTreeMap::new();
            batch.iter().for_each(|(key, value)| *sums.entry(*key).or_insert(0) += value);
            sums.into_iter().collect::<Vec<_>>()
        });
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.reduce_by_key_in(m, |a, b| a + b))), sums.clone());
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.fold_by_key_in(m, 0, |a, b| a + b))), sums.clone());
        let grouped = lifted(&batches, n, |s| s.group_by_key_in(m).map_values(|v| v.iter().sum::<i64>()));
        prop_assert_eq!(ordered(grouped), sums.clone());
        let aggregated = lifted(&batches, n, |s| s.aggregate_by_key_in(m, 0, |a, b| a + b, |a, b| a + b));
        prop_assert_eq!(ordered(aggregated), sums.clone());
        let combined = lifted(&batches, n, |s| s.combine_by_key_in(m, |v| v, |a, b| a + b, |a, b| a + b));
        prop_assert_eq!(ordered(combined), sums);
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.partition_by(m))), ordered(batches.clone()));
        let keys = lifted(&batches, n, |s| s.keys().union(&s.flat_map_values(|_| [(), ()]).keys()));
        prop_assert_eq!(keys, each(&batches, |b| b.iter().map(|p| p.0).chain(b.iter().flat_map(|p| [p.0, p.0])).collect()));
        prop_assert_eq!(lifted(&batches, n, |s| s.values()), each(&batches, |b| b.iter().map(|p| p.1).collect()));
    }

    #[test]
    fn two_streams(batches in vec(pairs(), 1..4), cut in cut()) {
        let (n, m) = (cut.0, cut.1);
        let joined = |b: &[(u8, i64)], keep: fn(i64) -> bool| -> Vec<(u8, (i64, Option<i64>))> {
            let with = |pair: &(u8, i64)| {
                let others: Vec<_> = b.iter().filter(|o| o.0 == pair.0 && keep(o.1)).map(|o| Some(o.1)).collect();
                let others = if others.is_empty() { vec![None] } else { others };
                let pair = *pair;
                others.into_iter().map(move |other| (pair.0, (pair.1, other)))
            };
            sorted(b.iter().flat_map(with).collect())
        };
        let outer = each(&batches, |b| joined(b, |value| value > 0));
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.left_outer_join_in(m, &s.filter(|p| p.1 > 0)))), outer.clone());
        let inner: Vec<Vec<_>> =
            each(&outer, |b| b.iter().filter_map(|&(k, (v, w))| Some((k, (v, w?)))).collect());
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.join_in(m, &s.filter(|p| p.1 > 0)))), inner);
        let alone: Vec<Vec<_>> =
            each(&outer, |b| b.iter().filter(|p| p.1.1.is_none()).map(|&(k, (v, _))| (k, v)).collect());
        prop_assert_eq!(ordered(lifted(&batches, n, |s| s.subtract_by_key_in(m, &s.filter(|p| p.1 > 0)))), alone);
        let twice = lifted(&batches, n, |s| s.transform_with_at(s, |a, b, time| a.union(b.filter(move |_| time.as_millis() > 1_000))));
        let expected: Vec<Vec<_>> =
            batches.iter().enumerate().map(|(i, b)| b.repeat(if i == 0 { 1 } else { 2 })).collect();
        prop_assert_eq!(twice, expected);
        let all = lifted(&batches, n, |s| [s.clone(), s.clone()].union_all());
        prop_assert_eq!(all, each(&batches, |b| b.repeat(2)));
    }
}
