//! Every operator against the same thing done to a plain vector, at any partitioning.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use millstream_engine::rdd::{Rdd, UnionAll};
use millstream_operators::prelude::*;
use proptest::prelude::*;

use crate::common::{Cut, cases, cut, numbers, pairs, rdd, slices, sorted};

/// The values of each key, in order.
fn groups<V: Clone>(pairs: &[(u8, V)]) -> BTreeMap<u8, Vec<V>> {
    let mut groups: BTreeMap<u8, Vec<V>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(*key).or_default().push(value.clone());
    }
    groups
}

/// What each key's values come to.
fn by_key<C>(pairs: &[(u8, i64)], of: impl Fn(&[i64]) -> C) -> Vec<(u8, C)> {
    groups(pairs).iter().map(|(key, values)| (*key, of(values))).collect()
}

/// Each key's values in order, for groups whose order is not defined.
fn in_order(groups: Vec<(u8, Vec<i64>)>) -> Vec<(u8, Vec<i64>)> {
    sorted(groups.into_iter().map(|(key, values)| (key, sorted(values))).collect())
}

/// The values of a key on both sides of an outer join.
type Sides = (Option<i64>, Option<i64>);

/// The sides of a join by the book: two loops.
fn nested_loops(left: &[(u8, i64)], right: &[(u8, i64)]) -> Vec<(u8, Sides)> {
    let mut all = Vec::new();
    for (key, value) in left {
        let others: Vec<_> = right.iter().filter(|other| other.0 == *key).collect();
        all.extend(others.iter().map(|other| (*key, (Some(*value), Some(other.1)))));
        if others.is_empty() {
            all.push((*key, (Some(*value), None)));
        }
    }
    let alone = right.iter().filter(|other| left.iter().all(|pair| pair.0 != other.0));
    all.extend(alone.map(|other| (other.0, (None, Some(other.1)))));
    sorted(all)
}

fn collected<R: Rdd<Item: Ord>>(rdd: &R) -> Vec<R::Item> {
    sorted(rdd.collect().expect("a result"))
}

