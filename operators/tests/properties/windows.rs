//! Every window against the same thing done anew to all batches in it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use millstream_engine::DStream;
use millstream_engine::rdd::{Data, Parallelized, Rdd};
use millstream_engine::testkit::TestContext;
use millstream_operators::aggregate::{Count, DistinctExact, Min, Sum};
use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{cases, pairs, sorted};

/// A window, its slide, and how many batches there are, in batches.
pub(crate) type Span = (usize, usize);

pub(crate) fn span() -> impl Strategy<Value = Span> {
    (1..=7usize, 1..=5usize)
}

/// Batches of pairs; some of them do not exist.
pub(crate) fn batches() -> impl Strategy<Value = Vec<Option<Vec<(u8, i64)>>>> {
    vec(prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 6 => pairs().prop_map(Some)], 1..25)
}

pub(crate) fn seconds(n: usize) -> Duration {
    Duration::from_secs(n as u64)
}

/// What the stream that `build` makes of `batches` gives, window by window, each in order.
pub(crate) fn windows<T: Data, R: Rdd<Item: Ord>>(
    batches: &[Option<Vec<T>>],
    build: impl FnOnce(&DStream<Parallelized<T>>) -> DStream<R>,
) -> Vec<Vec<R::Item>> {
    let test = TestContext::new(Duration::from_secs(1)).expect("a context");
    let input = test.input_with_gaps(batches.to_vec(), 2).expect("an input");
    let seen = test.collect(&build(&input));
    test.run(batches.len()).expect("batches");
    seen.sorted()
}

/// The records of every window, oldest first.
pub(crate) fn contents<T: Clone>(batches: &[Option<Vec<T>>], (window, slide): Span) -> Vec<Vec<T>> {
    let ends = (slide..=batches.len()).step_by(slide);
    let flat = |batches: &[Option<Vec<T>>]| batches.iter().flatten().flatten().cloned().collect();
    ends.map(|end| flat(&batches[end.saturating_sub(window)..end])).collect()
}

/// `f` of the values of each key.
pub(crate) fn by_key<W>(pairs: &[(u8, i64)], f: impl Fn(Vec<i64>) -> W) -> Vec<(u8, W)> {
    let mut groups: BTreeMap<u8, Vec<i64>> = BTreeMap::new();
    for (key, value) in pairs {
        groups.entry(*key).or_default().push(*value);
    }
    groups.into_iter().map(|(key, values)| (key, f(values))).collect()
}

