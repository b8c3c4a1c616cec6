//! A program that runs for hours of its own time, a day when it is compiled for release: exact to the end, and no larger
//! than at first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream::prelude::*;
use millstream::rdd::Data;
use millstream::testkit::TestContext;

const SECOND: Duration = Duration::from_secs(1);
/// Fewer where a program that is compiled for debugging would take minutes.
const BATCHES: usize = if cfg!(debug_assertions) { 20_000 } else { 100_000 };
/// After so many batches the results are compared.
const STEP: usize = 97;
/// In batches.
const WINDOW: usize = 60;
/// In batches.
const TIMEOUT: usize = 5;

type Pair = (u8, i64);

/// A few of 40 keys, every now and then none; keys come and go, and values are negative, too.
fn batch(t: usize) -> Vec<Pair> {
    let mix = |i: usize| ((t * 31 + i) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
    (0..t % 5).map(|i| (mix(i) as u8 % 40, mix(i + 10) as i64 - (1 << 23))).collect()
}

/// The latest records that a stream has given, in order.
fn latest<T: Data + Ord>(stream: &DStream<impl Rdd<Item = T>>) -> Arc<Mutex<Vec<T>>> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let latest = Arc::clone(&seen);
    stream.foreach_rdd(move |rdd, _| {
        let mut records = rdd.collect()?;
        records.sort();
        *latest.lock().unwrap() = records;
        Ok(())
    });
    seen
}

/// The sum of a key's values until it has been idle for too long; when it goes, the sum comes out.
fn sessions() -> StateSpec<u8, i64, i64, Option<i64>> {
    StateSpec::function(|_, value: Option<i64>, state: &mut State<'_, i64>| {
        let sum = state.get().unwrap_or(&0) + value.unwrap_or(0);
        if value.is_some() {
            state.update(sum);
        }
        state.is_timing_out().then_some(sum)
    })
}

/// What `sessions` does, key by key.
#[derive(Default)]
struct Model {
    /// Sum and last batch of each key.
    keys: BTreeMap<u8, (i64, usize)>,
    gone: i64,
}

impl Model {
    fn take_in(&mut self, t: usize) {
        for (key, value) in batch(t) {
            let (sum, last) = self.keys.entry(key).or_default();
            (*sum, *last) = (*sum + value, t);
        }
        let gone = &mut self.gone;
        self.keys.retain(|_, (sum, last)| {
            let is_live = t - *last <= TIMEOUT;
            *gone += if is_live { 0 } else { *sum };
            is_live
        });
    }
}

fn reduced(window: &[Pair], f: fn(i64, i64) -> i64) -> Vec<Pair> {
    let mut all: BTreeMap<u8, i64> = BTreeMap::new();
    for (key, value) in window {
        all.entry(*key).and_modify(|old| *old = f(*old, *value)).or_insert(*value);
    }
    all.into_iter().collect()
}

/// What the program holds: the bytes of each operator, and all that the memory counts but texts, of which there are none here:
/// the long ones are counted for the whole process, and other tests have some.
fn held(test: &TestContext) -> Vec<usize> {
    let operators = test.operators().into_iter().map(|operator| operator.bytes);
    let memory = test.memory();
    operators.chain([memory.kept + memory.windows + memory.state]).collect()
}

#[test]
fn windows_and_states_run_for_ever() {
    let test = TestContext::new(SECOND).unwrap();
    let pairs = test.input((1..=BATCHES).map(batch), 1).unwrap();
    let window = SECOND * WINDOW as u32;
    let sums = latest(&pairs.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, SECOND));
    let maxima = latest(&pairs.reduce_by_key_and_window(i64::max, window, SECOND));
    let counts = latest(&pairs.count_by_window(window, SECOND));
    let sessions = pairs.map_with_state(sessions().timeout(SECOND * TIMEOUT as u32));
    let states = latest(&sessions.state_snapshots());
    let gone = Arc::new(AtomicI64::new(0));
    let sum = Arc::clone(&gone);
    sessions.foreach_rdd(move |rdd, _| {
        sum.fetch_add(rdd.collect()?.into_iter().flatten().sum(), Ordering::Relaxed);
        Ok(())
    });

    let (mut model, mut done, mut largest) = (Model::default(), 0, [vec![0; 5], vec![0; 5]]);
    for end in (STEP..BATCHES).step_by(STEP).chain([BATCHES]) {
        (done + 1..=end).for_each(|t| model.take_in(t));
        test.run(end - done).unwrap();
        done = end;
        let window: Vec<Pair> = (end.saturating_sub(WINDOW - 1).max(1)..=end).flat_map(batch).collect();
        assert_eq!(*sums.lock().unwrap(), reduced(&window, |a, b| a + b), "after batch {end}");
        assert_eq!(*maxima.lock().unwrap(), reduced(&window, i64::max), "after batch {end}");
        assert_eq!(*counts.lock().unwrap(), [window.len() as u64], "after batch {end}");
        let live: Vec<Pair> = model.keys.iter().map(|(key, (sum, _))| (*key, *sum)).collect();
        assert_eq!(*states.lock().unwrap(), live, "after batch {end}");
        assert_eq!(gone.load(Ordering::Relaxed), model.gone, "after batch {end}");
        let largest = &mut largest[usize::from(end > BATCHES / 2)];
        largest.iter_mut().zip(held(&test)).for_each(|(largest, now)| *largest = now.max(*largest));
    }
    assert!(largest[0].iter().all(|bytes| *bytes > 0), "operators that hold nothing: {largest:?}");
    let is_flat = |(before, after): (&usize, &usize)| *after <= before * 11 / 10;
    assert!(largest[0].iter().zip(&largest[1]).all(is_flat), "grows: {largest:?}");
}
