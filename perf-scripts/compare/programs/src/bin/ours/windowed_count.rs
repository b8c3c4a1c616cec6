//! Errors of each host in the last 30 s, every second.

use compare_programs::Outcome;
use compare_programs::arguments::Arguments;
use millstream::prelude::*;

use crate::replay::{BATCH, Replay, WINDOW};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let replay = Replay::new(arguments)?;
    let errors = replay.lines.filter(|line| line.contains("ERROR"));
    let hosts = errors.filter_map(|line| Some((line.nth(' ', 1)?, 1u64)));
    let counts = hosts.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, WINDOW, BATCH);
    let results = replay.results.clone();
    counts.foreach_rdd(move |window, time| Ok(results.write(time, &window.collect()?)?));
    replay.run()
}
