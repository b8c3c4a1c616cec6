use std::collections::BTreeMap;
use std::sync::Arc;

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
    stream: usize,
    name: &'a str,
    infos: &'a InputInfoTracker,
    executor: &'a Executor,
}

impl<'a> BatchInput<'a> {
    pub(crate) fn new(
        time: Time,
        stream: usize,
        name: &'a str,
        infos: &'a InputInfoTracker,
        executor: &'a Executor,
    ) -> Self {
        BatchInput { time, stream, name, infos, executor }
    }

    /// The time of the batch.
    pub fn time(&self) -> Time {
        self.time
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
    fn start(&self, start: &StartInfo) -> Result<()>;
    fn is_finished(&self) -> bool;
    fn completed(&self, time: Time);
    fn stop(&self);
}

pub(crate) struct TypedInput<I>(pub(crate) Arc<I>);

impl<I: InputStream> AnyInput for TypedInput<I> {
    fn start(&self, start: &StartInfo) -> Result<()> {
        self.0.start(start)
    }

    fn is_finished(&self) -> bool {
        self.0.is_finished()
    }

    fn completed(&self, time: Time) {
        self.0.completed(time);
    }

    fn stop(&self) {
        self.0.stop();
    }
}
