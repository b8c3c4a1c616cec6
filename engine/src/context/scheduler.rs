use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::clock::{CancelToken, Clock};
use crate::config::{Config, OnBatchFailure};
use crate::graph::{Graph, OutputBody};
use crate::job::{Job, catch, current};
use crate::observe::{AccumulatorRegistry, BatchInfo, Event, ListenerBus, OutputOperationInfo};
use crate::{Error, Result, Time};

/// One batch, ready to run.
pub(crate) struct JobSet {
    pub(crate) time: Time,
    pub(crate) jobs: Vec<OutputJob>,
    pub(crate) info: BatchInfo,
    /// All inputs had come to their end before this batch was made: nothing follows it.
    pub(crate) ends: bool,
    /// No output has a job, so the batch does not exist for listeners.
    pub(crate) is_silent: bool,
}

/// What one output operation does with a batch.
pub(crate) struct OutputJob {
    pub(crate) id: usize,
    pub(crate) name: &'static str,
    pub(crate) description: Arc<str>,
    pub(crate) body: OutputBody,
}

/// What the scheduler tells the context.
pub(crate) trait Outcome: Send + Sync {
    /// A batch has failed for good and the configuration says to stop.
    fn failed(&self, error: Error);
    /// All inputs have come to their end and everything is processed.
    fn ended(&self);
}

/// Runs the jobs of the batches: in batch order, `concurrent_jobs` at a time.
pub(crate) struct Scheduler {
    graph: Arc<Graph>,
    bus: Arc<ListenerBus>,
    clock: Arc<dyn Clock>,
    accumulators: AccumulatorRegistry,
    outcome: Box<dyn Outcome>,
    on_batch_failure: OnBatchFailure,
    max_pending: usize,
    state: Mutex<State>,
    changed: Condvar,
    /// Held while the graph is told how far the batches are complete, so that it is told in order.
    telling: Mutex<()>,
    cancelled: Arc<AtomicBool>,
    /// Ends the pauses between two attempts of a failed batch.
    cancel: CancelToken,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Arc<BatchRun>, OutputJob)>,
    /// Batches that were submitted and are not complete.
    pending: BTreeMap<Time, Arc<BatchRun>>,
    /// Batches that are complete, but not known to the graph as such, for an earlier one may be pending.
    finished: BTreeSet<Time>,
    completed: u64,
    /// The first batch before which all inputs had come to their end.
    end: Option<Time>,
    /// Nobody waits for room any longer than this.
    give_up: Option<Instant>,
    closed: bool,
    /// A batch has failed and the configuration says to stop.
    halted: bool,
    threads: usize,
}

impl State {
    /// The last complete batch with none pending before it, unless it was taken before.
    fn take_frontier(&mut self) -> Option<Time> {
        let later = match self.pending.first_key_value() {
            Some((oldest, _)) => self.finished.split_off(oldest),
            None => BTreeSet::new(),
        };
        std::mem::replace(&mut self.finished, later).pop_last()
    }

    /// True when all inputs have ended and no batch is pending that may hold something.
    fn is_at_end(&self) -> bool {
        let oldest = self.pending.first_key_value().map(|(oldest, _)| *oldest);
        self.end.is_some_and(|end| oldest.is_none_or(|oldest| oldest > end))
    }
}

struct BatchRun {
    time: Time,
    ends: bool,
    is_silent: bool,
    info: Mutex<BatchInfo>,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    started: bool,
    remaining: usize,
    first_error: Option<Error>,
}

/// The pause before a failed batch is tried again doubles from the first to the second.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

