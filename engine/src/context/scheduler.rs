use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::batch_run::BatchRun;
use super::durability::{Durability, RunEnd};
use super::generator::UPKEEP;
use super::tick_duty::TickDuty;
use crate::batch::StandIn;
use crate::clock::{CancelToken, Clock};
use crate::config::{Config, OnBatchFailure};
use crate::graph::{Graph, OutputBody};
use crate::job::{Job, catch, current};
use crate::observe::{AccumulatorRegistry, BatchInfo, Event, ListenerBus};
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
    durability: Option<Arc<Durability>>,
    outcome: Box<dyn Outcome>,
    on_batch_failure: OnBatchFailure,
    has_backpressure: bool,
    max_pending: usize,
    state: Mutex<State>,
    /// Notified when there is a job, for the job threads.
    work: Condvar,
    /// Notified of everything else that others wait for.
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
    /// Batches that were submitted and are not known to the graph as complete, in order.
    under_way: VecDeque<UnderWay>,
    completed: u64,
    /// The first batch before which all inputs had come to their end.
    end: Option<Time>,
    /// Nobody waits for room any longer than this.
    give_up: Option<Instant>,
    closed: bool,
    /// A batch has failed and the configuration says to stop.
    halted: bool,
    /// Job threads that live.
    threads: usize,
    /// Those of them that wait for work.
    resting: usize,
    /// Threads that wait for a change: notifying nobody costs a call of the system, too.
    watching: usize,
}

impl State {
    /// True when a job thread has something to do, if only to end.
    fn has_news(&self) -> bool {
        self.closed || self.is_ready()
    }

    /// True when the next job may begin. Where checkpoints are taken between two batches, those behind wait for those before.
    fn is_ready(&self) -> bool {
        let held = |(run, _): &(Arc<BatchRun>, OutputJob)| {
            run.barrier.is_some_and(|barrier| self.is_held_by(barrier))
        };
        self.queue.front().is_some_and(|next| !held(next))
    }

    /// How many batches are not complete.
    fn pending(&self) -> usize {
        self.under_way.iter().filter(|batch| !batch.is_complete).count()
    }

    /// Notes that the batch at `time` is complete.
    fn complete(&mut self, time: Time) {
        if let Some(batch) = self.under_way.iter_mut().find(|batch| batch.time == time) {
            batch.is_complete = true;
        }
    }

    /// The last complete batch with none pending before it, unless it was [told](Self::tell) before.
    fn frontier(&self) -> Option<Time> {
        self.under_way.iter().take_while(|batch| batch.is_complete).last().map(|batch| batch.time)
    }

    /// Notes that the graph knows of the batches up to `time`.
    fn tell(&mut self, time: Time) {
        while self.under_way.front().is_some_and(|batch| batch.time <= time) {
            self.under_way.pop_front();
        }
    }

    /// True when a batch at or before `barrier` is under way, or the graph does not know that it is complete.
    fn is_held_by(&self, barrier: Time) -> bool {
        self.under_way.front().is_some_and(|batch| batch.time <= barrier)
    }

    /// True when all inputs have ended and no batch is pending that may hold something.
    fn is_at_end(&self) -> bool {
        let mut pending = self.under_way.iter().filter(|batch| !batch.is_complete);
        self.end.is_some_and(|end| pending.all(|batch| batch.time > end))
    }
}

/// A batch that was submitted.
struct UnderWay {
    time: Time,
    /// It is not known to the graph as such, for an earlier one is pending.
    is_complete: bool,
}

/// The pause before a failed batch is tried again doubles from the first to the second.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

/// The longest pause before an output that waits for space looks again.
const SPACE_PAUSE_MAX: Duration = Duration::from_secs(2);

/// Where what concerns a full disk is told: not a matter of the program, but of whoever runs it.
const FULL_DISK: &str = "millstream_engine::full_disk";

