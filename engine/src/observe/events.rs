//! The life of a batch and of a receiver, as records, and the listener that gets them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Time;

/// What a program, a UI or a test does when something happened. Every method does nothing by default.
///
/// Per batch the order is submitted, started, then per output operation started and completed, and
/// completed, also after a failure. Calls come one at a time from the thread of the
/// [`ListenerBus`](super::ListenerBus); a slow listener loses events, it does not slow the batches down.
///
/// ```
/// use millstream_engine::observe::{BatchInfo, ListenerBus, StreamingListener};
/// use std::sync::Arc;
///
/// struct Lag;
/// impl StreamingListener for Lag {
///     fn on_batch_completed(&self, batch: &BatchInfo) {
///         println!("{} records after {:?}", batch.num_records(), batch.total_delay());
///     }
/// }
///
/// let bus = ListenerBus::start()?;
/// bus.add(Arc::new(Lag));
/// bus.stop()?;
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub trait StreamingListener: Send + Sync {
    /// The context has started; the moment it did.
    fn on_streaming_started(&self, _time: Time) {}
    /// The jobs of a batch wait to be run.
    fn on_batch_submitted(&self, _batch: &BatchInfo) {}
    /// The first job of a batch runs.
    fn on_batch_started(&self, _batch: &BatchInfo) {}
    /// All jobs of a batch have ended, well or badly.
    fn on_batch_completed(&self, _batch: &BatchInfo) {}
    /// An output operation of a batch runs.
    fn on_output_operation_started(&self, _operation: &OutputOperationInfo) {}
    /// An output operation of a batch has ended, well or badly.
    fn on_output_operation_completed(&self, _operation: &OutputOperationInfo) {}
    /// A receiver runs.
    fn on_receiver_started(&self, _receiver: &ReceiverInfo) {}
    /// A receiver reported an error; it may well run on.
    fn on_receiver_error(&self, _receiver: &ReceiverInfo) {}
    /// A receiver has stopped.
    fn on_receiver_stopped(&self, _receiver: &ReceiverInfo) {}
}

/// One thing that happened: a call of the [`StreamingListener`] method of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// See [`StreamingListener::on_streaming_started`].
    StreamingStarted(Time),
    /// See [`StreamingListener::on_batch_submitted`].
    BatchSubmitted(BatchInfo),
    /// See [`StreamingListener::on_batch_started`].
    BatchStarted(BatchInfo),
    /// See [`StreamingListener::on_batch_completed`].
    BatchCompleted(BatchInfo),
    /// See [`StreamingListener::on_output_operation_started`].
    OutputOperationStarted(OutputOperationInfo),
    /// See [`StreamingListener::on_output_operation_completed`].
    OutputOperationCompleted(OutputOperationInfo),
    /// See [`StreamingListener::on_receiver_started`].
    ReceiverStarted(ReceiverInfo),
    /// See [`StreamingListener::on_receiver_error`].
    ReceiverError(ReceiverInfo),
    /// See [`StreamingListener::on_receiver_stopped`].
    ReceiverStopped(ReceiverInfo),
}

impl Event {
    /// Calls the listener's method for this event.
    pub fn tell(&self, listener: &dyn StreamingListener) {
        match self {
            Event::StreamingStarted(time) => listener.on_streaming_started(*time),
            Event::BatchSubmitted(batch) => listener.on_batch_submitted(batch),
            Event::BatchStarted(batch) => listener.on_batch_started(batch),
            Event::BatchCompleted(batch) => listener.on_batch_completed(batch),
            Event::OutputOperationStarted(operation) => listener.on_output_operation_started(operation),
            Event::OutputOperationCompleted(operation) => listener.on_output_operation_completed(operation),
            Event::ReceiverStarted(receiver) => listener.on_receiver_started(receiver),
            Event::ReceiverError(receiver) => listener.on_receiver_error(receiver),
            Event::ReceiverStopped(receiver) => listener.on_receiver_stopped(receiver),
        }
    }
}

/// One batch: what went in, when it ran and how it ended.
///
/// ```
/// use millstream_engine::{Time, observe::BatchInfo};
/// use std::time::Duration;
///
/// let at = Time::from_millis;
/// let submitted = BatchInfo::submitted(at(1_000), at(1_002));
/// assert_eq!(submitted.total_delay(), None);
/// let done = BatchInfo {
///     processing_start_time: Some(at(1_005)),
///     processing_end_time: Some(at(1_045)),
///     ..submitted
/// };
/// assert_eq!(done.scheduling_delay(), Some(Duration::from_millis(3)));
/// assert_eq!(done.total_delay(), Some(Duration::from_millis(43)));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BatchInfo {
    /// The batch.
    pub batch_time: Time,
    /// What each input stream brought, by stream id.
    pub stream_id_to_input_info: BTreeMap<usize, StreamInputInfo>,
    /// When the jobs began to wait.
    pub submission_time: Time,
    /// When the first job began to run.
    pub processing_start_time: Option<Time>,
    /// When the last job had ended.
    pub processing_end_time: Option<Time>,
    /// The output operations so far, by id.
    pub output_operation_infos: BTreeMap<usize, OutputOperationInfo>,
    /// Name and value of every named accumulator at that moment.
    pub accumulators: Vec<(String, String)>,
}

