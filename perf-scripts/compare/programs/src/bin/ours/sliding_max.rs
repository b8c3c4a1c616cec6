//! The largest value of each sensor in the last 30 s, every second.

use compare_programs::Outcome;
use compare_programs::arguments::Arguments;
use millstream::prelude::*;

use crate::replay::{BATCH, Replay, WINDOW};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let replay = Replay::new(arguments)?;
    let values = replay.lines.filter_map(|line| sensor_and_value(&line));
    let largest = values.reduce_by_key_and_window(|a, b| a.max(b), WINDOW, BATCH);
    let results = replay.results.clone();
    largest.foreach_rdd(move |window, time| Ok(results.write(time, &window.collect()?)?));
    replay.run()
}

/// `None` when the line is not `second sensor value`.
fn sensor_and_value(line: &Text) -> Option<(Text, u64)> {
    let mut fields = line.split(' ').skip(1);
    Some((fields.next()?, fields.next()?.parse().ok()?))
}
