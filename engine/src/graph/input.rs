use std::collections::BTreeMap;

use super::claims::Claims;
use super::node::Origin;
use crate::batch::InputInfoTracker;
use crate::job::Executor;
use crate::observe::StreamInputInfo;
use crate::rdd::Rdd;
use crate::{Result, Time};

/// Where the records of a stream come from: one RDD per batch.
///
/// This is the extension point for connectors that need no receiver: files, queues, a message broker that is read by offset.
pub trait InputStream: Send + Sync + 'static {
    /// What a batch of this stream is.
    type Rdd: Rdd;

    /// Called once, before the first batch.
    ///
    /// # Errors
    /// When the source cannot be read at all; the context then does not start.
    fn start(&self, _start: &StartInfo) -> Result<()> {
        Ok(())
    }

    /// The records of `batch`; `None` when the stream has no RDD at that time. Called once per batch, on the thread that makes
    /// the batches: it must be quick.
    ///
    /// # Errors
    /// When the batch cannot be put together; it then fails as `on_batch_failure` says.
    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Self::Rdd>>;

    /// Makes a batch again that was made in an earlier run of the program, out of what [`claim`](Self::claim) said of it. It must have
    /// the same records.
    ///
    /// # Errors
    /// When it cannot: the files are gone, say. The default always fails: such an input has nothing to claim.
    fn recompute(&self, batch: &BatchInput<'_>, _claim: &[u8]) -> Result<Option<Self::Rdd>> {
        Err(crate::Error::Batch {
            time: batch.time(),
            reason: format!("{} cannot be read again: its input says nothing of how", batch.name()),
        })
    }

    /// What the batch at `time`, which was just [made](Self::compute), consists of: files, offsets; in words of the input's own. It
    /// is written down before any output of the batch begins. `None` when the batch can be made again without, or not at all.
    ///
    /// # Errors
    /// When it cannot be said; the batch fails.
    fn claim(&self, _time: Time) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// What the input must know to go on after the batch at `time`, in words of its own; for checkpoints. Batches after `time` may
    /// have been made already.
    ///
    /// # Errors
    /// When it cannot be said; the checkpoint fails, the program goes on.
    fn position(&self, _time: Time) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }

    /// Called once before [`start`](Self::start) when the program goes on where an earlier run has ended: with the checkpoint's
    /// [`position`](Self::position), and with what was [claimed](Self::claim) for batches after it. These are
    /// [made again](Self::recompute) if anything is left to be computed of them, and so are earlier ones that a window needs; what
    /// [`compute`](Self::compute) gives comes behind them all.
    ///
    /// # Errors
    /// When the input cannot go on from there; the context then does not start.
    fn restore(&self, _position: &[u8], _claims: &[(Time, Vec<u8>)]) -> Result<()> {
        Ok(())
    }

    /// True when no batch from now on will have any records: a finite source that has given everything.
    fn is_finished(&self) -> bool {
        false
    }

    /// Called when the batch at `time` and all before it are complete.
    fn completed(&self, _time: Time) {}

    /// Called once, when a context that was started stops.
    fn stop(&self) {}
}

/// What an input learns when the context starts.
#[derive(Debug, Clone)]
pub struct StartInfo {
    /// The time before the first batch.
    pub zero: Time,
    /// The compute cores and limits.
    pub executor: Executor,
}

/// One batch, as an input sees it.
#[derive(Debug)]
pub struct BatchInput<'a> {
    time: Time,
    previous: Time,
    stream: usize,
    name: &'a str,
    infos: &'a InputInfoTracker,
    executor: &'a Executor,
}

impl<'a> BatchInput<'a> {
    /// The time of the batch.
    pub fn time(&self) -> Time {
        self.time
    }

    /// The time of the batch before; what came after it belongs to this one. It is a batch interval ago, but where a program that
    /// was away makes all that it has missed as one batch (`checkpoint.collapse_missed`).
    pub fn previous(&self) -> Time {
        self.previous
    }

    /// The name of the stream.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The compute cores and limits, for the RDD to carry.
    pub fn executor(&self) -> &Executor {
        self.executor
    }

    /// Tells listeners how much the batch holds; `metadata` says where it came from (files, offsets).
    ///
    /// # Errors
    /// When it was already told for this batch.
    pub fn report(&self, records: u64, bytes: u64, metadata: BTreeMap<String, String>) -> Result<()> {
        let info = StreamInputInfo {
            input_stream_id: self.stream,
            name: self.name.to_owned(),
            num_records: records,
            bytes,
            metadata,
        };
        self.infos.report(self.time, info)
    }
}

/// An input as the graph sees it.
pub(crate) trait AnyInput: Send + Sync {
    fn stream(&self) -> usize;
    fn name(&self) -> &str;
    fn position(&self, time: Time) -> Result<Vec<u8>>;
    fn restore(&self, position: &[u8], claims: &[(Time, Vec<u8>)]) -> Result<()>;
    fn start(&self, start: &StartInfo) -> Result<()>;
    fn is_finished(&self) -> bool;
    fn completed(&self, time: Time);
    fn stop(&self);
}

pub(crate) struct TypedInput<I> {
    pub(crate) stream: usize,
    pub(crate) name: String,
    pub(crate) input: I,
}

impl<I: InputStream> TypedInput<I> {
    /// The batch at `time`: as it was made before, if it was, or made now.
    pub(crate) fn rdd_at(
        &self,
        time: Time,
        origin: &Origin,
        infos: &InputInfoTracker,
    ) -> Result<Option<I::Rdd>> {
        if origin.gaps.contains(time) {
            return Ok(None);
        }
        // A batch that was forgotten may be made again, for a slice.
        infos.take_back(time, self.stream);
        let (previous, executor) = (origin.batch_before(time), &origin.executor);
        let batch = BatchInput { time, previous, stream: self.stream, name: &self.name, infos, executor };
        let rdd = match origin.claims.of(self.stream, time) {
            Some(claim) => self.input.recompute(&batch, &claim),
            None => self.made(&batch, &origin.claims),
        };
        rdd.inspect_err(|_| infos.take_back(time, self.stream))
    }

    fn made(&self, batch: &BatchInput<'_>, claims: &Claims) -> Result<Option<I::Rdd>> {
        let rdd = self.input.compute(batch)?;
        claims.note(self.stream, batch.time(), || self.input.claim(batch.time()))?;
        Ok(rdd)
    }
}

impl<I: InputStream> AnyInput for TypedInput<I> {
    fn stream(&self) -> usize {
        self.stream
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn position(&self, time: Time) -> Result<Vec<u8>> {
        self.input.position(time)
    }

    fn restore(&self, position: &[u8], claims: &[(Time, Vec<u8>)]) -> Result<()> {
        self.input.restore(position, claims)
    }

    fn start(&self, start: &StartInfo) -> Result<()> {
        self.input.start(start)
    }

    fn is_finished(&self) -> bool {
        self.input.is_finished()
    }

    fn completed(&self, time: Time) {
        self.input.completed(time);
    }

    fn stop(&self) {
        self.input.stop();
    }
}
