//! Windows driven step by step, without a context.

use std::collections::BTreeMap;
use std::panic::Location;
use std::time::Duration;

use super::{Arriving, Invertible, KeyedWindow, MergeByValue, PaneEntry, Sliding, Span, TwoStacks, Whole};
use crate::Time;
use crate::job::{Executor, Job};
use crate::rdd::{Flow, Parallelized, Shared};
use crate::sequence::{Sequential, View};
use crate::shuffle::{Combine, Wide};

const PARTITIONS: usize = 2;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn span(panes: u64) -> Span {
    Span { window: seconds(panes), slide: seconds(1), pane: seconds(1) }
}

fn window<S: Sliding<i64>>(span: Span, sliding: S, executor: &Executor) -> KeyedWindow<u32, i64, S> {
    KeyedWindow::new("test", span, sliding, false, executor, PARTITIONS)
}

fn arriving(executor: &Executor, pairs: &[(u32, i64)], time: Time) -> Arriving<u32, i64> {
    let add = |a: i64, b: i64| a + b;
    let sum = Combine::new("sum", executor, PARTITIONS, |v| v, add, add);
    let rdd = Wide::new(Parallelized::new(executor.clone(), pairs.to_vec(), 1), sum);
    Arriving { pane: Some(Shared::new(rdd, None)), end: time }
}

fn read<S: Sliding<i64>>(
    window: &KeyedWindow<u32, i64, S>,
    contents: &<KeyedWindow<u32, i64, S> as Sequential>::Out,
) -> BTreeMap<u32, S::Out> {
    let mut all = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let _ = <Whole as View<KeyedWindow<u32, i64, S>>>::read(window, contents, partition, |(key, out)| {
            assert!(all.insert(key, out).is_none(), "key {key} stands twice");
            Flow::Continue(())
        });
    }
    all
}

/// The keys of batch `t`: always a few of many, so that keys come and go for ever.
fn batch(t: u64) -> Vec<(u32, i64)> {
    let mix = |i: u64| (t * 31 + i).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..t % 7).map(|i| (mix(i) as u32 % 5_000, mix(i + 10) as i64 - (1 << 23))).collect()
}

fn expected(t: u64, panes: u64, f: impl Fn(i64, i64) -> i64) -> BTreeMap<u32, i64> {
    let mut all = BTreeMap::new();
    for t in t.saturating_sub(panes - 1).max(1)..=t {
        let mut pane: BTreeMap<u32, i64> = BTreeMap::new();
        batch(t).into_iter().for_each(|(key, value)| *pane.entry(key).or_default() += value);
        for (key, value) in pane {
            all.entry(key).and_modify(|old| *old = f(*old, value)).or_insert(value);
        }
    }
    all
}

/// 100,000 slides: exact all the way, and nothing that the window holds (index, panes, and what is beside them) is
/// larger in the second half than in the first.
fn slides_for_ever<S: Sliding<i64, Out = i64>>(sliding: S, f: impl Fn(i64, i64) -> i64) {
    let (panes, slides) = (60, 100_000);
    let executor = Executor::local(1);
    let window = window(span(panes), sliding, &executor);
    let mut largest = [0; 2];
    for t in 1..=slides {
        let time = Time::default() + seconds(t);
        let job = Job::new(time, "test");
        let contents = window.advance(&job, time, &arriving(&executor, &batch(t), time)).unwrap();
        if t % 97 == 0 || t < 200 {
            assert_eq!(read(&window, &contents), expected(t, panes, &f), "slide {t}");
        }
        let half = usize::from(t > slides / 2);
        largest[half] = largest[half].max(window.tables().bytes());
    }
    let least = panes as usize * 3 * size_of::<PaneEntry<u32, i64>>();
    assert!(largest[0] > least, "the panes are counted: {largest:?}");
    assert!(largest[1] <= largest[0] * 11 / 10, "grows: {largest:?}");
}

#[test]
fn sums_slide_for_ever() {
    slides_for_ever(Invertible::new(|a, b| a + b, |a, b| a - b, Location::caller()), |a, b| a + b);
}

#[test]
fn maxima_slide_for_ever() {
    slides_for_ever(TwoStacks::new(MergeByValue(i64::max), i64::clone, 60), i64::max);
}

