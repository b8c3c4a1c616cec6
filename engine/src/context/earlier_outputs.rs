use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::Time;
use crate::graph::{Graph, Output};
use crate::recovery::{Left, OutputKey, Prepared};

/// What the outputs of an earlier run have done behind its last checkpoint, and which outputs of this program they are.
///
/// An output is known by its name, so that those of a program that has changed have what is theirs. In the logs of earlier versions
/// it is known by its place, which nobody can check.
pub(super) struct EarlierOutputs<'a> {
    left: &'a Left,
    /// The last batch that is not made again.
    time: Time,
    outputs: Vec<Arc<Output>>,
    names: Arc<[String]>,
}

impl<'a> EarlierOutputs<'a> {
    pub(super) fn new(graph: &Graph, left: &'a Left, time: Time) -> Self {
        EarlierOutputs { left, time, outputs: graph.outputs(), names: graph.output_names() }
    }

    /// The place of an output in this program.
    fn place_of(&self, key: &OutputKey) -> Option<usize> {
        match key {
            OutputKey::Place(place) => Some(*place as usize).filter(|place| *place < self.names.len()),
            OutputKey::Name(name) => self.names.iter().position(|known| known == name),
        }
    }

    /// The place of the output that has prepared a batch, if it still has the sink that it had.
    fn place_of_sink(&self, key: &OutputKey, prepared: &Prepared) -> Option<usize> {
        self.place_of(key).filter(|place| self.outputs[*place].sink == Some(prepared.sink.as_str()))
    }

    /// The outputs that need not be done again, by their batches and places.
    pub(super) fn done(&self) -> BTreeSet<(Time, usize)> {
        let done = self.left.done.iter().filter(|(time, _)| *time > self.time);
        done.filter_map(|(time, key)| Some((*time, self.place_of(key)?))).collect()
    }

    /// What is prepared and not committed.
    fn uncommitted(&self) -> impl Iterator<Item = (&(Time, OutputKey), &Prepared)> {
        // What an earlier version has prepared by its place may have been done by its name since.
        let done = self.done();
        let is_done = move |(time, key): &(Time, OutputKey)| {
            self.place_of(key).is_some_and(|place| done.contains(&(*time, place)))
        };
        let open =
            self.left.prepared.iter().filter(|(key, _)| key.0 > self.time && !self.left.done.contains(key));
        open.filter(move |(key, _)| !is_done(key))
    }

    /// What is to be committed, by batches and places.
    pub(super) fn prepared(&self) -> impl Iterator<Item = ((Time, usize), Vec<u8>)> {
        // Those without a place were given up, or the program would not have come so far.
        self.uncommitted().filter_map(|((time, key), prepared)| {
            Some(((*time, self.place_of_sink(key, prepared)?), prepared.staged.clone()))
        })
    }

    /// What has no place in the program, and what that means, by the names to give it up by.
    pub(super) fn misfits(&self) -> BTreeMap<String, String> {
        let mut misfits = self.misfits_that_are_done();
        misfits.extend(
            self.uncommitted()
                .filter(|((_, key), prepared)| self.place_of_sink(key, prepared).is_none())
                .map(|((time, key), Prepared { sink, .. })| {
                    let name = key.to_string();
                    let now = if self.place_of(key).is_some() { "another" } else { "not in the program" };
                    let told = format!(
                        "{name:?} has prepared batch {time} for {sink} and not committed it, and is {now}"
                    );
                    (name, told)
                }),
        );
        misfits
    }

    /// Outputs that have done batches and are gone, where others have come that may be the same: they would do these again.
    fn misfits_that_are_done(&self) -> BTreeMap<String, String> {
        let strangers = self.strangers();
        if strangers.is_empty() {
            return BTreeMap::new();
        }
        let later =
            self.left.done.iter().filter(|(time, key)| *time > self.time && self.place_of(key).is_none());
        let told = |(time, key): &(Time, OutputKey)| {
            let (name, instead) = (key.to_string(), strangers.join(", "));
            let told = format!(
                "{name:?} has done batch {time} and is not in the program, which has {instead}, of which nothing is known: if that is \
                 the same output, it would put the batch out again"
            );
            (name, told)
        };
        later.map(told).collect()
    }

    /// The outputs that are not in the log, for people.
    fn strangers(&self) -> Vec<String> {
        let keys = self.left.done.iter().chain(self.left.prepared.keys()).map(|(_, key)| key);
        let known: BTreeSet<usize> = keys.filter_map(|key| self.place_of(key)).collect();
        let strangers = self.names.iter().enumerate().filter(|(place, _)| !known.contains(place));
        strangers.map(|(_, name)| format!("{name:?}")).collect()
    }
}
