use std::collections::BTreeMap;

use crate::config::Config;
use crate::graph::Graph;
use crate::recovery::{Captured, InputEntry, Manifest, OperatorEntry, ReceiverEntry, Snapshot};
use crate::{Result, Time};

/// What all checkpoints of a run have in common.
pub(super) fn common(config: &Config, zero: Time) -> Manifest {
    Manifest {
        app_name: config.app_name.clone(),
        zero,
        batch_interval: config.batch_interval,
        ..Manifest::default()
    }
}

/// The state of everything after the batch at `time`; `marks` says how far the sources of a receiver are with its segments before a
/// number.
///
/// # Errors
/// When an input cannot say where it is.
pub(super) fn snapshot(
    graph: &Graph,
    common: &Manifest,
    time: Time,
    marks: impl Fn(u32, u64) -> BTreeMap<String, u64>,
) -> Result<Snapshot> {
    let mut captured: Vec<Box<dyn Captured>> = Vec::new();
    let mut manifest = Manifest { time, ..common.clone() };
    for operator in graph.durable_operators() {
        manifest.operators.push(OperatorEntry {
            id: operator.id,
            description: operator.description,
            types: operator.feed.operator().types(),
            number: operator.feed.number_at(time),
            keys: operator.keys as u64,
            rest: Vec::new(),
            units: Vec::new(),
        });
        captured.push(operator.feed.operator().capture());
    }
    for input in graph.inputs() {
        let (stream, name, position) =
            (input.stream() as u32, input.name().to_owned(), input.position(time)?);
        manifest.inputs.push(InputEntry { stream, name, position });
    }
    for receiver in graph.receivers() {
        let (stream, name) = (receiver.stream() as u32, receiver.name().to_owned());
        let next = receiver.tracker().next_after(time);
        manifest.receivers.push(ReceiverEntry { stream, name, next, marks: marks(stream, next) });
    }
    Ok(Snapshot { manifest, captured })
}