fn floor(a: i64) -> i64 {
    a.div_euclid(5)
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn record_by_record(v in numbers(), cut in cut()) {
        let r = || rdd(&v, cut);
        prop_assert_eq!(r().map(|x| x * 2).collect()?, v.iter().map(|x| x * 2).collect::<Vec<_>>());
        prop_assert_eq!(r().flat_map(|x| 0..x).collect()?, v.iter().flat_map(|&x| 0..x).collect::<Vec<_>>());
        prop_assert_eq!(r().filter(|&x| x > 0).collect()?, v.iter().copied().filter(|&x| x > 0).collect::<Vec<_>>());
        let halves = |x: i64| (x % 2 == 0).then_some(x / 2);
        prop_assert_eq!(r().filter_map(halves).collect()?, v.iter().copied().filter_map(halves).collect::<Vec<_>>());
        prop_assert_eq!(r().inspect(|_| ()).collect()?, v.clone());
        prop_assert_eq!(r().key_by(|&x| floor(x)).collect()?, v.iter().map(|&x| (floor(x), x)).collect::<Vec<_>>());
        prop_assert_eq!(r().boxed().map(|x| x + 1).collect()?, v.iter().map(|x| x + 1).collect::<Vec<_>>());
    }

    #[test]
    fn partition_by_partition(v in numbers(), cut in cut()) {
        let (r, parts) = (rdd(&v, cut), slices(&v, cut.0));
        prop_assert_eq!(r.clone().glom().collect()?, parts.clone());
        let sums: Vec<i64> = parts.iter().map(|part| part.iter().sum()).collect();
        prop_assert_eq!(r.clone().map_partitions(|part| [part.sum::<i64>()]).collect()?, sums);
        let tagged = r.clone().map_partitions_with_index(|p, part| part.rev().map(move |x| (p, x)));
        let expected: Vec<_> =
            parts.iter().enumerate().flat_map(|(p, part)| part.iter().rev().map(move |&x| (p, x))).collect();
        prop_assert_eq!(tagged.collect()?, expected);
        let numbered: Vec<_> = v.iter().copied().zip(0u64..).collect();
        prop_assert_eq!(r.clone().zip_with_index().collect()?, numbered);
        let sample = r.sample(0.5, 3).zip_with_index().collect()?;
        let mut rest = v.iter();
        prop_assert!(sample.iter().all(|(x, _)| rest.any(|y| y == x)), "a sample keeps the order");
    }

    #[test]
    fn other_partitions(v in numbers(), w in numbers(), cut in cut()) {
        let (r, s) = (rdd(&v, cut), rdd(&w, (cut.1, cut.0, cut.2)));
        let coalesced = r.clone().coalesce(cut.1);
        prop_assert_eq!(coalesced.num_partitions(), cut.0.min(cut.1));
        prop_assert_eq!(coalesced.glom().collect()?.concat(), v.clone());
        prop_assert_eq!(r.clone().coalesce(0).num_partitions(), 1);
        let dealt = r.clone().repartition(cut.1).glom().collect()?;
        prop_assert_eq!(dealt.len(), cut.1);
        prop_assert_eq!(sorted(dealt.concat()), sorted(v.clone()));
        let union = r.clone().union(s.clone());
        prop_assert_eq!(union.num_partitions(), cut.0 + cut.1);
        prop_assert_eq!(union.collect()?, [v.clone(), w.clone()].concat());
        let all = UnionAll::new(r.executor().clone(), vec![r.clone(), s, r]);
        prop_assert_eq!(all.collect()?, [v.clone(), w, v].concat());
    }

    #[test]
    fn sets(v in numbers(), cut in cut()) {
        let r = || rdd(&v, cut);
        let distinct = r().distinct_in(cut.1);
        prop_assert_eq!(distinct.num_partitions(), cut.1);
        prop_assert_eq!(collected(&distinct), v.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(r().distinct().num_partitions(), 2);
        let mut counts = BTreeMap::new();
        v.iter().for_each(|&x| *counts.entry(x).or_insert(0u64) += 1);
        prop_assert_eq!(collected(&r().count_by_value_in(cut.1)), counts.clone().into_iter().collect::<Vec<_>>());
        prop_assert_eq!(r().key_by(|&x| x).count_by_key()?, counts.into_iter().collect::<HashMap<_, _>>());
    }

    #[test]
    fn orders(v in pairs(), cut in cut()) {
        let r = || rdd(&v, cut);
        let mut up = v.clone();
        up.sort_by_key(|pair| pair.0);
        let sorted_up = r().sort_by_key_in(cut.1, true);
        prop_assert_eq!(sorted_up.num_partitions(), cut.1);
        prop_assert_eq!(sorted_up.collect()?, up);
        let mut down = v.clone();
        down.sort_by_key(|pair| std::cmp::Reverse(pair.0));
        prop_assert_eq!(r().sort_by_key_in(cut.1, false).collect()?, down);
        let mut by_value = v.clone();
        by_value.sort_by_key(|pair| pair.1);
        prop_assert_eq!(r().sort_by_in(cut.1, |a, b| a.1.cmp(&b.1)).collect()?, by_value);
        let mut largest = v.clone();
        largest.sort_by(|a, b| b.cmp(a));
        largest.truncate(cut.1);
        prop_assert_eq!(r().top(cut.1)?, largest);
        let mut keys: Vec<u8> = v.iter().map(|pair| pair.0).collect();
        keys.sort_by(|a, b| b.cmp(a));
        keys.truncate(cut.1);
        prop_assert_eq!(r().top_by(cut.1, |pair| pair.0)?.into_iter().map(|pair| pair.0).collect::<Vec<_>>(), keys);
        let mut smallest = sorted(v.clone());
        smallest.truncate(cut.1);
        prop_assert_eq!(r().take_ordered(cut.1)?, smallest);
    }

    #[test]
    fn actions(v in numbers(), cut in cut()) {
        let r = rdd(&v, cut);
        prop_assert_eq!(r.count()?, v.len() as u64);
        prop_assert_eq!(r.take(cut.1)?, v.iter().copied().take(cut.1).collect::<Vec<_>>());
        prop_assert_eq!((r.first()?, Actions::is_empty(&r)?), (v.first().copied(), v.is_empty()));
        prop_assert_eq!(r.reduce(|a, b| a + b)?, v.iter().copied().reduce(|a, b| a + b));
        prop_assert_eq!(r.fold(0, |a, b| a + b)?, v.iter().sum::<i64>());
        let joined = r.aggregate(String::new(), |s, x| format!("{s}{x},"), |a, b| a + &b)?;
        prop_assert_eq!(joined, v.iter().map(|x| format!("{x},")).collect::<String>());
        prop_assert_eq!((r.sum()?, r.min()?, r.max()?), (v.iter().sum(), v.iter().copied().min(), v.iter().copied().max()));
        let mean = v.iter().sum::<i64>() as f64 / v.len() as f64;
        prop_assert_eq!(r.mean()?, (!v.is_empty()).then_some(mean));
        let seen = std::sync::Mutex::new(Vec::new());
        r.foreach(|x| seen.lock().unwrap().push(x))?;
        r.foreach_partition(|_, part| { seen.lock().unwrap().extend(part); Ok(()) })?;
        prop_assert_eq!(sorted(seen.into_inner().unwrap()), sorted([v.clone(), v].concat()));
    }

    #[test]
    fn values_and_keys(v in pairs(), cut in cut()) {
        let r = || rdd(&v, cut);
        prop_assert_eq!(r().keys().collect()?, v.iter().map(|pair| pair.0).collect::<Vec<_>>());
        prop_assert_eq!(r().values().collect()?, v.iter().map(|pair| pair.1).collect::<Vec<_>>());
        prop_assert_eq!(r().map_values(|x| x * 2).collect()?, v.iter().map(|(k, x)| (*k, x * 2)).collect::<Vec<_>>());
        let expected: Vec<_> = v.iter().flat_map(|&(k, x)| (0..x).map(move |y| (k, y))).collect();
        prop_assert_eq!(r().flat_map_values(|x| 0..x).collect()?, expected);
        prop_assert_eq!(r().collect_as_map()?, v.iter().copied().collect::<HashMap<_, _>>());
        let parts = r().partition_by(cut.1).glom().collect()?;
        prop_assert_eq!(sorted(parts.concat()), sorted(v.clone()));
        let keys: usize = parts.iter().map(|part| groups(part).len()).sum();
        prop_assert_eq!(keys, groups(&v).len(), "a key is in one partition");
    }

    #[test]
    fn combined_by_key(v in pairs(), cut in cut()) {
        let (r, n) = (|| rdd(&v, cut), cut.1);
        let sums = by_key(&v, |values| values.iter().sum::<i64>());
        prop_assert_eq!(r().reduce_by_key_in(n, |a, b| a + b).num_partitions(), n);
        prop_assert_eq!(collected(&r().reduce_by_key_in(n, |a, b| a + b)), sums.clone());
        prop_assert_eq!(collected(&r().reduce_by_key(|a, b| a + b)), sums.clone());
        prop_assert_eq!(collected(&r().fold_by_key_in(n, 0, |a, b| a + b)), sums.clone());
        let mean = |values: &[i64]| (values.iter().sum::<i64>(), values.len());
        let means = r().aggregate_by_key_in(n, (0, 0), |m: (i64, usize), x| (m.0 + x, m.1 + 1), |a, b| (a.0 + b.0, a.1 + b.1));
        prop_assert_eq!(collected(&means), by_key(&v, mean));
        let means = r().combine_by_key_in(n, |x| (x, 1), |m: (i64, usize), x| (m.0 + x, m.1 + 1), |a, b| (a.0 + b.0, a.1 + b.1));
        prop_assert_eq!(collected(&means), by_key(&v, mean));
        prop_assert_eq!(in_order(r().group_by_key_in(n).collect()?), by_key(&v, |values| sorted(values.to_vec())));
    }

    #[test]
    fn joined(v in pairs(), w in pairs(), cut in cut()) {
        let (l, r, n) = (|| rdd(&v, cut), || rdd(&w, (cut.1, cut.0, cut.2)), cut.1);
        let all = nested_loops(&v, &w);
        let inner: Vec<_> = all.iter().filter_map(|&(k, (a, b))| Some((k, (a?, b?)))).collect();
        prop_assert_eq!(l().join_in(n, r()).num_partitions(), n);
        prop_assert_eq!(collected(&l().join_in(n, r())), inner.clone());
        prop_assert_eq!(collected(&l().join(r())), inner);
        let left: Vec<_> = all.iter().filter_map(|&(k, (a, b))| Some((k, (a?, b)))).collect();
        prop_assert_eq!(collected(&l().left_outer_join_in(n, r())), left);
        let right: Vec<_> = sorted(all.iter().filter_map(|&(k, (a, b))| Some((k, (a, b?)))).collect());
        prop_assert_eq!(collected(&l().right_outer_join_in(n, r())), right);
        prop_assert_eq!(collected(&l().full_outer_join_in(n, r())), all);
        let alone: Vec<_> = v.iter().copied().filter(|pair| w.iter().all(|other| other.0 != pair.0)).collect();
        prop_assert_eq!(collected(&l().subtract_by_key_in(n, r())), sorted(alone));
    }

    #[test]
    fn cogrouped(v in pairs(), w in pairs(), cut in cut()) {
        check_cogroup(&v, &w, cut)?;
    }
}

fn check_cogroup(v: &[(u8, i64)], w: &[(u8, i64)], cut: Cut) -> Result<(), TestCaseError> {
    let cogroup = rdd(v, cut).cogroup_in(cut.1, rdd(w, (cut.1, cut.0, cut.2)));
    prop_assert_eq!(cogroup.num_partitions(), cut.1);
    let (left, right) = (groups(v), groups(w));
    let keys: BTreeSet<u8> = left.keys().chain(right.keys()).copied().collect();
    let of = |groups: &BTreeMap<u8, Vec<i64>>, key| sorted(groups.get(key).cloned().unwrap_or_default());
    let expected: Vec<_> = keys.iter().map(|key| (*key, (of(&left, key), of(&right, key)))).collect();
    let seen = cogroup.collect()?.into_iter().map(|(key, (a, b))| (key, (sorted(a), sorted(b))));
    prop_assert_eq!(sorted(seen.collect()), expected);
    Ok(())
}
