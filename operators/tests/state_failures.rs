//! What becomes of keyed state when something is wrong: with the program, with a function, or with the number of keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream_engine::config::OnBatchFailure;
use millstream_engine::rdd::Parallelized;
use millstream_engine::testkit::TestContext;
use millstream_engine::{Config, DStream, Time};
use millstream_operators::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

type Pairs = DStream<Parallelized<(u64, i64)>>;

fn context(config: Config) -> TestContext {
    TestContext::with_config(config.batch_interval(SECOND), Time::default()).unwrap()
}

fn pairs(test: &TestContext, batches: &[&[u64]]) -> Pairs {
    let batch = |keys: &&[u64]| keys.iter().map(|key| (*key, 1)).collect();
    test.input(batches.iter().map(batch).collect::<Vec<Vec<_>>>(), 2).unwrap()
}

fn sum(_: &u64, value: Option<i64>, state: &mut State<'_, i64>) -> i64 {
    let sum = value.unwrap_or(0) + state.get().unwrap_or(&0);
    if !state.is_timing_out() {
        state.update(sum);
    }
    sum
}

fn sums() -> StateSpec<u64, i64, i64, i64> {
    StateSpec::function(sum)
}

fn total(values: &[i64], state: Option<i64>) -> Option<i64> {
    Some(values.iter().sum::<i64>() + state.unwrap_or(0))
}

#[test]
fn what_is_not_allowed_fails_the_batch_with_a_sentence() {
    type Misuse = fn(&mut State<'_, i64>);
    let cases: [(Misuse, usize, &str); 4] = [
        (
            |state| {
                state.remove();
                state.update(1);
            },
            1,
            "Cannot update the state after it has been removed",
        ),
        (
            |state| {
                state.remove();
                state.remove();
            },
            1,
            "Cannot remove the state that has already been removed",
        ),
        (
            |state| if state.is_timing_out() { state.update(2) } else { state.update(1) },
            3,
            "Cannot update the state that is timing out",
        ),
        (
            |state| if state.is_timing_out() { state.remove() } else { state.update(1) },
            3,
            "Cannot remove the state that is timing out",
        ),
    ];
    for (misuse, batch, sentence) in cases {
        let test = context(Config::new());
        let spec = StateSpec::function(move |_: &u64, _: Option<i64>, state: &mut State<i64>| misuse(state));
        let seen = test.collect(pairs(&test, &[&[7]]).map_with_state(spec.timeout(SECOND)).mapped());
        let error = test.run(5).unwrap_err().to_string();
        assert!(error.contains(sentence) && error.contains("map_with_state"), "{error}");
        assert!(error.contains(&Time::from_millis(batch as i64 * 1_000).to_string()), "{error}");
        assert_eq!(seen.batches().len(), batch - 1);
    }
}

#[test]
fn a_state_is_shown() {
    let mut state = State::new(Some(&1.5));
    assert_eq!(state.to_string(), "1.5");
    state.update(2.0);
    assert_eq!(format!("{state:.2}"), "2.00");
    state.remove();
    assert_eq!(state.to_string(), "<state not set>");
    assert_eq!(State::<i64>::new(None).to_string(), "<state not set>");
}

#[test]
fn a_timeout_of_nothing_is_a_mistake() {
    let test = context(Config::new());
    let timeout = Duration::from_micros(999);
    let _seen = test.collect(pairs(&test, &[&[1]]).map_with_state(sums().timeout(timeout)).mapped());
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("must be at least 1 ms") && error.contains("state_failures.rs"), "{error}");
}

#[test]
fn two_operators_of_one_name_are_a_mistake() {
    let test = context(Config::new());
    let pairs = pairs(&test, &[&[1]]);
    let _sums = test.collect(pairs.map_with_state(sums()).named("sums").mapped());
    let _totals = test.collect(&pairs.update_state_by_key(total).named("sums"));
    let error = test.run(1).unwrap_err().to_string();
    assert!(error.contains("named \"sums\""), "{error}");
}

#[test]
fn operators_say_how_many_keys_they_hold() {
    let test = context(Config::new());
    let pairs = pairs(&test, &[&[1, 2, 3], &[4]]);
    let _sums = test.collect(pairs.map_with_state(sums().timeout(SECOND)).named("sums").mapped());
    let _totals = test.collect(&pairs.update_state_by_key(total));
    let held =
        || test.operators().into_iter().map(|operator| (operator.id, operator.keys)).collect::<Vec<_>>();
    for (sums, totals) in [(3, 3), (4, 4), (1, 4), (0, 4)] {
        test.run(1).unwrap();
        assert_eq!(held(), [("sums".to_owned(), sums), ("update_state_by_key-1".to_owned(), totals)]);
    }
}