pub(crate) fn each<T, U>(windows: &[Vec<T>], f: impl Fn(&[T]) -> Vec<U>) -> Vec<Vec<U>> {
    windows.iter().map(|window| f(window)).collect()
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn whole_records(batches in batches(), span in span()) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let expected: Vec<_> = contents(&batches, span).into_iter().map(sorted).collect();
        prop_assert_eq!(windows(&batches, |p| p.window_sliding(w, s)), expected);
    }

    #[test]
    fn sums_by_inverse(batches in batches(), span in span(), n in 1..5usize) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let expected = each(&contents(&batches, span), |pairs| by_key(pairs, |v| v.iter().sum::<i64>()));
        let seen = windows(&batches, |p| p.reduce_by_key_and_window_inv_in(n, |a, b| a + b, |a, b| a - b, w, s));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn sums_by_inverse_with_a_filter(batches in batches(), span in span(), n in 1..5usize, divisor in 1..4i64) {
        let keep = move |(key, sum): &(u8, i64)| *sum != 0 && (sum + i64::from(*key)) % divisor == 0;
        let expected = each(&contents(&batches, span), |pairs| {
            by_key(pairs, |v| v.iter().sum::<i64>()).into_iter().filter(keep).collect()
        });
        let span = (seconds(span.0), seconds(span.1));
        let seen = windows(&batches, |p| {
            p.reduce_by_key_and_window_inv_filtered(n, |a, b| a + b, |a, b| a - b, span, keep)
        });
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn maxima_by_two_stacks(batches in batches(), span in span(), n in 1..5usize) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let expected = each(&contents(&batches, span), |pairs| by_key(pairs, |v| v.into_iter().max().unwrap()));
        let seen = windows(&batches, |p| p.reduce_by_key_and_window_in(n, |a, b| a.max(b), w, s));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn aggregates(batches in batches(), span in span(), n in 1..5usize) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let contents = contents(&batches, span);
        let all = (Count, Sum, DistinctExact);
        let expected = each(&contents, |pairs| by_key(pairs, |v| {
            let distinct = v.iter().collect::<BTreeSet<_>>().len() as u64;
            (v.len() as u64, v.iter().sum::<i64>(), distinct)
        }));
        prop_assert_eq!(windows(&batches, |p| p.aggregate_by_key_and_window_in(n, all, w, s)), expected);

        let expected = each(&contents, |pairs| by_key(pairs, |v| {
            let mut v = sorted(v);
            v.reverse();
            v.truncate(3);
            v
        }));
        prop_assert_eq!(windows(&batches, |p| p.top_by_key_and_window(3, w, s)), expected);

        let expected = each(&contents, |pairs| {
            let least = pairs.iter().map(|(_, v)| *v).min();
            least.map(|least| (pairs.len() as u64, Some(least))).into_iter().collect()
        });
        prop_assert_eq!(windows(&batches, |p| p.values().aggregate_by_window((Count, Min), w, s)), expected);
    }

    #[test]
    fn groups(batches in batches(), span in span()) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let expected = each(&contents(&batches, span), |pairs| by_key(pairs, sorted));
        let seen = windows(&batches, |p| p.group_by_key_and_window(w, s).map_values(sorted));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn counts(batches in batches(), span in span()) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let contents = contents(&batches, span);
        let mut any = false;
        let count = |window: &[(u8, i64)]| window.len() as u64;
        let expected: Vec<Vec<u64>> = contents.iter().map(|window| {
            any |= !window.is_empty();
            any.then(|| count(window)).into_iter().collect()
        }).collect();
        prop_assert_eq!(windows(&batches, |p| p.count_by_window(w, s)), expected);

        let expected = each(&contents, |pairs| by_key(pairs, |v| v.len() as u64));
        prop_assert_eq!(windows(&batches, |p| p.keys().count_by_value_and_window(w, s)), expected);
    }

    #[test]
    fn totals(batches in batches(), span in span()) {
        let (w, s) = (seconds(span.0), seconds(span.1));
        let values = each(&contents(&batches, span), |pairs| pairs.iter().map(|(_, v)| *v).collect());
        let expected = each(&values, |v| v.iter().copied().min().into_iter().collect());
        prop_assert_eq!(windows(&batches, |p| p.values().reduce_by_window(|a, b| a.min(b), w, s)), expected);

        let mut any = false;
        let expected: Vec<Vec<i64>> = values.iter().map(|v| {
            any |= !v.is_empty();
            any.then(|| v.iter().sum()).into_iter().collect()
        }).collect();
        let seen = windows(&batches, |p| p.values().reduce_by_window_inv(|a, b| a + b, |a, b| a - b, w, s));
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn windows_of_windows(batches in batches(), inner in span(), outer in span()) {
        let (w, s) = (seconds(inner.0), seconds(inner.1));
        let (w2, s2) = (s * outer.0 as u32, s * outer.1 as u32);
        let panes: Vec<Option<Vec<(u8, i64)>>> = contents(&batches, inner).into_iter().map(Some).collect();
        let expected = each(&contents(&panes, outer), |pairs| by_key(pairs, |v| v.iter().sum::<i64>()));
        let seen = windows(&batches, |p| {
            p.window_sliding(w, s).reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, w2, s2)
        });
        prop_assert_eq!(seen, expected);
    }

    #[test]
    fn maxima_of_windows(batches in batches(), inner in span(), outer in span()) {
        let (w, s) = (seconds(inner.0), seconds(inner.1));
        let (w2, s2) = (s * outer.0 as u32, s * outer.1 as u32);
        let max = |v: Vec<i64>| v.into_iter().max().unwrap();
        let panes: Vec<Option<Vec<(u8, i64)>>> = contents(&batches, inner).into_iter().map(Some).collect();
        let expected = each(&contents(&panes, outer), |pairs| by_key(pairs, max));
        let seen = windows(&batches, |p| {
            p.window_sliding(w, s).reduce_by_key_and_window(|a, b| a.max(b), w2, s2)
        });
        prop_assert_eq!(seen, expected);

        // The largest of the sums that the inner windows came to.
        let sums = each(&contents(&batches, inner), |pairs| by_key(pairs, |v| v.iter().sum::<i64>()));
        let panes: Vec<Option<Vec<(u8, i64)>>> = sums.into_iter().map(Some).collect();
        let expected = each(&contents(&panes, outer), |pairs| by_key(pairs, max));
        let seen = windows(&batches, |p| {
            let sums = p.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, w, s);
            sums.reduce_by_key_and_window(|a, b| a.max(b), w2, s2)
        });
        prop_assert_eq!(seen, expected);
    }
}
