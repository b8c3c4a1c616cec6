use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::checkpoint_dir::CheckpointDir;
use super::earlier_outputs::EarlierOutputs;
use super::snapshot::{common, snapshot};
use crate::config::Config;
use crate::graph::{DurableOperator, Gap, Graph};
use crate::job::Job;
use crate::recovery::{BatchLog, Claim, Generations, Left, Manifest, Saved, inspect};
use crate::wal::{LogOptions, OnCorruption};
use crate::{Error, Result, Time};

/// A checkpoint directory that this process has for itself.
pub(super) struct Opened {
    pub(super) dir: CheckpointDir,
    pub(super) lock: Box<dyn Send + Sync>,
    pub(super) generations: Generations,
    /// The checkpoint, and the contents of its operators by their ids.
    pub(super) newest: Option<(Manifest, BTreeMap<String, Saved>)>,
    pub(super) log: Option<Arc<BatchLog>>,
}

/// What an earlier run has left.
struct Earlier {
    manifest: Manifest,
    /// The contents of the operators, by their ids.
    operators: BTreeMap<String, Saved>,
    left: Left,
}

/// Where a context begins.
pub(super) struct Resumption {
    /// The time before the first batch that ever was.
    pub(super) zero: Time,
    /// The last batch that need not be made again.
    pub(super) time: Time,
    /// The batches that an earlier run has made, and that are made again.
    pub(super) repeated: BTreeSet<Time>,
    /// Their outputs that need not be done again, by their places.
    pub(super) done: BTreeSet<(Time, usize)>,
    /// The number of the first segment of each receiver that no batch has.
    unclaimed: BTreeMap<u32, u64>,
    /// The values of named accumulators.
    pub(super) accumulators: Vec<(String, Vec<u8>)>,
}

fn log_options(config: &Config) -> LogOptions {
    LogOptions {
        segment_bytes: config.wal_segment_bytes as u64,
        max_bytes: config.wal_max_bytes as u64,
        compression: config.wal_compress,
        on_corruption: if config.wal_skip_damage { OnCorruption::Skip } else { OnCorruption::Stop },
        ..LogOptions::default()
    }
}

impl Opened {
    /// The time before the first batch that ever was; `now` when this is the first run.
    pub(super) fn zero(&self, now: Time) -> Time {
        self.newest.as_ref().map_or(now, |(manifest, _)| manifest.zero)
    }

    /// Puts into the graph, which has been fixed at `zero`, what an earlier run has left; or writes that this is the first run. The
    /// last batch whose time has come is that at `now`.
    ///
    /// # Errors
    /// When the program does not fit what is there, when that cannot be read, and when nothing can be written.
    pub(super) fn resume(&mut self, graph: &Graph, zero: Time, now: Time) -> Result<Resumption> {
        let newest = self.newest.take();
        if newest.is_none() {
            tracing::info!(directory = %self.dir.dir.display(), "there is no checkpoint: beginning anew");
            // Before there is a log: a log without a checkpoint is a damaged directory.
            let common = common(graph.executor().config(), zero);
            self.generations.write(snapshot(graph, &common, zero, |_, _| BTreeMap::new())?)?;
        } else {
            self.generations.claim()?;
        }
        let options = log_options(graph.executor().config());
        let (log, left) =
            BatchLog::open(Arc::clone(&self.dir.fs), &inspect::log_in(&self.dir.dir), &options)?;
        let log = self.log.insert(Arc::new(log));
        match newest {
            Some((manifest, operators)) => Earlier { manifest, operators, left }.resume(graph, log, now),
            None => Ok(Resumption::first(zero)),
        }
    }

    /// What a running context needs of it.
    ///
    /// # Errors
    /// Before it was [resumed](Self::resume).
    pub(super) fn into_parts(self) -> Result<(Box<dyn Send + Sync>, Generations, Arc<BatchLog>)> {
        let log = self.log.ok_or_else(|| Error::State("the log is not open".to_owned()))?;
        Ok((self.lock, self.generations, log))
    }
}

