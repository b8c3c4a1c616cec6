use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use super::dstream::receiver_node;
use super::{DStream, Graph};
use crate::batch::BlockTracker;
use crate::block::{Blocks, SegmentLog, ring};
use crate::clock::Clock;
use crate::observe::{BatchInfo, ListenerBus, StreamInputInfo};
use crate::receive::{BlockBuilder, Command, PidRateEstimator, Receiver, ReceiverContext, Supervisor};
use crate::{Error, Result, Time};

/// A receiver's stream as the graph sees it.
pub(crate) trait ReceiverStream: Send + Sync {
    fn stream(&self) -> usize;
    fn name(&self) -> &str;
    /// Has the segments written to `log`, if there is one, and numbered from `next` on; the sources are as far as `marks` says.
    fn begin(&self, log: Option<Arc<dyn SegmentLog>>, next: u64, marks: BTreeMap<String, u64>);
    fn tracker(&self) -> Arc<BlockTracker>;
    /// Starts the supervisor thread, pinned to `core` when there is one.
    fn start(&self, bus: Arc<ListenerBus>, clock: Arc<dyn Clock>, core: Option<usize>) -> Result<()>;
    /// Asks the receiver to stop and to hand over what it has.
    fn ask_to_stop(&self);
    /// True once the receiver has handed over everything and will not start again.
    fn is_stopped(&self) -> bool;
    /// Holds the receiver to the rate that follows from a batch that is complete, if it is to be.
    fn batch_completed(&self, batch: &BatchInfo);
    /// Gives what was received since the last batch to the batch at `time`.
    fn allocate(&self, time: Time) -> StreamInputInfo;
}

struct TypedReceiverStream<R: Receiver> {
    stream: usize,
    name: String,
    tracker: Arc<BlockTracker>,
    context: ReceiverContext<R::Format>,
    receiver: Mutex<Option<R>>,
    /// Where receivers are held to the rate of processing.
    estimator: Option<Mutex<PidRateEstimator>>,
    stopped: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Adds the stream of `receiver` to the graph.
#[track_caller]
pub(crate) fn receiver_stream<R: Receiver>(
    graph: &Arc<Graph>,
    receiver: R,
) -> Result<DStream<Blocks<R::Format>>> {
    graph.ensure_open()?;
    let executor = graph.executor().clone();
    let config = executor.config();
    let stream = graph.next_input_id();
    let (producer, consumer) = ring::channel(config.effective_ring_segments());
    let tracker = BlockTracker::new(executor.clone(), graph.batch_interval(), consumer);
    let builder = BlockBuilder::new(Arc::clone(&tracker), producer);
    let context = ReceiverContext::new(stream, builder, config.restart_delay, Time::default());
    graph.add_receiver(Arc::new(TypedReceiverStream {
        stream,
        name: format!("{} [{stream}]", receiver.name()),
        tracker: Arc::clone(&tracker),
        context,
        receiver: Mutex::new(Some(receiver)),
        estimator: if config.backpressure { Some(Mutex::new(PidRateEstimator::new(config)?)) } else { None },
        stopped: Arc::default(),
        thread: Mutex::default(),
    }));
    let blocks_of = Arc::clone(&tracker);
    let for_segment = executor.clone();
    Ok(receiver_node(
        graph,
        tracker,
        move |segment| Blocks::new(for_segment.clone(), vec![segment.clone()]),
        Box::new(move |time| {
            let segments = blocks_of.blocks_of(time).map(|blocks| blocks.all()).unwrap_or_default();
            Ok(Some(Blocks::new(executor.clone(), segments)))
        }),
    ))
}

impl<R: Receiver> TypedReceiverStream<R> {
    /// What holds the receiver back, for people.
    fn limits(&self) -> BTreeMap<String, String> {
        let limit = self.context.builder().limiter().current_limit();
        limit.map(|rate| ("Rate limit".to_owned(), format!("{rate} records/s"))).into_iter().collect()
    }
}

impl<R: Receiver> ReceiverStream for TypedReceiverStream<R> {
    fn stream(&self) -> usize {
        self.stream
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn begin(&self, log: Option<Arc<dyn SegmentLog>>, next: u64, marks: BTreeMap<String, u64>) {
        self.context.resume(marks);
        self.context.builder().begin(log, next);
    }

    fn tracker(&self) -> Arc<BlockTracker> {
        Arc::clone(&self.tracker)
    }

    fn start(&self, bus: Arc<ListenerBus>, clock: Arc<dyn Clock>, core: Option<usize>) -> Result<()> {
        let Some(receiver) = self.receiver.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return Err(Error::State(format!("{} has been started before", self.name)));
        };
        let config = self.tracker.executor().config();
        let (level, interval) = (self.tracker.level(), config.effective_block_interval());
        // Of a level that the program has named, `persist` has told before.
        if level == config.receiver_level && config.lacks_replica(level) {
            tracing::warn!(receiver = self.name, %level, "there is one copy only: set storage.replica_dir for a second one");
        }
        let supervisor = Supervisor::new(
            receiver,
            self.context.clone(),
            self.stream,
            self.name.clone(),
            bus,
            clock,
            interval,
        );
        let stopped = Arc::clone(&self.stopped);
        let thread = std::thread::Builder::new().name(format!("receiver-{}", self.stream)).spawn(move || {
            supervisor.run(core);
            stopped.store(true, Ordering::Release);
        });
        let thread = thread.map_err(|e| Error::io(format!("starting the thread of {}", self.name), e))?;
        *self.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(())
    }

    fn ask_to_stop(&self) {
        self.context.command(Command::Stop { reason: "the context is stopping".to_owned() });
        match &*self.thread.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(thread) => thread.thread().unpark(),
            None => self.stopped.store(true, Ordering::Release),
        }
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn batch_completed(&self, batch: &BatchInfo) {
        let Some(estimator) = &self.estimator else { return };
        let records = batch.stream_id_to_input_info.get(&self.stream).map_or(0, |input| input.num_records);
        if let (Some(end), Some(processing), Some(scheduling)) =
            (batch.processing_end_time, batch.processing_delay(), batch.scheduling_delay())
        {
            let mut estimator = estimator.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(rate) = estimator.compute(end, records, processing, scheduling) {
                self.context.builder().limiter().update_rate(rate as i64, Instant::now());
            }
        }
    }

    fn allocate(&self, time: Time) -> StreamInputInfo {
        self.context.builder().cut();
        let received = self.tracker.allocate(time);
        StreamInputInfo {
            input_stream_id: self.stream,
            name: self.name.clone(),
            num_records: received.records,
            bytes: received.bytes,
            metadata: self.limits(),
        }
    }
}