impl Scheduler {
    pub(crate) fn new(
        graph: Arc<Graph>,
        bus: Arc<ListenerBus>,
        clock: Arc<dyn Clock>,
        accumulators: AccumulatorRegistry,
        outcome: Box<dyn Outcome>,
    ) -> Arc<Self> {
        let config = graph.executor().config().clone();
        Arc::new(Scheduler {
            graph,
            bus,
            clock,
            accumulators,
            outcome,
            on_batch_failure: config.on_batch_failure,
            max_pending: config.max_pending_batches,
            state: Mutex::default(),
            changed: Condvar::new(),
            telling: Mutex::default(),
            cancelled: Arc::default(),
            cancel: CancelToken::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the threads that run jobs.
    pub(crate) fn start(self: &Arc<Self>, config: &Config) -> Result<()> {
        for i in 0..config.concurrent_jobs {
            let scheduler = Arc::clone(self);
            self.state().threads += 1;
            let thread =
                std::thread::Builder::new().name(format!("jobs-{i}")).spawn(move || scheduler.run_jobs());
            if let Err(e) = thread {
                self.state().threads -= 1;
                return Err(Error::io("starting a job thread", e));
            }
        }
        Ok(())
    }

    /// Waits while `max_pending_batches` are under way; false when no batch is wanted any more.
    pub(crate) fn wait_for_room(&self) -> bool {
        let mut state = self.state();
        while !state.closed && state.pending.len() >= self.max_pending {
            let left =
                state.give_up.map_or(ROOM_WAIT_MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.closed
    }

    /// From `end` on nobody waits for room any more: a context that stops must not hang behind a job that does.
    pub(crate) fn give_up_at(&self, end: Instant) {
        self.state().give_up = Some(end);
        self.changed.notify_all();
    }

    /// Takes a batch. One without jobs does not exist for listeners.
    pub(crate) fn submit(&self, set: JobSet) {
        let run = Arc::new(BatchRun {
            time: set.time,
            ends: set.ends,
            is_silent: set.is_silent,
            progress: Mutex::new(Progress { remaining: set.jobs.len(), ..Progress::default() }),
            info: Mutex::new(set.info),
        });
        let is_empty = set.jobs.is_empty();
        if !run.is_silent {
            run.describe(&set.jobs);
        }
        self.tell(&run, || Event::BatchSubmitted(run.info().clone()));
        let mut state = self.state();
        state.pending.insert(run.time, Arc::clone(&run));
        state.queue.extend(set.jobs.into_iter().map(|job| (Arc::clone(&run), job)));
        drop(state);
        self.changed.notify_all();
        if is_empty {
            self.finish_batch(&run, true);
        }
    }

    /// Batches that are complete, with those that had nothing to do.
    pub(crate) fn completed(&self) -> u64 {
        self.state().completed
    }

    /// Waits until `done` holds for the number of completed and of pending batches; false when the time is over first.
    pub(crate) fn wait_until(&self, timeout: Duration, done: impl Fn(u64, usize) -> bool) -> bool {
        let end = Instant::now() + timeout;
        let mut state = self.state();
        while !done(state.completed, state.pending.len()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.halted || (state.closed && state.threads == 0) {
                return done(state.completed, state.pending.len());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Stops: waits up to `grace` for the batches under way, then cancels the rest.
    pub(crate) fn stop(&self, grace: Duration) {
        let drained = self.wait_until(grace, |_, pending| pending == 0);
        if !drained {
            self.cancelled.store(true, Ordering::Release);
            self.cancel.cancel();
        }
        self.state().closed = true;
        self.changed.notify_all();
        let end = Instant::now() + JOB_STOP_MAX;
        let mut state = self.state();
        while state.threads > 0 && Instant::now() < end {
            state = self.changed.wait_timeout(state, ROOM_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
        if state.threads > 0 {
            tracing::warn!(threads = state.threads, "jobs did not end in time and were left behind");
        }
    }

    fn run_jobs(&self) {
        current::mark_engine_thread();
        while let Some((run, job)) = self.next_job() {
            self.run_job(&run, &job);
        }
        self.state().threads -= 1;
        self.changed.notify_all();
    }

    fn next_job(&self) -> Option<(Arc<BatchRun>, OutputJob)> {
        let idle = |state: &mut State| !state.closed && state.queue.is_empty();
        let mut state = self.changed.wait_while(self.state(), idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed { None } else { state.queue.pop_front() }
    }

    fn run_job(&self, run: &Arc<BatchRun>, output: &OutputJob) {
        self.begin(run, output);
        let outcome = self.attempt_by_policy(run.time, output);
        if matches!(&outcome, Err(Error::Stopped(_))) && self.cancelled.load(Ordering::Acquire) {
            return;
        }
        if self.end(run, output, outcome) {
            self.finish_batch(run, false);
        }
    }

    fn attempt_by_policy(&self, time: Time, output: &OutputJob) -> Result<()> {
        let mut pause = RETRY_PAUSES.0;
        loop {
            let outcome = self.attempt(time, output);
            match &outcome {
                Err(error)
                    if self.on_batch_failure == OnBatchFailure::Retry
                        && !matches!(error, Error::Stopped(_)) =>
                {
                    tracing::error!(batch = %time, %error, ?pause, "output operation failed and is tried again");
                }
                _ => return outcome,
            }
            if self.cancel.sleep(pause).is_err() {
                return Err(Error::Stopped(format!("{} in batch {time}", output.description)));
            }
            pause = (pause * 2).min(RETRY_PAUSES.1);
        }
    }

    fn attempt(&self, time: Time, output: &OutputJob) -> Result<()> {
        let job = Job::with_cancel(time, Arc::clone(&output.description), Arc::clone(&self.cancelled));
        let outcome = current::within(&job, || catch(|| (output.body)(&job)));
        crate::text::release_credits();
        match outcome {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(match error.downcast::<Error>() {
                Ok(error) => *error,
                Err(error) => Error::Batch { time, reason: format!("{}: {error}", output.description) },
            }),
            Err(reason) => Err(Error::Batch { time, reason: format!("{}: {reason}", output.description) }),
        }
    }

    fn begin(&self, run: &BatchRun, output: &OutputJob) {
        let now = self.clock.now();
        let mut progress = run.progress();
        if !progress.started {
            progress.started = true;
            let mut info = run.info();
            info.processing_start_time = Some(now);
            self.tell(run, || Event::BatchStarted(info.clone()));
        }
        let operation = run.update(output.id, |operation| operation.start_time = Some(now));
        self.tell(run, || Event::OutputOperationStarted(operation));
    }

    /// Tells listeners, unless the batch does not exist for them.
    fn tell(&self, run: &BatchRun, event: impl FnOnce() -> Event) {
        if !run.is_silent {
            self.bus.post(event());
        }
    }

    /// Notes the end of an output operation; true when it was the batch's last.
    fn end(&self, run: &BatchRun, output: &OutputJob, outcome: Result<()>) -> bool {
        let now = self.clock.now();
        let mut progress = run.progress();
        let operation = run.update(output.id, |operation| {
            operation.end_time = Some(now);
            operation.failure_reason = outcome.as_ref().err().map(ToString::to_string);
        });
        self.tell(run, || Event::OutputOperationCompleted(operation));
        if let Err(error) = outcome {
            tracing::error!(batch = %run.time, %error, "output operation failed");
            progress.first_error.get_or_insert(error);
        }
        progress.remaining -= 1;
        if progress.remaining == 0 {
            let mut info = run.info();
            info.processing_end_time = Some(now);
            info.accumulators = catch(|| self.accumulators.snapshot()).unwrap_or_default();
            self.tell(run, || Event::BatchCompleted(info.clone()));
        }
        progress.remaining == 0
    }

    fn finish_batch(&self, run: &BatchRun, is_empty: bool) {
        let error = run.progress().first_error.take();
        if let Some(error) = error
            && self.on_batch_failure == OnBatchFailure::Stop
        {
            return self.halt(error);
        }
        let at_end = self.complete(run);
        self.tell_frontier();
        if !is_empty {
            self.graph.trackers().iter().for_each(|tracker| tracker.resume());
        }
        self.state().completed += 1;
        self.changed.notify_all();
        if at_end {
            self.outcome.ended();
        }
    }

    /// Takes the batch out of the pending ones; true when nothing follows.
    fn complete(&self, run: &BatchRun) -> bool {
        let mut state = self.state();
        state.pending.remove(&run.time);
        state.finished.insert(run.time);
        if run.ends {
            state.end = Some(state.end.map_or(run.time, |end| end.min(run.time)));
        }
        state.is_at_end()
    }

    fn tell_frontier(&self) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let frontier = self.state().take_frontier();
        if let Some(frontier) = frontier {
            self.graph.completed(frontier);
        }
    }

    /// No further batch is run: the failed one and those behind it are not counted as done.
    fn halt(&self, error: Error) {
        {
            let mut state = self.state();
            state.queue.clear();
            state.closed = true;
        }
        self.outcome.failed(error);
        self.state().halted = true;
        self.changed.notify_all();
    }
}

/// How long `stop` waits for jobs that were cancelled.
const JOB_STOP_MAX: Duration = Duration::from_secs(2);

/// How long a batch waits for room before it looks again whether it is still wanted.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// How often `stop` looks.
const ROOM_CHECK: Duration = Duration::from_millis(20);

impl BatchRun {
    fn info(&self) -> MutexGuard<'_, BatchInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn describe(&self, jobs: &[OutputJob]) {
        let mut info = self.info();
        for job in jobs {
            let operation = OutputOperationInfo {
                batch_time: self.time,
                id: job.id,
                name: job.name.to_owned(),
                description: job.description.to_string(),
                ..OutputOperationInfo::default()
            };
            info.output_operation_infos.insert(job.id, operation);
        }
    }

    fn update(&self, id: usize, change: impl FnOnce(&mut OutputOperationInfo)) -> OutputOperationInfo {
        let mut info = self.info();
        let operation = info.output_operation_infos.entry(id).or_default();
        change(operation);
        operation.clone()
    }
}