impl Resumption {
    pub(super) fn first(zero: Time) -> Self {
        Resumption {
            zero,
            time: zero,
            repeated: BTreeSet::new(),
            done: BTreeSet::new(),
            unclaimed: BTreeMap::new(),
            accumulators: Vec::new(),
        }
    }

    /// The number of the next segment that a receiver brings.
    pub(super) fn next_segment(&self, stream: usize, log: &BatchLog) -> u64 {
        let unclaimed = self.unclaimed.get(&(stream as u32)).copied().unwrap_or(0);
        log.end_of(stream as u32).unwrap_or(0).max(unclaimed)
    }
}

impl Earlier {
    fn resume(mut self, graph: &Graph, log: &Arc<BatchLog>, now: Time) -> Result<Resumption> {
        self.check(graph)?;
        self.restore_operators(graph)?;
        let (zero, time) = (self.manifest.zero, self.manifest.time);
        let since = time - graph.reach()?;
        self.left.batches.retain(|batch| batch.time > since);
        self.restore_inputs(graph)?;
        graph.commits().complete(self.outputs(graph).prepared());
        let done = self.outputs(graph).done();
        let unclaimed = self.restore_receivers(graph, log)?;
        let later = self.left.batches.iter().map(|batch| batch.time).filter(|batch| *batch > time);
        graph.gaps().set(self.gaps(graph, now));
        tracing::info!(checkpoint = %time, generation = self.manifest.generation, "going on from a checkpoint");
        Ok(Resumption {
            zero,
            time,
            repeated: later.collect(),
            done,
            unclaimed,
            accumulators: self
                .manifest
                .accumulators
                .into_iter()
                .map(|entry| (entry.name, entry.value))
                .collect(),
        })
    }

    /// Where no batches are made: where an earlier run has made none, and, if the settings say so, up to `now`.
    fn gaps(&self, graph: &Graph, now: Time) -> Vec<Gap> {
        let mut gaps: Vec<_> =
            self.left.gaps.iter().map(|(after, until)| Gap { after: *after, until: *until }).collect();
        if graph.executor().config().checkpoint_collapse_missed {
            gaps.extend(self.collapsed(graph, now));
        }
        gaps
    }

    /// What of the batches up to `now` need not be made. All before it is taken in first by whatever has a longer interval than batches.
    fn collapsed(&self, graph: &Graph, now: Time) -> Option<Gap> {
        let last = self.left.batches.last().map_or(self.manifest.time, |batch| batch.time);
        let last = last.max(self.manifest.time);
        let (common, zero) = (graph.common_slide(), self.manifest.zero);
        let floor = last.floor_from(common, zero);
        let after = if floor == last { last } else { floor + common };
        if now <= after + graph.batch_interval() {
            return None;
        }
        tracing::info!(%after, until = %now, "batches were missed, and the next has all that they would have had");
        Some(Gap { after, until: now })
    }

    /// Checks that the program is the one that the checkpoint is of, as far as it must be.
    fn check(&self, graph: &Graph) -> Result<()> {
        let (config, manifest) = (graph.executor().config(), &self.manifest);
        if config.app_name != manifest.app_name {
            return Err(Error::Recovery(format!(
                "the checkpoint is that of {:?}, and this program is {:?} (app_name): use another checkpoint directory, or the \
                 same name",
                manifest.app_name, config.app_name
            )));
        }
        if config.batch_interval != manifest.batch_interval {
            return Err(Error::Recovery(format!(
                "the checkpoint has batches of {} ms, and this program makes batches of {} ms (batch_interval): what it keeps is \
                 counted in batches, so go on with the old interval, or begin anew in another checkpoint directory",
                manifest.batch_interval.as_millis(),
                config.batch_interval.as_millis()
            )));
        }
        let mistakes = self.misfits(graph);
        if mistakes.is_empty() {
            return Ok(());
        }
        Err(Error::Recovery(format!(
            "the checkpoint does not fit the program: {}. Give the operators and outputs back, by name and type, or accept the \
             loss, or the repetition, by listing them, with commas between, in checkpoint.drop_state",
            mistakes.join("; ")
        )))
    }

