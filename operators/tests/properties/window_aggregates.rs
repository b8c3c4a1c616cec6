//! Mergeable aggregates of windows against the same made anew of all values in the window.

use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::testkit::TestContext;
use millstream_operators::aggregate::{
    Aggregate, DistinctHll, Frequents, Mean, Moments, Quantiles, TopK, TopKApprox, Variance,
};
use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{cases, sorted};
use crate::windows::{Span, by_key, contents, seconds, span};

/// `None` is a batch that does not exist.
type Batch = Option<Vec<(u8, i64)>>;

/// Batches of pairs, some without any and some that do not exist. Of the values some are many times the same, others
/// far apart.
fn batches() -> impl Strategy<Value = Vec<Batch>> {
    let value = prop_oneof![3 => -10..10i64, 2 => -1_000_000..1_000_000i64];
    let pairs = vec((0..4u8, value), 0..40);
    vec(prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 6 => pairs.prop_map(Some)], 1..25)
}

/// What `aggregate` gives for the keys of every window, in their order.
fn aggregated<A: Aggregate<i64>>(
    batches: &[Batch],
    partitions: usize,
    span: Span,
    aggregate: A,
) -> Vec<Vec<(u8, A::Out)>> {
    let test = TestContext::new(Duration::from_secs(1)).expect("a context");
    let input = test.input_with_gaps(batches.to_vec(), 2).expect("an input");
    let (w, s) = (seconds(span.0), seconds(span.1));
    let seen = test.collect(&input.aggregate_by_key_and_window_in(partitions, aggregate, w, s));
    test.run(batches.len()).expect("batches");
    let mut windows = seen.batches();
    windows.iter_mut().for_each(|window| window.sort_by_key(|(key, _)| *key));
    windows
}

/// The values of the keys of every window.
fn values(batches: &[Batch], span: Span) -> Vec<Vec<(u8, Vec<i64>)>> {
    contents(batches, span).iter().map(|pairs| by_key(pairs, |values| values)).collect()
}

/// Every window has the keys of its values, and `is_right` holds for what it has for each.
fn check<A: Aggregate<i64>>(
    batches: &[Batch],
    (span, partitions): (Span, usize),
    aggregate: A,
    is_right: impl Fn(&[i64], &A::Out) -> bool,
) -> Result<(), TestCaseError>
where
    A::Out: std::fmt::Debug,
{
    let (windows, expected) = (aggregated(batches, partitions, span, aggregate), values(batches, span));
    prop_assert_eq!(windows.len(), expected.len());
    for (window, expected) in windows.iter().zip(&expected) {
        let keys = |(key, _): &(u8, Vec<i64>)| *key;
        prop_assert_eq!(
            window.iter().map(|(key, _)| *key).collect::<Vec<_>>(),
            expected.iter().map(keys).collect::<Vec<_>>()
        );
        for ((key, out), (_, values)) in window.iter().zip(expected) {
            prop_assert!(is_right(values, out), "key {key}: {out:?} of {values:?}");
        }
    }
    Ok(())
}

/// What one accumulator makes of all values.
fn at_once<A: Aggregate<i64>>(aggregate: &A, values: &[i64]) -> A::Out {
    let mut acc = aggregate.zero();
    values.iter().for_each(|value| aggregate.add(&mut acc, *value));
    aggregate.finish(&acc)
}

/// How often each value occurs, the most frequent first, of equal frequency in the order of the values.
fn frequencies(values: &[i64]) -> Vec<(i64, u64)> {
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    values.iter().for_each(|value| *counts.entry(*value).or_default() += 1);
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(value, count)| (std::cmp::Reverse(*count), *value));
    counts
}

fn is_near(found: Option<f64>, exact: f64) -> bool {
    found.is_some_and(|found| (found - exact).abs() <= 1e-9 * exact.abs().max(1.0))
}

