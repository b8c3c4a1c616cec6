use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::resumption::{Opened, Resumption};
use super::snapshot::{common, snapshot};
use crate::graph::{Graph, ReceiverStream};
use crate::observe::AccumulatorRegistry;
use crate::recovery::{
    AccumulatorEntry, BatchLog, BatchRecord, Blocks, CheckpointStatus, Checkpointer, DoneRecord, Manifest,
    Snapshot,
};
use crate::wal::RecordId;
use crate::{Result, Time};

/// What a running context writes down, so that another process can go on.
///
/// ```text
/// received        segments into the log (receive/block_builder.rs)
/// batch made      what it is made of into the log; its outputs begin when that is durable
/// output done     a word into the log
/// batch complete  every now and then, between two batches: a checkpoint, written by a thread of its own
/// ```
pub(super) struct Durability {
    graph: Arc<Graph>,
    log: Arc<BatchLog>,
    accumulators: AccumulatorRegistry,
    checkpointer: Checkpointer,
    /// A checkpoint is due at every multiple of it.
    every: Duration,
    /// How far behind a checkpoint's last batch the log must go back.
    reach: Duration,
    /// What all checkpoints of this run have in common.
    common: Manifest,
    /// The outputs that an earlier run has done, of batches that are made again.
    done: BTreeSet<(Time, usize)>,
    /// What the outputs are called in the log, by their places.
    outputs: Arc<[String]>,
    /// The batches of an earlier run that are made again.
    repeated: BTreeSet<Time>,
    progress: Mutex<Progress>,
    /// What keeps other programs out of the directory.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// How the jobs of a run have ended.
pub(super) struct RunEnd {
    /// All batches that were made are complete.
    pub(super) all_complete: bool,
    /// No job is at work any more.
    pub(super) is_idle: bool,
}

/// How far the batches are.
struct Progress {
    /// The last batch that is complete, as all before it.
    completed: Time,
    /// The last batch that is in a checkpoint, or in one that is being written.
    checkpointed: Time,
    /// The batch behind which a checkpoint is, or was, to be taken that is not due by the clock, if there has been one.
    early: Option<Time>,
}

impl Progress {
    /// True when a checkpoint is still to be taken that is not due by the clock.
    fn awaits_early(&self) -> bool {
        self.early.is_some_and(|early| early > self.completed)
    }
}

impl Durability {
    /// Begins to write down, behind what an earlier run has left.
    ///
    /// # Errors
    /// When the first checkpoint cannot be written.
    pub(super) fn begin(
        graph: &Arc<Graph>,
        accumulators: &AccumulatorRegistry,
        opened: Opened,
        resumption: &Resumption,
    ) -> Result<Arc<Self>> {
        let config = graph.executor().config();
        let (lock, generations, log) = opened.into_parts()?;
        // The content of recovered batches is read from the log as long as somebody may ask for them.
        let (reach, released) = (graph.reach()?.max(graph.remembered()), Arc::clone(&log));
        let on_written = Box::new(move |oldest: &Manifest| {
            let next = oldest.receivers.iter().map(|receiver| (receiver.stream, receiver.next)).collect();
            released.release(oldest.time - reach, &next);
        });
        graph.claims().turn_on();
        let outputs = graph.output_names();
        graph.commits().turn_on(&log, &outputs);
        for receiver in graph.receivers() {
            let stream = receiver.stream();
            let segments = config.write_ahead_log.then(|| log.of_stream(stream as u32));
            receiver.begin(
                segments,
                resumption.next_segment(stream, &log),
                log.marks_before(stream as u32, u64::MAX),
            );
        }
        Ok(Arc::new(Durability {
            graph: Arc::clone(graph),
            accumulators: accumulators.clone(),
            log,
            checkpointer: Checkpointer::start(generations, on_written)?,
            every: config.effective_checkpoint_interval(),
            reach,
            common: common(config, resumption.zero),
            done: resumption.done.clone(),
            outputs,
            repeated: resumption.repeated.clone(),
            progress: Mutex::new(Progress {
                completed: resumption.time,
                checkpointed: resumption.time,
                early: None,
            }),
            lock: Mutex::new(Some(lock)),
        }))
    }

