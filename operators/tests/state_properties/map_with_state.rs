use std::collections::BTreeMap;
use std::time::Duration;

use millstream_engine::Time;
use millstream_operators::prelude::*;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::common::{Key, Mines, Run, SECOND, by_time, cases, run, time_of};

/// What a record has done to its key's state.
#[derive(Clone, Copy, Debug)]
enum Op {
    Add(i64),
    Look,
    Remove,
    AddAndRemove(i64),
}

type Batches = Vec<Option<Vec<(Key, Op)>>>;

/// The key, the state when the function was called, and whether the key was timing out.
type Emitted = (Key, Option<i64>, bool);

fn key() -> impl Strategy<Value = Key> {
    (0..14u16).prop_map(Key)
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (-9..9i64).prop_map(Op::Add),
        2 => Just(Op::Look),
        2 => Just(Op::Remove),
        1 => (-9..9i64).prop_map(Op::AddAndRemove),
    ]
}

fn batches() -> impl Strategy<Value = Batches> {
    let batch = prop_oneof![1 => Just(None), 2 => Just(Some(Vec::new())), 6 => vec((key(), op()), 0..14).prop_map(Some)];
    vec(batch, 1..30)
}

fn timeout() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::weighted(0.8, (1..8_000u64).prop_map(Duration::from_millis))
}

fn initial() -> impl Strategy<Value = Option<BTreeMap<Key, i64>>> {
    proptest::option::of(proptest::collection::btree_map(key(), -9..9i64, 0..8))
}

fn spec(mines: Mines) -> StateSpec<Key, Op, i64, Emitted> {
    StateSpec::function(move |key: &Key, op: Option<Op>, state: &mut State<i64>| {
        mines.step_on();
        let before = state.get().copied();
        match op {
            Some(Op::Add(n)) => state.update(before.unwrap_or(0) + n),
            Some(Op::Remove) => state.remove(),
            Some(Op::AddAndRemove(n)) => {
                state.update(n);
                assert_eq!(state.get(), Some(&n));
                state.remove();
            }
            Some(Op::Look) | None => (),
        }
        (*key, before, state.is_timing_out())
    })
}

/// The plain way.
#[derive(Default)]
struct Model {
    /// Each state with the time at which its key had its last record.
    states: BTreeMap<Key, (i64, Time)>,
}

impl Model {
    fn batch(&mut self, time: Time, records: &[(Key, Op)], timeout: Option<Duration>) -> Vec<Emitted> {
        let mut emitted = Vec::new();
        for (key, op) in records {
            let before = self.states.get(key).map(|state| state.0);
            emitted.push((*key, before, false));
            let after = match op {
                Op::Add(n) => Some(before.unwrap_or(0) + n),
                Op::Look => before,
                Op::Remove | Op::AddAndRemove(_) => None,
            };
            match after {
                Some(state) => drop(self.states.insert(*key, (state, time))),
                None => drop(self.states.remove(key)),
            }
        }
        if let Some(timeout) = timeout {
            let old = |state: &(i64, Time)| state.1 < time - timeout;
            let gone = self.states.iter().filter(|(_, state)| old(state));
            emitted.extend(gone.map(|(key, state)| (*key, Some(state.0), true)));
            self.states.retain(|_, state| !old(state));
        }
        emitted.sort();
        emitted
    }

    fn states(&self) -> Vec<(Key, i64)> {
        self.states.iter().map(|(key, state)| (*key, state.0)).collect()
    }
}

fn check(batches: &Batches, timeout: Option<Duration>, initial: Option<BTreeMap<Key, i64>>, run: &Run) {
    let test = run.context();
    // In one partition: the order of records that come from several is not defined.
    let input = test.input_with_gaps(batches.clone(), 1).expect("an input");
    let mut spec = spec(run.mines()).partitions(run.partitions);
    if let Some(timeout) = timeout {
        spec = spec.timeout(timeout);
    }
    if let Some(initial) = &initial {
        spec = spec.initial_state(test.parallelize(initial.clone(), 3));
    }
    let mapped = input.map_with_state(spec);
    let (emitted, states) = (test.collect(mapped.mapped()), test.collect(&mapped.state_snapshots()));
    test.run(batches.len()).expect("batches");
    let (emitted, states) = (by_time(&emitted), by_time(&states));
    run.check_number(&emitted, batches.len());
    let initial = initial.into_iter().flatten().map(|(key, state)| (key, (state, time_of(0))));
    let mut model = Model { states: initial.collect() };
    for (index, batch) in batches.iter().enumerate() {
        let time = time_of(index);
        assert_eq!(emitted.contains_key(&time), states.contains_key(&time), "batch {time}");
        if let Some(emitted) = emitted.get(&time) {
            let expected = model.batch(time, batch.as_deref().unwrap_or_default(), timeout);
            assert_eq!(emitted, &expected, "batch {time}");
            assert_eq!(states[&time], model.states(), "batch {time}");
        }
    }
}

proptest! {
    #![proptest_config(cases(80))]

    #[test]
    fn it_is_a_map_from_which_keys_time_out(
        batches in batches(),
        timeout in timeout(),
        initial in initial(),
        run in run(),
    ) {
        check(&batches, timeout, initial, &run);
    }

    /// Snapshots change neither what is kept nor what is emitted, and the cut changes neither.
    #[test]
    fn the_cut_does_not_matter(batches in vec(vec((0..40u64, 0..9i64), 0..40), 1..12), timeout in timeout(), run in run()) {
        let emitted = |partitions, inputs, with_snapshots: bool| {
            let test = Run { mines: Vec::new(), ..run.clone() }.context();
            let spec = StateSpec::function(|key: &u64, n: Option<i64>, state: &mut State<i64>| {
                if let Some(n) = n {
                    state.update(state.get().unwrap_or(&0) + n);
                }
                (*key, state.is_timing_out().then(|| state.get().copied()))
            });
            let spec = StateSpec::partitions(spec, partitions).timeout(timeout.unwrap_or(3 * SECOND));
            let mapped = test.input(batches.clone(), inputs).expect("an input").map_with_state(spec);
            let emitted = test.collect(mapped.mapped());
            let _states = with_snapshots.then(|| test.collect(&mapped.state_snapshots()));
            test.run(batches.len() + 10).expect("batches");
            by_time(&emitted)
        };
        prop_assert_eq!(emitted(1, 1, false), emitted(run.partitions, 3, true));
    }
}