/// Mean and mean square distance of whole numbers, exact but for the last division.
fn has_moments(values: &[i64], moments: &Moments) -> bool {
    let n = values.len() as i128;
    let sum: i128 = values.iter().map(|value| i128::from(*value)).sum();
    let squares: i128 = values.iter().map(|value| (n * i128::from(*value) - sum).pow(2)).sum();
    moments.count() == values.len() as u64
        && is_near(moments.mean(), sum as f64 / n as f64)
        && is_near(moments.population_variance(), squares as f64 / (n * n * n) as f64)
}

const FRACTIONS: [f64; 5] = [0.0, 0.25, 0.5, 0.99, 1.0];
const ACCURACY: f64 = 0.02;

/// Each value is within the accuracy of the one of its rank.
fn are_quantiles(values: &[i64], found: Option<&Vec<f64>>) -> bool {
    let values = sorted(values.to_vec());
    let exact = FRACTIONS.map(|q| values[(q * (values.len() - 1) as f64) as usize] as f64);
    let is_near =
        |(found, exact): (&f64, f64)| (found - exact).abs() <= ACCURACY * exact.abs() * (1.0 + 1e-9);
    found.is_some_and(|found| found.len() == exact.len() && found.iter().zip(exact).all(is_near))
}

const COUNTERS: usize = 4;

/// What a sketch with as many counters as it shows promises of its results.
fn keeps_its_bounds(values: &[i64], found: &Frequents<i64>) -> bool {
    let exact = frequencies(values);
    let count_of =
        |value: i64| exact.iter().find(|(other, _)| *other == value).map_or(0, |(_, count)| *count);
    let is_shown = |value: i64| found.values.iter().any(|frequent| frequent.value == value);
    let is_bounded = found.values.iter().all(|frequent| {
        let count = count_of(frequent.value);
        (frequent.count - frequent.error..=frequent.count).contains(&count)
            && frequent.error <= found.error_max
    });
    let least = found.values.last().map_or(0, |frequent| frequent.count);
    let missed = exact.iter().filter(|(value, _)| !is_shown(*value)).map(|(_, count)| *count).max();
    let shown: Vec<_> = found.values.iter().map(|frequent| (frequent.value, frequent.count)).collect();
    is_bounded
        && found.error_max <= values.len() as u64 / (COUNTERS as u64 + 1)
        && missed.unwrap_or(0) <= found.error_max.max(least)
        && (exact.len() > COUNTERS || shown == exact)
}

proptest! {
    #![proptest_config(cases(30))]

    #[test]
    fn means_and_variances(batches in batches(), span in span(), n in 1..5usize) {
        check(&batches, (span, n), Mean, |values, mean| {
            is_near(*mean, values.iter().sum::<i64>() as f64 / values.len() as f64)
        })?;
        check(&batches, (span, n), Variance, has_moments)?;
    }

    /// As coarse as it may be, so that more than two values are estimated; and as fine as it usually is.
    #[test]
    fn distinct_counts_are_those_of_one_sketch(batches in batches(), span in span(), n in 1..5usize) {
        for precision in [4, 14] {
            let sketch = DistinctHll::new(precision).expect("a precision");
            check(&batches, (span, n), sketch, |values, about| at_once(&sketch, values) == *about)?;
        }
        check(&batches, (span, n), DistinctHll::default(), |values, about| {
            frequencies(values).len() as u64 == *about
        })?;
    }

    #[test]
    fn quantiles_are_those_of_one_sketch(batches in batches(), span in span(), n in 1..5usize) {
        let quantiles = Quantiles::new(ACCURACY, FRACTIONS).expect("an accuracy");
        check(&batches, (span, n), quantiles.clone(), |values, found| {
            at_once(&quantiles, values) == *found && are_quantiles(values, found.as_ref())
        })?;
    }

    #[test]
    fn most_frequent_values(batches in batches(), span in span(), n in 1..5usize, k in 0..6usize) {
        check(&batches, (span, n), TopK::new(k), |values, top| {
            let mut expected = frequencies(values);
            expected.truncate(k);
            *top == expected
        })?;
        check(&batches, (span, n), TopKApprox::new(COUNTERS, COUNTERS), keeps_its_bounds)?;
    }
}