    /// What of the checkpoint has no place in the program.
    fn misfits(&self, graph: &Graph) -> Vec<String> {
        let (operators, config) = (graph.durable_operators(), graph.executor().config());
        let kept = |name: &&str| !config.drops_state(name);
        let mut misfits = Vec::new();
        for entry in self.manifest.operators.iter().filter(|entry| kept(&entry.id.as_str())) {
            match operators.iter().find(|operator| operator.id == entry.id) {
                None => misfits.push(format!(
                    "{:?} ({}, {} keys) is not in the program",
                    entry.id, entry.description, entry.keys
                )),
                Some(operator) if operator.feed.operator().types() != entry.types => misfits.push(format!(
                    "{:?} was {} and is {}",
                    entry.id,
                    entry.types,
                    operator.feed.operator().types()
                )),
                Some(_) => {}
            }
        }
        let names: BTreeSet<String> = names_of_streams(graph);
        let inputs =
            self.manifest.inputs.iter().filter(|input| !input.position.is_empty()).map(|input| &input.name);
        let receivers = self.manifest.receivers.iter().map(|receiver| &receiver.name);
        for name in inputs.chain(receivers).filter(|name| kept(&name.as_str()) && !names.contains(*name)) {
            misfits.push(format!("the input {name:?} is not in the program"));
        }
        let outputs = self.outputs(graph).misfits().into_iter();
        misfits.extend(outputs.filter(|(name, _)| kept(&name.as_str())).map(|(_, told)| told));
        misfits
    }

    fn outputs(&self, graph: &Graph) -> EarlierOutputs<'_> {
        EarlierOutputs::new(graph, &self.left, self.manifest.time)
    }

    fn restore_operators(&mut self, graph: &Graph) -> Result<()> {
        let (time, config) = (self.manifest.time, graph.executor().config());
        let job = Job::new(time, "recovery");
        for DurableOperator { id, feed, .. } in graph.durable_operators() {
            if let Some(saved) = self.operators.remove(&id)
                && !config.drops_state(&id)
            {
                feed.operator().restore(&job, &saved)?;
            }
            feed.resume_after(time);
        }
        Ok(())
    }

    fn restore_inputs(&self, graph: &Graph) -> Result<()> {
        let claims = || self.left.batches.iter().flat_map(|batch| &batch.claims);
        graph.claims().repeat(claims().cloned());
        for input in graph.inputs() {
            let Some(entry) = self.manifest.inputs.iter().find(|entry| entry.name == input.name()) else {
                continue;
            };
            let later =
                claims().filter(|claim| claim.stream == entry.stream && claim.time > self.manifest.time);
            let later: Vec<_> = later.map(|Claim { time, claim, .. }| (*time, claim.clone())).collect();
            input.restore(&entry.position, &later)?;
        }
        Ok(())
    }

    /// Gives the receivers' streams their earlier segments back; the numbers of the first that no batch has.
    fn restore_receivers(&self, graph: &Graph, log: &Arc<BatchLog>) -> Result<BTreeMap<u32, u64>> {
        let mut unclaimed = BTreeMap::new();
        for receiver in graph.receivers() {
            let stream = receiver.stream() as u32;
            let mut batches = BTreeMap::new();
            let checkpointed = self.manifest.receivers.iter().find(|entry| entry.name == receiver.name());
            let mut next = checkpointed.map_or(0, |entry| entry.next);
            log.marks_were(stream, checkpointed.map(|entry| entry.marks.clone()).unwrap_or_default());
            for batch in &self.left.batches {
                for blocks in batch.blocks.iter().filter(|blocks| blocks.stream == stream) {
                    batches.insert(batch.time, blocks.from..blocks.to);
                    next = next.max(blocks.to);
                }
            }
            let end = log.end_of(stream).unwrap_or(0).max(next);
            receiver.tracker().restore(batches, log.finder(stream), next, log.segments(stream, next..end));
            unclaimed.insert(stream, end);
        }
        Ok(unclaimed)
    }
}

/// The names of all inputs and receivers.
fn names_of_streams(graph: &Graph) -> BTreeSet<String> {
    let inputs = graph.inputs().into_iter().map(|input| input.name().to_owned());
    let receivers = graph.receivers().into_iter().map(|receiver| receiver.name().to_owned());
    inputs.chain(receivers).collect()
}
