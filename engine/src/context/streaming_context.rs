use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::checkpoint_dir::CheckpointDir;
use super::durability::Durability;
use super::running::{Running, reserve_cores};
use super::scheduler::{Outcome, Scheduler};
use super::termination::Termination;
use super::{ContextState, active, shutdown};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::fs::{Fs, RealFs};
use crate::graph::{DStream, Graph, InputStream, OperatorInfo, receiver_stream};
use crate::job::{Executor, current};
use crate::observe::{
    AccumulatorRegistry, Broadcast, ListenerBus, ListenerId, StatsFileListener, StreamingListener,
};
use crate::rdd::{Data, Parallelized};
use crate::receive::{Blocks, Receiver};
use crate::recovery::{CheckpointStatus, CheckpointStore};
use crate::storage::MemoryStatus;
use crate::{Error, Result, Time};

/// A streaming program: its streams, its output operations, and the threads that run them once it is started.
///
/// Clones are the same context. The life of a context has three states ([`ContextState`]): streams are added while it is
/// *initialized*; [`start`](Self::start) makes it *active* and fixes the graph; [`stop`](Self::stop) ends it for good. Only one
/// context per process may be active.
#[derive(Clone)]
pub struct StreamingContext(Arc<Inner>);

struct Inner {
    graph: Arc<Graph>,
    clock: Arc<dyn Clock>,
    bus: Arc<ListenerBus>,
    accumulators: AccumulatorRegistry,
    termination: Arc<Termination>,
    /// False for test contexts, of which many may be active side by side.
    exclusive: bool,
    state: Mutex<State>,
    /// Held by the thread that stops the context, so that a second one waits for it.
    stopping: Mutex<()>,
}

struct State {
    lifecycle: ContextState,
    running: Option<Arc<Running>>,
    /// Where to keep what outlives the process, if anywhere.
    checkpoint: Option<CheckpointDir>,
}

impl StreamingContext {
    /// A context with the settings of `config`.
    ///
    /// # Errors
    /// When a setting is out of range.
    #[expect(clippy::needless_pass_by_value, reason = "a program makes its configuration for its context")]
    pub fn new(config: Config) -> Result<Self> {
        StreamingContext::with_clock(&config, Arc::new(SystemClock), true)
    }

    /// A context with another clock; one that is not `exclusive` may be active beside others.
    pub(crate) fn with_clock(config: &Config, clock: Arc<dyn Clock>, exclusive: bool) -> Result<Self> {
        config.validate()?;
        let graph = Arc::new(Graph::new(Executor::new(config), config.batch_interval));
        Ok(StreamingContext(Arc::new(Inner {
            graph,
            clock,
            bus: Arc::new(ListenerBus::start()?),
            accumulators: AccumulatorRegistry::default(),
            termination: Arc::default(),
            exclusive,
            state: Mutex::new(State {
                lifecycle: ContextState::Initialized,
                running: None,
                checkpoint: None,
            }),
            stopping: Mutex::default(),
        })))
    }

    /// The active context of this process.
    pub fn get_active() -> Option<Self> {
        active::get()
    }

