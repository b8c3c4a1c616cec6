//! Two windows of different length that slide together: joins and cogroups against the same made anew of all batches in them.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream_engine::DStream;
use millstream_engine::rdd::{BoxRdd, Parallelized, Rdd};
use millstream_engine::testkit::TestContext;
use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{cases, sorted};
use crate::windows::{Span, by_key, contents, seconds};

type Pair = (u8, i64);
/// A key with a value of each side that has any.
type Joined = (u8, (Option<i64>, Option<i64>));
type Batches = Vec<Option<Vec<Pair>>>;
type Input = DStream<Parallelized<Pair>>;
type Window = DStream<BoxRdd<Pair>>;

/// The batches of two streams, and the spans of their windows.
#[derive(Debug, Clone)]
struct Sides {
    left: Batches,
    right: Batches,
    spans: (Span, Span),
}

/// Two streams of as many batches, some without any pairs and some that do not exist; keys may be on both sides, on one
/// or on none.
fn sides() -> impl Strategy<Value = Sides> {
    let pairs = || vec((0..6u8, -10..10i64), 0..8);
    let batch =
        move || prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 5 => pairs().prop_map(Some)];
    let batches = (1..20usize).prop_flat_map(move |n| (vec(batch(), n), vec(batch(), n)));
    (batches, 1..=7usize, 1..=7usize, 1..=4usize).prop_map(|((left, right), v, w, slide)| Sides {
        left,
        right,
        spans: ((v, slide), (w, slide)),
    })
}

impl Sides {
    /// What the stream that `build` makes of both streams gives, window by window, each in order.
    fn run<R: Rdd<Item: Ord>>(&self, build: impl FnOnce(&Input, &Input) -> DStream<R>) -> Vec<Vec<R::Item>> {
        let test = TestContext::new(Duration::from_secs(1)).expect("a context");
        let left = test.input_with_gaps(self.left.clone(), 2).expect("an input");
        let right = test.input_with_gaps(self.right.clone(), 3).expect("an input");
        let seen = test.collect(&build(&left, &right));
        test.run(self.left.len()).expect("batches");
        seen.sorted()
    }

    /// The same of the windows of whole records.
    fn run_whole<R: Rdd<Item: Ord>>(
        &self,
        build: impl FnOnce(&Window, &Window) -> DStream<R>,
    ) -> Vec<Vec<R::Item>> {
        let ((v, slide), (w, _)) = self.spans;
        self.run(|left, right| {
            let left = left.window_sliding(seconds(v), seconds(slide));
            build(&left, &right.window_sliding(seconds(w), seconds(slide)))
        })
    }

    /// What `f` makes of the records of both windows, window by window, each in order.
    fn expected<T: Ord>(&self, f: impl Fn(&[Pair], &[Pair]) -> Vec<T>) -> Vec<Vec<T>> {
        let (left, right) = (contents(&self.left, self.spans.0), contents(&self.right, self.spans.1));
        left.iter().zip(&right).map(|(left, right)| sorted(f(left, right))).collect()
    }
}

fn of_key(pairs: &[Pair], key: u8) -> Vec<i64> {
    pairs.iter().filter(|(other, _)| *other == key).map(|(_, value)| *value).collect()
}

fn keys(left: &[Pair], right: &[Pair]) -> BTreeSet<u8> {
    left.iter().chain(right).map(|(key, _)| *key).collect()
}

/// The values as they are, or nothing once.
fn or_none(values: Vec<i64>) -> Vec<Option<i64>> {
    if values.is_empty() { vec![None] } else { values.into_iter().map(Some).collect() }
}

/// Every value of the left with every value of the right, key by key; a side that has none has nothing once.
fn outer(left: &[Pair], right: &[Pair]) -> Vec<Joined> {
    let of_key = |key| {
        let (left, right) = (or_none(of_key(left, key)), or_none(of_key(right, key)));
        left.into_iter().flat_map(move |l| right.clone().into_iter().map(move |r| (key, (l, r))))
    };
    keys(left, right).into_iter().flat_map(of_key).collect()
}

fn inner(left: &[Pair], right: &[Pair]) -> Vec<(u8, (i64, i64))> {
    outer(left, right).into_iter().filter_map(|(key, (l, r))| Some((key, (l?, r?)))).collect()
}

fn left_outer(left: &[Pair], right: &[Pair]) -> Vec<(u8, (i64, Option<i64>))> {
    outer(left, right).into_iter().filter_map(|(key, (l, r))| Some((key, (l?, r)))).collect()
}

proptest! {
    #![proptest_config(cases(40))]

    #[test]
    fn whole_windows(sides in sides()) {
        prop_assert_eq!(sides.run_whole(|l, r| l.join(r)), sides.expected(inner));
        prop_assert_eq!(sides.run_whole(|l, r| l.left_outer_join(r)), sides.expected(left_outer));
        prop_assert_eq!(sides.run_whole(|l, r| l.full_outer_join(r)), sides.expected(outer));
        let groups = |left: &[Pair], right: &[Pair]| {
            let of_key = |key| (key, (sorted(of_key(left, key)), sorted(of_key(right, key))));
            keys(left, right).into_iter().map(of_key).collect()
        };
        let in_order = |(left, right)| (sorted(left), sorted(right));
        prop_assert_eq!(sides.run_whole(|l, r| l.cogroup(r).map_values(in_order)), sides.expected(groups));
    }

    /// The sums of one window beside the largest values of another.
    #[test]
    fn reduced_windows(sides in sides()) {
        let ((v, slide), (w, _)) = sides.spans;
        let (v, w, slide) = (seconds(v), seconds(w), seconds(slide));
        let sums = |input: &Input| input.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, v, slide);
        let largest = |input: &Input| input.reduce_by_key_and_window(|a, b| a.max(b), w, slide);
        let reduced = |left: &[Pair], right: &[Pair]| {
            let sums = by_key(left, |values| values.iter().sum::<i64>());
            (sums, by_key(right, |values| values.into_iter().max().unwrap()))
        };
        let of = |left: &[Pair], right: &[Pair]| {
            let (left, right) = reduced(left, right);
            outer(&left, &right)
        };
        prop_assert_eq!(sides.run(|l, r| sums(l).full_outer_join(&largest(r))), sides.expected(of));
        let of = |left: &[Pair], right: &[Pair]| {
            let (left, right) = reduced(left, right);
            inner(&left, &right)
        };
        prop_assert_eq!(sides.run(|l, r| sums(l).join(&largest(r))), sides.expected(of));
    }
}