    pub(super) fn status(&self) -> CheckpointStatus {
        let mut status = self.checkpointer.status();
        (status.log_bytes, status.is_log_full) = self.log.fill();
        status
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when an earlier run has made the batch.
    pub(super) fn is_repeated(&self, time: Time) -> bool {
        self.repeated.contains(&time)
    }

    /// True when batches of an earlier run are to be made again behind the one at `time`.
    pub(super) fn is_to_repeat_after(&self, time: Time) -> bool {
        self.repeated.last().is_some_and(|last| *last > time)
    }

    /// True when an earlier run has done this output of the batch.
    pub(super) fn is_done(&self, time: Time, output: usize) -> bool {
        self.done.contains(&(time, output))
    }

    /// Writes what the batch at `time` is made of. The outputs must [wait](Self::wait) for it.
    ///
    /// # Errors
    /// When the log has failed for good.
    pub(super) fn batch_made(&self, time: Time) -> Result<RecordId> {
        let blocks = self.graph.receivers().into_iter().filter_map(|receiver| {
            let numbers = receiver.tracker().numbers_of(time)?;
            Some(Blocks { stream: receiver.stream() as u32, from: numbers.start, to: numbers.end })
        });
        let batch = BatchRecord { time, claims: self.graph.claims().take(), blocks: blocks.collect() };
        self.log.batch(batch, self.graph.gaps().before(time))
    }

    /// Returns when what the batch is made of is durable.
    ///
    /// # Errors
    /// When it never will be.
    pub(super) fn wait(&self, ticket: RecordId) -> Result<()> {
        self.log.wait(ticket)
    }

    /// Writes that the batch's output is done, and is not to be repeated.
    pub(super) fn output_done(&self, time: Time, output: usize) {
        let done = DoneRecord { time, output: self.outputs[output].clone() };
        if let Err(error) = self.log.done(&done) {
            tracing::error!(batch = %time, %error, "that an output is done could not be written: after a crash it is repeated");
        }
    }

    /// The last time before which, or at which, all must be complete before a batch at `time` may begin: a checkpoint is taken there.
    /// To be asked once for each batch, in their order: a batch with which the log gets too full has a checkpoint behind it.
    pub(super) fn barrier_before(&self, time: Time) -> Time {
        let by_clock = (time - Duration::from_millis(1)).floor_from(self.every, self.common.zero);
        let mut progress = self.progress();
        let barrier = progress.early.map_or(by_clock, |early| early.max(by_clock));
        if !progress.awaits_early() && self.checkpointer.is_at_rest() && self.is_log_worth_shortening(time) {
            progress.early = Some(time);
        }
        barrier
    }

    /// True when checkpoints behind the batch at `time` would make much of the log superfluous, and it needs that. Two are taken, one
    /// behind each of two batches, as the log goes back to the older one.
    fn is_log_worth_shortening(&self, time: Time) -> bool {
        let next = |receiver: Arc<dyn ReceiverStream>| {
            (receiver.stream() as u32, receiver.tracker().next_after(time))
        };
        self.log
            .is_worth_releasing(time - self.reach, || self.graph.receivers().into_iter().map(next).collect())
    }

    /// All batches up to and including `time` are complete, and none behind them has begun, if a checkpoint is due.
    ///
    /// # Errors
    /// When another program has taken over, so that no further batch is to be run.
    pub(super) fn completed(&self, time: Time) -> Result<()> {
        self.checkpointer.check_not_taken_over()?;
        let mut progress = self.progress();
        let is_early = progress.awaits_early() && progress.early <= Some(time);
        progress.completed = time;
        let due = progress.checkpointed.floor_from(self.every, self.common.zero) + self.every;
        if time < due && !is_early {
            return Ok(());
        }
        progress.checkpointed = time;
        if let Some(snapshot) = self.snapshot(time) {
            self.checkpointer.submit(snapshot);
        }
        Ok(())
    }

    /// What there is to be written at `time`; a failure is told and costs one checkpoint.
    fn snapshot(&self, time: Time) -> Option<Snapshot> {
        let told =
            |error: &_| tracing::error!(%time, %error, "no checkpoint can be taken; the one before remains");
        let marks = |stream, next| self.log.marks_before(stream, next);
        let mut snapshot = snapshot(&self.graph, &self.common, time, marks).inspect_err(told).ok()?;
        let saved = self.accumulators.save().into_iter();
        snapshot.manifest.accumulators =
            saved.map(|(name, value)| AccumulatorEntry { name, value }).collect();
        Some(snapshot)
    }

    /// Ends it, with a last checkpoint if all batches that were made are complete, so that the next run has nothing to repeat. The
    /// directory is free then, unless a job is still at work: it is free when that ends.
    pub(super) fn finish(&self, end: &RunEnd) {
        let completed = self.progress().completed;
        self.checkpointer.finish(if end.all_complete { self.snapshot(completed) } else { None });
        self.log.close();
        if end.is_idle {
            // Nobody is left who writes, though a thread that ends may still hold this.
            self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
    }
}