impl Scheduler {
    pub(super) fn new(
        graph: Arc<Graph>,
        bus: Arc<ListenerBus>,
        clock: Arc<dyn Clock>,
        accumulators: AccumulatorRegistry,
        durability: Option<Arc<Durability>>,
        outcome: Box<dyn Outcome>,
    ) -> Arc<Self> {
        let config = graph.executor().config().clone();
        Arc::new(Scheduler {
            graph,
            bus,
            clock,
            accumulators,
            durability,
            outcome,
            on_batch_failure: config.on_batch_failure,
            has_backpressure: config.backpressure,
            max_pending: config.max_pending_batches,
            state: Mutex::default(),
            work: Condvar::new(),
            changed: Condvar::new(),
            telling: Mutex::default(),
            cancelled: Arc::default(),
            cancel: CancelToken::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a change, for `timeout` at the most.
    fn watch<'a>(&'a self, mut state: MutexGuard<'a, State>, timeout: Duration) -> MutexGuard<'a, State> {
        state.watching += 1;
        state = self.changed.wait_timeout(state, timeout).unwrap_or_else(PoisonError::into_inner).0;
        state.watching -= 1;
        state
    }

    /// Changes the state and tells those who wait for that.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state();
        change(&mut state);
        let (watching, wakes_jobs) = (state.watching > 0, state.resting > 0 && state.has_news());
        drop(state);
        if watching {
            self.changed.notify_all();
        }
        if wakes_jobs {
            self.work.notify_all();
        }
    }

    /// Starts the threads that run jobs; where `ticks` are worth it, the thread waits for them by itself.
    pub(crate) fn start(self: &Arc<Self>, config: &Config, ticks: impl Fn() -> StandIn) -> Result<()> {
        for i in 0..config.concurrent_jobs {
            let scheduler = Arc::clone(self);
            let duty = TickDuty::new(ticks(), config);
            self.state().threads += 1;
            let thread =
                std::thread::Builder::new().name(format!("jobs-{i}")).spawn(move || scheduler.run_jobs(duty));
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
        while !state.closed && state.pending() >= self.max_pending {
            let left =
                state.give_up.map_or(ROOM_WAIT_MAX, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return false;
            }
            state = self.watch(state, left);
        }
        !state.closed
    }

    /// From `end` on nobody waits for room any more: a context that stops must not hang behind a job that does.
    pub(crate) fn give_up_at(&self, end: Instant) {
        self.update(|state| state.give_up = Some(end));
    }

    /// Takes a batch. One without jobs does not exist for listeners.
    pub(crate) fn submit(&self, mut set: JobSet) {
        let barrier = self.durability.as_ref().map(|durability| durability.barrier_before(set.time));
        let run = Arc::new(BatchRun::new(&mut set, barrier));
        let is_empty = set.jobs.is_empty();
        self.tell(&run, || Event::BatchSubmitted(run.info(&run.progress())));
        self.update(|state| {
            state.under_way.push_back(UnderWay { time: run.time, is_complete: false });
            state.queue.extend(set.jobs.into_iter().map(|job| (Arc::clone(&run), job)));
        });
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
        while !done(state.completed, state.pending()) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || state.halted || (state.closed && state.threads == 0) {
                return done(state.completed, state.pending());
            }
            state = self.watch(state, left);
        }
        true
    }

    /// Stops: waits up to `grace` for the batches under way, then cancels the rest.
    pub(super) fn stop(&self, grace: Duration) -> RunEnd {
        let drained = self.wait_until(grace, |_, pending| pending == 0);
        if !drained {
            self.cancelled.store(true, Ordering::Release);
            self.cancel.cancel();
        }
        self.update(|state| state.closed = true);
        let end = Instant::now() + JOB_STOP_MAX;
        let mut state = self.state();
        while state.threads > 0 && Instant::now() < end {
            state = self.watch(state, ROOM_CHECK);
        }
        if state.threads > 0 {
            tracing::warn!(threads = state.threads, "jobs did not end in time and were left behind");
        }
        let is_idle = state.threads == 0;
        RunEnd { all_complete: drained && is_idle, is_idle }
    }

    fn run_jobs(&self, mut duty: Option<TickDuty>) {
        current::mark_engine_thread();
        while let Some((run, job)) = self.next_job(&mut duty) {
            if let Some(duty) = &mut duty {
                duty.begin(&run);
            }
            self.run_job(&run, &job);
        }
        self.update(|state| state.threads -= 1);
    }

    /// The next job; when there is none, the thread waits for one, or for the tick that makes one.
    fn next_job(&self, duty: &mut Option<TickDuty>) -> Option<(Arc<BatchRun>, OutputJob)> {
        loop {
            {
                let mut state = self.state();
                if state.closed {
                    return None;
                }
                if state.is_ready() {
                    return state.queue.pop_front();
                }
            }
            let has_ticked = duty.as_mut().is_some_and(|duty| duty.tick(|| !self.state().has_news()));
            if !has_ticked {
                self.rest();
            }
        }
    }

    /// Waits until there is something to do for a job thread.
    fn rest(&self) {
        let mut state = self.state();
        state.resting += 1;
        let waited = self.work.wait_while(state, |state| !state.has_news());
        waited.unwrap_or_else(PoisonError::into_inner).resting -= 1;
    }

    fn run_job(&self, run: &Arc<BatchRun>, output: &OutputJob) {
        self.begin(run, output);
        let outcome = self.attempt_by_policy(run.time, output);
        if matches!(&outcome, Err(Error::Stopped(_))) && self.cancelled.load(Ordering::Acquire) {
            return;
        }
        if let Some(durability) = &self.durability
            && output.id != UPKEEP
            && (outcome.is_ok() || self.on_batch_failure == OnBatchFailure::Skip)
        {
            durability.output_done(run.time, output.id);
        }
        if self.end(run, output, outcome) {
            self.finish_batch(run, false);
        }
    }

    fn attempt_by_policy(&self, time: Time, output: &OutputJob) -> Result<()> {
        let mut pause = RETRY_PAUSES.0;
        let mut waits_for_space = false;
        loop {
            let outcome = self.attempt(time, output);
            let pause_max = match &outcome {
                Err(error) if error.is_disk_full() => {
                    if !std::mem::replace(&mut waits_for_space, true) {
                        tracing::warn!(target: FULL_DISK, %error, "the disk is full: the batch and those behind it wait for space");
                    }
                    SPACE_PAUSE_MAX
                }
                Err(error)
                    if self.on_batch_failure == OnBatchFailure::Retry
                        && !matches!(error, Error::Stopped(_)) =>
                {
                    tracing::error!(batch = %time, %error, ?pause, "output operation failed and is tried again");
                    RETRY_PAUSES.1
                }
                _ => {
                    if waits_for_space && outcome.is_ok() {
                        tracing::warn!(target: FULL_DISK, batch = %time, "there is space again");
                    }
                    return outcome;
                }
            };
            if self.cancel.sleep(pause).is_err() {
                return Err(Error::Stopped(format!("{} in batch {time}", output.description)));
            }
            pause = (pause * 2).min(pause_max);
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
        let mut progress = run.progress();
        if progress.begin(output.id, self.clock.now()) {
            self.tell(run, || Event::BatchStarted(run.info(&progress)));
        }
        self.tell(run, || Event::OutputOperationStarted(run.operation(&progress, output.id)));
    }

    /// Tells listeners, unless the batch does not exist for them.
    fn tell(&self, run: &BatchRun, event: impl FnOnce() -> Event) {
        if !run.is_silent {
            self.bus.post_with(event);
        }
    }

    /// Notes the end of an output operation; true when it was the batch's last.
    fn end(&self, run: &BatchRun, output: &OutputJob, outcome: Result<()>) -> bool {
        if let Err(error) = &outcome {
            tracing::error!(batch = %run.time, %error, "output operation failed");
        }
        let mut progress = run.progress();
        let is_last = progress.end(output.id, self.clock.now(), outcome);
        self.tell(run, || Event::OutputOperationCompleted(run.operation(&progress, output.id)));
        if is_last {
            self.tell(run, || {
                let accumulators = catch(|| self.accumulators.snapshot()).unwrap_or_default();
                Event::BatchCompleted(BatchInfo { accumulators, ..run.info(&progress) })
            });
        }
        is_last
    }

    fn finish_batch(&self, run: &BatchRun, is_empty: bool) {
        let error = run.progress().take_error();
        if let Some(error) = error
            && self.on_batch_failure == OnBatchFailure::Stop
        {
            return self.halt(error);
        }
        if self.has_backpressure {
            let info = run.info(&run.progress());
            self.graph.receivers().iter().for_each(|receiver| receiver.batch_completed(&info));
        }
        let at_end = self.complete(run);
        self.tell_frontier();
        if !is_empty {
            self.graph.trackers().iter().for_each(|tracker| tracker.resume());
        }
        self.update(|state| state.completed += 1);
        if at_end {
            self.outcome.ended();
        }
    }

    /// Takes the batch out of the pending ones; true when nothing follows.
    fn complete(&self, run: &BatchRun) -> bool {
        let mut state = self.state();
        state.complete(run.time);
        if run.ends {
            state.end = Some(state.end.map_or(run.time, |end| end.min(run.time)));
        }
        state.is_at_end()
    }

    fn tell_frontier(&self) {
        let _telling = self.telling.lock().unwrap_or_else(PoisonError::into_inner);
        let frontier = self.state().frontier();
        if let Some(frontier) = frontier {
            if let Some(durability) = &self.durability
                && let Err(error) = durability.completed(frontier)
            {
                return self.halt(error);
            }
            self.graph.completed(frontier);
            self.update(|state| state.tell(frontier));
        }
    }

    /// No further batch is run: the failed one and those behind it are not counted as done.
    fn halt(&self, error: Error) {
        self.update(|state| {
            state.queue.clear();
            state.closed = true;
        });
        self.outcome.failed(error);
        self.update(|state| state.halted = true);
    }
}

/// How long `stop` waits for jobs that were cancelled.
const JOB_STOP_MAX: Duration = Duration::from_secs(2);

/// How long a batch waits for room before it looks again whether it is still wanted.
const ROOM_WAIT_MAX: Duration = Duration::from_secs(3_600);

/// How often `stop` looks.
const ROOM_CHECK: Duration = Duration::from_millis(20);