/// The rests of the panes' values are as many as there are values in the front and in the turned part of the middle.
#[test]
fn what_two_stacks_hold_beside_the_panes_is_counted_and_given_back() {
    let (panes, keys) = (10, 50);
    let executor = Executor::local(1);
    let window = window(span(panes), TwoStacks::new(MergeByValue(i64::max), i64::clone, panes), &executor);
    let pairs: Vec<_> = (0..keys).map(|key| (key, 1)).collect();
    let mut largest = 0;
    for t in 1..=100u64 {
        let time = Time::default() + seconds(t);
        let pairs = if t <= 80 { &pairs[..] } else { &[] };
        window.advance(&Job::new(time, "test"), time, &arriving(&executor, pairs, time)).unwrap();
        let lives = (0..PARTITIONS).map(|partition| window.live(partition));
        let (all, beside) = lives.fold((0, 0), |(all, beside), live| {
            let panes = live.panes().map(|pane| size_of_val(&pane.entries[..])).sum::<usize>();
            (all + live.bytes(), beside + live.bytes() - live.weight() - panes)
        });
        assert_eq!(window.tables().bytes(), all);
        assert!(beside <= panes as usize * keys as usize * size_of::<Option<i64>>(), "{beside} bytes");
        assert!(t != 100 || beside == 0, "{beside} bytes beside no panes");
        largest = largest.max(beside);
    }
    assert!(largest >= 5 * keys as usize * size_of::<Option<i64>>(), "{largest} bytes");
}

#[test]
fn every_slide_makes_as_many_merges() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    for (panes, keys) in [(2, 50), (3, 50), (100, 50), (101, 1)] {
        let merges = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&merges);
        let merge = MergeByValue(move |a: i64, b: i64| {
            counted.fetch_add(1, Relaxed);
            a.max(b)
        });
        let executor = Executor::local(1);
        let window = window(span(panes), TwoStacks::new(merge, i64::clone, panes), &executor);
        let pairs: Vec<_> = (0..keys).map(|key| (key, i64::from(key))).collect();
        for t in 1..=5 * panes {
            let time = Time::default() + seconds(t);
            merges.store(0, Relaxed);
            window.advance(&Job::new(time, "test"), time, &arriving(&executor, &pairs, time)).unwrap();
            let most = 3 * keys as usize;
            assert!(
                merges.load(Relaxed) <= most,
                "slide {t} of {panes} panes: {} merges",
                merges.load(Relaxed)
            );
        }
    }
}

#[test]
fn sums_of_fractions_do_not_drift() {
    let panes = 10;
    let executor = Executor::local(1);
    let sliding = Invertible::new(|a: f64, b: f64| a + b, |a: f64, b: f64| a - b, Location::caller());
    let window: KeyedWindow<u32, f64, _> =
        KeyedWindow::new("test", span(panes), sliding, false, &executor, 1);
    let mut last = 0.0;
    for t in 1..=2_000u64 {
        let time = Time::default() + seconds(t);
        let value = if t < 100 { 1e15 + 0.3 } else { 0.1 };
        let rdd = Wide::new(
            Parallelized::new(executor.clone(), vec![(7u32, value)], 1),
            Combine::new("sum", &executor, 1, |v| v, |a: f64, b: f64| a + b, |a: f64, b: f64| a + b),
        );
        let arriving = Arriving { pane: Some(Shared::new(rdd, None)), end: time };
        let contents = window.advance(&Job::new(time, "test"), time, &arriving).unwrap();
        let _ = <Whole as View<KeyedWindow<u32, f64, _>>>::read(&window, &contents, 0, |(_, sum)| {
            last = sum;
            Flow::Continue(())
        });
    }
    assert!((last - 1.0).abs() < 1e-9, "{last}");
}

#[test]
fn more_keys_than_allowed_fail_the_batch_and_change_nothing() {
    let config = crate::Config::new().max_state_keys(10).max_failures(1);
    let executor = Executor::new(&config);
    let window = window(span(3), Invertible::new(|a, b| a + b, |a, b| a - b, Location::caller()), &executor);
    let at = |t: u64| Time::default() + seconds(t);
    let step = |t: u64, keys: std::ops::Range<u32>| {
        let pairs: Vec<_> = keys.map(|key| (key, 1)).collect();
        window.advance(&Job::new(at(t), "test"), at(t), &arriving(&executor, &pairs, at(t)))
    };
    step(1, 0..4).unwrap();
    let error = step(2, 4..40).err().unwrap().to_string();
    assert!(error.contains("40 keys, more than 10 (state.max_keys)"), "{error}");
    let contents = step(2, 2..6).unwrap();
    assert_eq!(read(&window, &contents), BTreeMap::from([(0, 1), (1, 1), (2, 2), (3, 2), (4, 1), (5, 1)]));
}