impl BatchInfo {
    /// A batch that has just been submitted, with nothing in it yet.
    pub fn submitted(batch_time: Time, submission_time: Time) -> Self {
        BatchInfo { batch_time, submission_time, ..BatchInfo::default() }
    }

    /// How long the batch waited for its first job to run.
    pub fn scheduling_delay(&self) -> Option<Duration> {
        self.processing_start_time.map(|start| start.since(self.submission_time))
    }

    /// How long its jobs took, from the start of the first to the end of the last.
    pub fn processing_delay(&self) -> Option<Duration> {
        Some(self.processing_end_time?.since(self.processing_start_time?))
    }

    /// How long it took from submission to the end.
    pub fn total_delay(&self) -> Option<Duration> {
        Some(self.scheduling_delay()? + self.processing_delay()?)
    }

    /// Records of all input streams.
    pub fn num_records(&self) -> u64 {
        self.stream_id_to_input_info.values().map(|input| input.num_records).sum()
    }
}

/// What one input stream brought to one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamInputInfo {
    /// The input stream.
    pub input_stream_id: usize,
    /// Its name, for people.
    pub name: String,
    /// Records that it brought.
    pub num_records: u64,
    /// Bytes that it brought.
    pub bytes: u64,
    /// Anything else worth seeing; `Description` is shown as it is, and `Rate limit` is what a receiver is held to, by
    /// backpressure or by the program.
    pub metadata: BTreeMap<String, String>,
}

/// One output operation of one batch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OutputOperationInfo {
    /// The batch.
    pub batch_time: Time,
    /// The operation's number, from 0 in the order of definition.
    pub id: usize,
    /// The operation with the place where it was defined.
    pub name: String,
    /// What it does, for people.
    pub description: String,
    /// When it began to run.
    pub start_time: Option<Time>,
    /// When it had ended.
    pub end_time: Option<Time>,
    /// Why it failed; `None` while it runs and after it succeeded.
    pub failure_reason: Option<String>,
}

impl OutputOperationInfo {
    /// How long it ran.
    pub fn duration(&self) -> Option<Duration> {
        Some(self.end_time?.since(self.start_time?))
    }
}

/// The state of one receiver.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReceiverInfo {
    /// The input stream that it feeds.
    pub stream_id: usize,
    /// `Kind-id`, such as `SocketReceiver-0`.
    pub name: String,
    /// Whether it runs.
    pub active: bool,
    /// Where it runs: the core that its thread is pinned to, or empty.
    pub location: String,
    /// What the receiver said about its last error.
    pub last_error_message: String,
    /// The last error itself.
    pub last_error: String,
    /// When the last error was reported.
    pub last_error_time: Option<Time>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_appear_as_the_batch_moves_on() {
        let at = Time::from_millis;
        let submitted = BatchInfo::submitted(at(100), at(105));
        assert_eq!((submitted.scheduling_delay(), submitted.processing_delay()), (None, None));
        let started = BatchInfo { processing_start_time: Some(at(115)), ..submitted };
        assert_eq!(started.scheduling_delay(), Some(Duration::from_millis(10)));
        assert_eq!((started.processing_delay(), started.total_delay()), (None, None));
        let completed = BatchInfo { processing_end_time: Some(at(145)), ..started };
        assert_eq!(completed.processing_delay(), Some(Duration::from_millis(30)));
        assert_eq!(completed.total_delay(), Some(Duration::from_millis(40)));
    }

    #[test]
    fn records_are_summed_over_the_streams() {
        let input = |id, num_records| {
            (id, StreamInputInfo { input_stream_id: id, num_records, ..Default::default() })
        };
        let batch =
            BatchInfo { stream_id_to_input_info: [input(0, 3), input(4, 5)].into(), ..BatchInfo::default() };
        assert_eq!(batch.num_records(), 8);
    }

    #[test]
    fn an_output_operation_has_a_duration_when_it_has_ended() {
        let mut operation =
            OutputOperationInfo { start_time: Some(Time::from_millis(5)), ..OutputOperationInfo::default() };
        assert_eq!(operation.duration(), None);
        operation.end_time = Some(Time::from_millis(9));
        assert_eq!(operation.duration(), Some(Duration::from_millis(4)));
    }
}