/// Keys 1 to 3, then one too many beside a known one, then a known one; the batch in the middle is as if it had not been.
#[test]
fn a_batch_with_too_many_keys_is_left_out_as_a_whole() {
    let config = || Config::new().max_state_keys(3).on_batch_failure(OnBatchFailure::Skip);
    let batches: [&[u64]; 3] = [&[1, 2, 3], &[1, 4], &[1]];
    for partitions in [1, 4] {
        let test = context(config());
        let mapped = pairs(&test, &batches).map_with_state(sums().partitions(partitions));
        let states = test.collect(&mapped.state_snapshots());
        test.run(3).unwrap();
        let times: Vec<i64> = states.timed().iter().map(|(time, _)| time.as_millis()).collect();
        assert_eq!(times, [1_000, 3_000]);
        assert_eq!(states.sorted(), [[(1, 1), (2, 1), (3, 1)], [(1, 2), (2, 1), (3, 1)]]);

        let test = context(config());
        let states = test.collect(&pairs(&test, &batches).update_state_by_key_in(partitions, total));
        test.run(3).unwrap();
        assert_eq!(states.sorted(), [[(1, 1), (2, 1), (3, 1)], [(1, 2), (2, 1), (3, 1)]]);
    }
    let test = context(Config::new().max_state_keys(3));
    let _states = test.collect(&pairs(&test, &batches).update_state_by_key(total));
    let error = test.run(3).unwrap_err().to_string();
    assert!(error.contains("update_state_by_key-1 (operators/tests/state_failures.rs:"), "{error}");
    assert!(error.contains("would hold 4 keys, more than 3 (state.max_keys)"), "{error}");
}

/// The first batch is left out, but not the state before it.
#[test]
fn an_initial_state_that_fails_at_first_is_taken_in_once() {
    let test = context(Config::new().on_batch_failure(OnBatchFailure::Skip).max_failures(1));
    let failures = Arc::new(AtomicUsize::new(1));
    let initial = test.parallelize([(1, 10), (2, 20), (1_000, 5)], 3).map(move |(key, state)| {
        if key == 1_000 {
            let left = failures.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
            assert!(left.is_err(), "not yet");
        }
        (key, state)
    });
    let mapped = pairs(&test, &[&[1], &[1], &[3]]).map_with_state(sums().initial_state(initial));
    let states = test.collect(&mapped.state_snapshots());
    test.run(3).unwrap();
    let left = [(1, 11), (2, 20), (1_000, 5)];
    assert_eq!(states.sorted(), [left.to_vec(), vec![(1, 11), (2, 20), (3, 1), (1_000, 5)]]);
}

/// The state of a batch that is read while later ones change it stays what it was.
#[test]
fn snapshots_that_are_remembered_do_not_change() {
    let test = context(Config::new());
    test.remember(Duration::from_secs(60)).unwrap();
    let mapped = pairs(&test, &[&[1], &[1, 2], &[], &[2]]).map_with_state(sums());
    let states = mapped.state_snapshots();
    let totals = pairs(&test, &[&[1], &[1, 2], &[], &[2]]).update_state_by_key(total);
    let (all, all_totals) = (test.collect(&states), test.collect(&totals));
    test.run(4).unwrap();
    let expected = [vec![(1, 1)], vec![(1, 2), (2, 1)], vec![(1, 2), (2, 1)], vec![(1, 2), (2, 2)]];
    assert_eq!(all.sorted(), expected);
    assert_eq!(all_totals.sorted(), expected);
    for (index, expected) in expected.iter().enumerate() {
        let time = Time::from_millis(index as i64 * 1_000 + 1_000);
        for stream in [&states, &totals] {
            let mut again = stream.slice(time, time).unwrap().remove(0).collect().unwrap();
            again.sort_unstable();
            assert_eq!(&again, expected, "{time}");
        }
    }
}

/// All vocabulary works on the stream itself, and two readers of it see one call of the function.
#[test]
fn the_mapped_stream_is_a_stream() {
    let test = context(Config::new());
    let calls = Arc::new(AtomicUsize::new(0));
    let called = Arc::clone(&calls);
    let spec = StateSpec::function_at(move |time, key: &u64, one: Option<i64>, state: &mut State<i64>| {
        called.fetch_add(1, Ordering::Relaxed);
        Some((*key, (time.as_millis(), sum(key, one, state))))
    });
    let mapped = pairs(&test, &[&[1, 1, 2], &[2]]).map_with_state(spec.clone());
    let keys = test.collect(&mapped.keys().distinct());
    let again = test.collect(
        &mapped
            .map_values(|(time, n)| time + n)
            .map_with_state(StateSpec::function(|key: &u64, value, _: &mut State<()>| (*key, value)))
            .filter(|(key, _)| *key == 2),
    );
    test.run(2).unwrap();
    assert_eq!(keys.sorted(), [vec![1, 2], vec![2]]);
    assert_eq!(again.batches(), [[(2, Some(1_001))], [(2, Some(2_002))]]);
    assert_eq!(calls.load(Ordering::Relaxed), 4);
}
