//! How often each user has come so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use compare_programs::Outcome;
use compare_programs::arguments::Arguments;
use millstream::prelude::*;

use crate::replay::{Replay, number};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let replay = Replay::new(arguments)?;
    let users = replay.lines.filter_map(|line| Some((line.nth(' ', 1)?, 1u64)));
    let counts = users.reduce_by_key(|a, b| a + b).map_with_state(StateSpec::function(add));

    let updates = Arc::new(AtomicU64::new(0));
    let all_updates = Arc::clone(&updates);
    counts.foreach_rdd(move |updated, _| {
        all_updates.fetch_add(updated.count()?, Ordering::Relaxed);
        Ok(())
    });
    let (last, results) = (replay.batches, replay.results.clone());
    counts.state_snapshots().foreach_rdd(move |state, time| {
        if number(time) == last {
            for (user, count) in state.collect()? {
                results.write_pair(&user, count)?;
            }
        }
        Ok(())
    });
    let results = replay.results.clone();
    replay.run_then(|| Ok(results.write_pair("updates", updates.load(Ordering::Relaxed))?))
}

/// Adds what came of a user to what had come.
fn add(user: &Text, new: Option<u64>, count: &mut State<u64>) -> (Text, u64) {
    let sum = count.get().unwrap_or(&0) + new.unwrap_or(0);
    count.update(sum);
    (user.clone(), sum)
}