    /// The active context, or a new one made by `create`.
    ///
    /// # Errors
    /// When `create` fails.
    pub fn get_active_or_create(create: impl FnOnce() -> Result<Self>) -> Result<Self> {
        active::get().map_or_else(create, Ok)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_same(&self, other: &StreamingContext) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the context is in its life.
    pub fn lifecycle(&self) -> ContextState {
        self.state().lifecycle
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        self.0.graph.executor().config()
    }

    /// The compute cores and limits.
    pub fn executor(&self) -> &Executor {
        self.0.graph.executor()
    }

    /// The clock that batch times are taken from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// Bytes that receivers have brought and no completed batch has used up.
    pub fn held_bytes(&self) -> usize {
        self.0.graph.trackers().iter().map(|tracker| tracker.held_bytes()).sum()
    }

    /// What is held in memory now, against `memory.max`, and what is on disk for want of it.
    pub fn memory(&self) -> MemoryStatus {
        let spilled = self.executor().spill().bytes();
        MemoryStatus { spilled, ..self.executor().memory().status() }
    }

    /// The number of input streams, which is the id of the next one.
    pub fn num_input_streams(&self) -> usize {
        self.0.graph.num_inputs()
    }

    /// The records of a collection as an RDD with `partitions` partitions (0: the default parallelism).
    pub fn parallelize<T: Data>(
        &self,
        records: impl IntoIterator<Item = T>,
        partitions: usize,
    ) -> Parallelized<T> {
        let executor = self.executor().clone();
        let partitions = if partitions == 0 { executor.default_parallelism() } else { partitions };
        Parallelized::new(executor, records.into_iter().collect(), partitions)
    }

    /// A value that all tasks read.
    pub fn broadcast<T>(&self, value: T) -> Broadcast<T> {
        Broadcast::new(value)
    }

    /// The accumulators of this context; named ones are shown to listeners with every batch.
    pub fn accumulators(&self) -> &AccumulatorRegistry {
        &self.0.accumulators
    }

    /// A stream of the batches that `input` makes.
    ///
    /// # Errors
    /// After the context has started.
    #[track_caller]
    pub fn input_stream<I: InputStream>(&self, name: &str, input: I) -> Result<DStream<I::Rdd>> {
        self.0.graph.add_input(name, input)
    }

    /// A stream of what `receiver` stores.
    ///
    /// # Errors
    /// After the context has started.
    #[track_caller]
    pub fn receiver_stream<R: Receiver>(&self, receiver: R) -> Result<DStream<Blocks<R::Format>>> {
        receiver_stream(&self.0.graph, receiver)
    }

    /// Has every stream keep its RDDs at least this long.
    ///
    /// # Errors
    /// When it was set before, or after the context has started.
    pub fn remember(&self, duration: Duration) -> Result<()> {
        self.0.graph.remember(duration)
    }

    /// The operators that carry something from batch to batch (windows, keyed state), with the keys that each holds.
    pub fn operators(&self) -> Vec<OperatorInfo> {
        self.0.graph.operators()
    }

    /// Adds a listener to what happens to batches and receivers.
    pub fn add_listener(&self, listener: Arc<dyn StreamingListener>) -> ListenerId {
        self.0.bus.add(listener)
    }

    /// Removes a listener; false when it was not there.
    pub fn remove_listener(&self, id: ListenerId) -> bool {
        self.0.bus.remove(id)
    }

    /// Has the context keep in `dir` what another process needs to go on where this one ends, however it ends: checkpoints of windows
    /// and states, the positions of the inputs, and a log of what was received and not yet processed (see the settings that begin with
    /// `checkpoint.` and `receiver.write_ahead_log`). The directory must be empty or new; [`get_or_create`](Self::get_or_create) goes on
    /// with one that is not.
    ///
    /// # Errors
    /// After the context has started.
    pub fn checkpoint(&self, dir: impl Into<PathBuf>) -> Result<()> {
        self.checkpoint_on(Arc::new(RealFs), dir)
    }

    /// The same on another file system: one that fails on purpose, in a test of your own sinks.
    ///
    /// # Errors
    /// After the context has started.
    pub fn checkpoint_on(&self, fs: Arc<dyn Fs>, dir: impl Into<PathBuf>) -> Result<()> {
        self.keep_in(CheckpointDir { fs, dir: dir.into(), store: None, goes_on: false })
    }

    /// The same with the checkpoints in `store`, an object store for example, so that they outlive the machine's disk. The log, with what
    /// was received since the last checkpoint, and a lock stay in `dir` on the local disk: an object store can neither append nor sync.
    ///
    /// Should the disk be lost, [`get_or_create_from`](Self::get_or_create_from) goes on from the checkpoint on another machine, with an
    /// empty `dir`, and says so in a warning. What was received since the checkpoint comes again from sources that can send it again
    /// (directories, queues that the program fills again) and is lost otherwise, acknowledged or not; outputs done since then are done
    /// again; windows over whole records ([`window`](crate::window)) begin without their earlier batches. A shorter
    /// `checkpoint.interval` makes that less.
    ///
    /// One program at a time may use a store, and nothing there can be locked. So the program that starts last takes it over, and an
    /// older one that still runs stops with an error at its next checkpoint.
    ///
    /// ```
    /// use millstream_engine::StreamingContext;
    /// use millstream_engine::testkit::{MemoryStore, TestContext};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let (disk, store) = (tempfile::tempdir()?, MemoryStore::new());
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let seen = test.collect(&test.input([vec![1, 2, 3]], 1)?);
    /// test.checkpoint_to(disk.path(), Arc::new(store.clone()))?;
    /// test.run(1)?;
    /// test.stop(true)?;
    /// assert_eq!(seen.batches(), [[1, 2, 3]]);
    /// assert_eq!(store.names().len(), 2, "the first checkpoint and the last");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// After the context has started.
    pub fn checkpoint_to(&self, dir: impl Into<PathBuf>, store: Arc<dyn CheckpointStore>) -> Result<()> {
        let (fs, store) = (Arc::new(RealFs), Some(store));
        self.keep_in(CheckpointDir { fs, dir: dir.into(), store, goes_on: false })
    }

    /// The context that `build` makes, going on where an earlier run of the program has ended, if `dir` has a checkpoint of one, and
    /// beginning anew if `dir` is empty or does not exist.
    ///
    /// The program always builds its graph itself: a checkpoint holds data, no code and no configuration. What the earlier run kept
    /// comes back to the operator of the same name ([`named`](DStream::named)); operators that are new begin empty. Batches that were
    /// under way, or that were missed since, are made at [`start`](Self::start) on the grid of the first run, with the records that
    /// they had.
    ///
    /// ```no_run
    /// use millstream_engine::{Config, StreamingContext};
    /// # fn build() -> millstream_engine::Result<StreamingContext> { StreamingContext::new(Config::new()) }
    /// let context = StreamingContext::get_or_create("/var/lib/word-count", build)?;
    /// context.start()?;
    /// context.await_termination()?;
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `build` fails. What is wrong with the directory, or does not fit the program, is told by `start`.
    pub fn get_or_create(dir: impl Into<PathBuf>, build: impl FnOnce() -> Result<Self>) -> Result<Self> {
        StreamingContext::get_or_create_on(Arc::new(RealFs), dir, build)
    }

    /// The same on another file system.
    ///
    /// # Errors
    /// As [`get_or_create`](Self::get_or_create).
    pub fn get_or_create_on(
        fs: Arc<dyn Fs>,
        dir: impl Into<PathBuf>,
        build: impl FnOnce() -> Result<Self>,
    ) -> Result<Self> {
        let context = build()?;
        context.keep_in(CheckpointDir { fs, dir: dir.into(), store: None, goes_on: true })?;
        Ok(context)
    }

    /// As [`get_or_create`](Self::get_or_create) with the checkpoints in `store` and the log in `dir`, as
    /// [`checkpoint_to`](Self::checkpoint_to) has them.
    ///
    /// # Errors
    /// When `build` fails. What is wrong with the directory or the store, or does not fit the program, is told by `start`.
    pub fn get_or_create_from(
        dir: impl Into<PathBuf>,
        store: Arc<dyn CheckpointStore>,
        build: impl FnOnce() -> Result<Self>,
    ) -> Result<Self> {
        let (context, fs) = (build()?, Arc::new(RealFs));
        context.keep_in(CheckpointDir { fs, dir: dir.into(), store: Some(store), goes_on: true })?;
        Ok(context)
    }

    pub(crate) fn keep_in(&self, dir: CheckpointDir) -> Result<()> {
        self.0.graph.ensure_open()?;
        self.state().checkpoint = Some(dir);
        Ok(())
    }

    /// How checkpointing goes; `None` without a checkpoint directory, or before the start.
    pub fn checkpoint_status(&self) -> Option<CheckpointStatus> {
        let running = self.state().running.clone()?;
        running.durability().map(|durability| durability.status())
    }

    /// Starts the receivers and the batches. Starting an active context again changes nothing.
    ///
    /// # Errors
    /// When the graph is wrong or has no output operation, when receivers would leave no thread to process their data, when an
    /// input cannot be started, when another context is active, or when this one has been stopped. The context is then stopped.
    pub fn start(&self) -> Result<()> {
        let mut state = self.state();
        match state.lifecycle {
            ContextState::Initialized => (),
            ContextState::Active => {
                tracing::warn!("StreamingContext has already been started");
                return Ok(());
            }
            ContextState::Stopped => {
                return Err(Error::State("StreamingContext has already been stopped".to_owned()));
            }
        }
        let checkpoint = state.checkpoint.clone();
        match self.try_start(checkpoint.as_ref()) {
            Ok(running) => {
                state.lifecycle = ContextState::Active;
                state.running = Some(Arc::new(running));
                Ok(())
            }
            Err(error) => {
                state.lifecycle = ContextState::Stopped;
                drop(state);
                self.release();
                Err(error)
            }
        }
    }

    fn try_start(&self, checkpoint: Option<&CheckpointDir>) -> Result<Running> {
        let inner = &self.0;
        inner.graph.validate()?;
        self.open_stats_file()?;
        if inner.exclusive {
            active::set(self)?;
            if self.config().stop_gracefully_on_shutdown {
                shutdown::install();
            }
        }
        reserve_cores(&inner.graph, inner.graph.receivers().len())?;
        let (durability, before) = self.begin(checkpoint)?;
        let outcome =
            ContextOutcome { context: Arc::downgrade(inner), termination: Arc::clone(&inner.termination) };
        let scheduler = Scheduler::new(
            Arc::clone(&inner.graph),
            Arc::clone(&inner.bus),
            Arc::clone(&inner.clock),
            inner.accumulators.clone(),
            durability.clone(),
            Box::new(outcome),
        );
        Running::start(&inner.graph, scheduler, durability, before, &inner.bus, &inner.clock)
    }

    /// Fixes the graph, and puts into it what an earlier run has left; the batch before the first.
    fn begin(&self, checkpoint: Option<&CheckpointDir>) -> Result<(Option<Arc<Durability>>, Time)> {
        let (graph, interval) = (&self.0.graph, self.config().batch_interval);
        let now = self.0.clock.now().floor(interval);
        let Some(dir) = checkpoint else {
            graph.fix(now);
            return Ok((None, now));
        };
        let mut opened = dir.open()?;
        let zero = opened.zero(now);
        graph.fix(zero);
        let now = self.0.clock.now().floor_from(interval, zero);
        let resumption = opened.resume(graph, zero, now)?;
        self.0.accumulators.restore(resumption.accumulators.clone());
        let durability = Durability::begin(graph, &self.0.accumulators, opened, &resumption)?;
        Ok((Some(durability), resumption.time))
    }

    /// Has every batch written to the file that the settings name, if they name one.
    fn open_stats_file(&self) -> Result<()> {
        let Some(path) = &self.config().stats_file else { return Ok(()) };
        let settings = self.config().entries().map(|(key, value, _)| (key.name(), value));
        self.add_listener(Arc::new(StatsFileListener::open(path, settings)?));
        Ok(())
    }

    /// Blocks until the context is stopped.
    ///
    /// # Errors
    /// The first error that stopped it.
    pub fn await_termination(&self) -> Result<()> {
        self.0.termination.wait(None).map(|_| ())
    }

    /// The same for `timeout` at the most; true when the context was stopped.
    ///
    /// # Errors
    /// The first error that stopped it.
    pub fn await_termination_or_timeout(&self, timeout: Duration) -> Result<bool> {
        self.0.termination.wait(Some(timeout))
    }

    /// Blocks until every input has come to its end and all its records are processed, then stops the context. Endless inputs
    /// (sockets, directories) have no end: this then waits like [`await_termination`](Self::await_termination).
    ///
    /// False when the context was stopped before the end: a result is then not that of the whole input.
    ///
    /// # Errors
    /// The first error that stopped it.
    pub fn await_end(&self) -> Result<bool> {
        let ended = self.0.termination.wait_for_end()?;
        self.stop(true)?;
        Ok(ended)
    }

    /// Stops the context. `graceful`: receivers stop first, and everything received is processed, within
    /// `graceful_stop_timeout`. Otherwise running tasks are the last, and what was received and not processed is dropped.
    ///
    /// It may be called in any state and from any thread; from user code that the engine runs (an output operation, a
    /// task, a receiver, an input) it returns at once and stops behind it.
    ///
    /// # Errors
    /// Inside a listener's callback.
    pub fn stop(&self, graceful: bool) -> Result<()> {
        if self.0.bus.on_bus_thread() {
            return Err(Error::State("Cannot stop StreamingContext within listener bus thread.".to_owned()));
        }
        if current::on_engine_thread() {
            let context = self.clone();
            std::thread::spawn(move || context.stop(graceful));
            return Ok(());
        }
        let _stopping = self.0.stopping.lock().unwrap_or_else(PoisonError::into_inner);
        let running = {
            let mut state = self.state();
            if state.lifecycle == ContextState::Stopped && state.running.is_none() {
                return Ok(());
            }
            state.lifecycle = ContextState::Stopped;
            state.running.take()
        };
        if let Some(running) = running {
            running.stop(graceful);
        }
        self.release();
        Ok(())
    }

    pub(super) fn stop_after_signal(&self) {
        if let Err(error) = self.stop(self.config().stop_gracefully_on_shutdown) {
            tracing::error!(%error, "the context could not be stopped");
        }
    }

    /// Lets go of everything that a context holds beside its running threads.
    fn release(&self) {
        self.0.graph.stop();
        self.executor().spill().close();
        active::clear(self);
        if let Err(error) = self.0.bus.stop() {
            tracing::warn!(%error, "listeners were cut off");
        }
        self.0.termination.stopped();
    }

    /// The batches up to `now` that the start has to make at once.
    pub(crate) fn missed(&self, now: Time) -> u64 {
        let running = self.state().running.clone();
        running.map_or(0, |running| running.missed(now))
    }

    pub(crate) fn scheduler(&self) -> Option<Arc<Scheduler>> {
        self.state().running.as_ref().map(|running| Arc::clone(&running.scheduler))
    }
}

impl std::fmt::Debug for StreamingContext {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StreamingContext")
            .field("state", &self.lifecycle())
            .field("graph", &self.0.graph)
            .finish()
    }
}

struct ContextOutcome {
    context: Weak<Inner>,
    termination: Arc<Termination>,
}

impl Outcome for ContextOutcome {
    /// The error is told, and the context stops behind the job thread that brings it.
    fn failed(&self, error: Error) {
        self.termination.failed(error);
        if let Some(inner) = self.context.upgrade() {
            std::thread::spawn(move || StreamingContext(inner).stop(false));
        }
    }

    fn ended(&self) {
        self.termination.ended();
    }
}
