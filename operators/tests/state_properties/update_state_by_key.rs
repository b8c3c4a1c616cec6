use std::collections::{BTreeMap, BTreeSet};

use millstream_engine::rdd::BoxRdd;
use millstream_engine::{DStream, Time};
use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Key, Run, by_time, cases, run, time_of};

type Pairs = Vec<(Key, i64)>;

fn key(below: u16) -> impl Strategy<Value = Key> {
    (0..below).prop_map(Key)
}

fn batches() -> impl Strategy<Value = Vec<Option<Pairs>>> {
    let pairs = vec((key(24), -9..9i64), 0..20);
    vec(prop_oneof![1 => Just(None), 1 => Just(Some(Vec::new())), 6 => pairs.prop_map(Some)], 1..25)
}

fn initial() -> impl Strategy<Value = Option<BTreeMap<Key, i64>>> {
    proptest::option::of(proptest::collection::btree_map(key(30), -9..9i64, 0..12))
}

/// Depends on the time, the key, all values and the state; keys go when they have none, now and then.
fn next(time: Time, key: Key, values: &[i64], state: Option<i64>) -> Option<i64> {
    let sum = values.iter().sum::<i64>() + 1_000 * values.len() as i64 + state.unwrap_or(i64::from(key.0));
    let goes = (sum + time.as_millis() / 1_000).rem_euclid(4) == 0 && (values.is_empty() || state.is_none());
    (!goes).then_some(sum)
}

/// The plain way; `rename` changes the keys of what stays.
fn model(
    states: &BTreeMap<Key, i64>,
    time: Time,
    records: &[(Key, i64)],
    rename: fn(Key) -> Key,
) -> BTreeMap<Key, i64> {
    let keys: BTreeSet<Key> = states.keys().copied().chain(records.iter().map(|record| record.0)).collect();
    let next = |key: Key| {
        let values: Vec<i64> =
            records.iter().filter(|record| record.0 == key).map(|record| record.1).collect();
        Some((rename(key), next(time, key, &values, states.get(&key).copied())?))
    };
    keys.into_iter().filter_map(next).collect()
}

fn check(
    batches: &[Option<Pairs>],
    initial: Option<BTreeMap<Key, i64>>,
    run: &Run,
    spec: UpdateSpec<Key, i64, i64>,
    rename: fn(Key) -> Key,
) {
    let test = run.context();
    let input = test.input_with_gaps(batches.to_vec(), 3).expect("an input");
    let spec = spec.partitions(run.partitions);
    let spec = match &initial {
        Some(initial) => spec.initial(test.parallelize(initial.clone(), 2)),
        None => spec,
    };
    let states: DStream<BoxRdd<(Key, i64)>> = input.update_state_by_key_with(spec);
    let seen = test.collect(&states);
    test.run(batches.len()).expect("batches");
    let seen = by_time(&seen);
    let begin = match &initial {
        Some(_) => 0,
        None => batches.iter().position(Option::is_some).unwrap_or(batches.len()),
    };
    run.check_number(&seen, batches.len() - begin);
    let mut states = initial.unwrap_or_default();
    for (index, batch) in batches.iter().enumerate() {
        let time = time_of(index);
        assert!(index >= begin || !seen.contains_key(&time), "nothing before there is anything");
        if let Some(seen) = seen.get(&time) {
            states = model(&states, time, batch.as_deref().unwrap_or_default(), rename);
            assert_eq!(
                seen,
                &states.iter().map(|(key, state)| (*key, *state)).collect::<Pairs>(),
                "batch {time}"
            );
        }
    }
}

proptest! {
    #![proptest_config(cases(50))]

    #[test]
    fn every_key_is_updated_in_every_batch(batches in batches(), initial in initial(), run in run()) {
        let mines = run.mines();
        let spec = UpdateSpec::keyed(move |time, key: &Key, values: &[i64], state| {
            mines.step_on();
            next(time, *key, values, state)
        });
        check(&batches, initial, &run, spec, |key| key);
    }

    #[test]
    fn a_partition_at_a_time(batches in batches(), initial in initial(), run in run()) {
        let mines = run.mines();
        let spec = UpdateSpec::partition_fn(move |time, keys| {
            let mines = mines.clone();
            keys.filter_map(move |(key, values, state)| {
                mines.step_on();
                Some((key, next(time, key, &values, state)?))
            })
        });
        check(&batches, initial, &run, spec, |key| key);
    }

    #[test]
    fn keys_that_change_go_where_they_belong(batches in batches(), initial in initial(), run in run()) {
        let mines = run.mines();
        let spec = UpdateSpec::partition_fn(move |time, keys| {
            let next = |(key, values, state): (Key, Vec<i64>, Option<i64>)| {
                mines.step_on();
                Some((Key(key.0 ^ 1), next(time, key, &values, state)?))
            };
            keys.filter_map(next).collect::<Vec<_>>()
        });
        check(&batches, initial, &run, spec, |key| Key(key.0 ^ 1));
    }
}
