use std::sync::Arc;
use std::time::{Duration, Instant};

use super::durability::Durability;
use super::generator::Generator;
use super::scheduler::Scheduler;
use crate::batch::RecurringTimer;
use crate::clock::Clock;
use crate::graph::{Graph, ReceiverStream};
use crate::job::current;
use crate::observe::{Event, ListenerBus};
use crate::{Error, Result, Time};

/// The threads of an active context.
pub(super) struct Running {
    graph: Arc<Graph>,
    pub(super) scheduler: Arc<Scheduler>,
    generator: Arc<Generator>,
    timer: RecurringTimer,
    durability: Option<Arc<Durability>>,
    /// The batch before the first.
    before: Time,
}

/// How often a stopping context looks whether its receivers have stopped.
const STOP_CHECK: Duration = Duration::from_millis(1);

impl Running {
    /// Starts everything, in the order in which records flow backwards: jobs, receivers, batches. The first batch is the one
    /// behind that at `before`.
    pub(super) fn start(
        graph: &Arc<Graph>,
        scheduler: Arc<Scheduler>,
        durability: Option<Arc<Durability>>,
        before: Time,
        bus: &Arc<ListenerBus>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let receivers = graph.receivers();
        let generator = Arc::new(Generator::new(
            Arc::clone(graph),
            Arc::clone(&scheduler),
            Arc::clone(clock),
            durability.clone(),
        ));
        let ticks = Arc::clone(&generator);
        let interval = graph.batch_interval();
        let timer = RecurringTimer::new(Arc::clone(clock), interval, "batches", move |time| {
            current::mark_engine_thread();
            let _ = ticks.generate(time);
        });
        let running = Running { graph: Arc::clone(graph), scheduler, generator, timer, durability, before };
        match running.launch(&receivers, before + interval, bus, clock) {
            Ok(()) => Ok(running),
            Err(error) => {
                running.stop(false);
                Err(error)
            }
        }
    }

    /// How many batches are made up to `now`.
    pub(super) fn missed(&self, now: Time) -> u64 {
        self.graph.gaps().batches_between(self.before, now, self.graph.batch_interval())
    }

    pub(super) fn durability(&self) -> Option<&Durability> {
        self.durability.as_deref()
    }

    fn launch(
        &self,
        receivers: &[Arc<dyn ReceiverStream>],
        first: Time,
        bus: &Arc<ListenerBus>,
        clock: &Arc<dyn Clock>,
    ) -> Result<()> {
        self.graph.start_inputs()?;
        self.scheduler.start(self.graph.executor().config(), || self.timer.stand_in())?;
        bus.post(Event::StreamingStarted(clock.now()));
        start_receivers(&self.graph, receivers, bus, clock)?;
        self.timer.start(first)
    }

    /// Receivers stop and hand over what they have; a last batch takes it; all batches are processed; inputs stop.
    pub(super) fn stop(&self, graceful: bool) {
        let config = self.graph.executor().config();
        let receivers = self.graph.receivers();
        receivers.iter().for_each(|receiver| receiver.ask_to_stop());
        if !wait_for_receivers(&receivers, config.stop_timeout) {
            tracing::warn!("a receiver did not stop in time; what it still holds is lost");
        }
        let grace = if graceful { config.effective_graceful_stop_timeout() } else { Duration::ZERO };
        let end = Instant::now() + grace;
        self.scheduler.give_up_at(end);
        let last = self.timer.stop(true).unwrap_or(self.before);
        if graceful {
            self.make_what_is_left(last, end);
        }
        let run_end = self.scheduler.stop(end.saturating_duration_since(Instant::now()));
        if graceful && self.has_unallocated() {
            tracing::error!(?grace, "the stop took too long; records that were received are not processed");
        }
        if let Some(durability) = &self.durability {
            durability.finish(&run_end);
        }
        self.graph.stop();
    }

    /// Makes batches behind the one at `last` until they have all that was received, and all that an earlier run has left.
    fn make_what_is_left(&self, last: Time, end: Instant) {
        let mut time = last;
        while Instant::now() < end && (self.has_unallocated() || self.is_to_repeat_after(time)) {
            time = time + self.graph.batch_interval();
            if !self.generator.generate(time) {
                break;
            }
        }
    }

    fn is_to_repeat_after(&self, time: Time) -> bool {
        self.durability().is_some_and(|durability| durability.is_to_repeat_after(time))
    }

    fn has_unallocated(&self) -> bool {
        self.graph.trackers().iter().any(|tracker| tracker.has_unallocated())
    }
}

pub(super) fn reserve_cores(graph: &Graph, receivers: usize) -> Result<()> {
    let executor = graph.executor();
    let master = executor.config().master;
    if receivers > 0 && master.threads() <= receivers {
        return Err(Error::Config(format!(
            "master {master} gives {} thread(s), and each of the {receivers} receiver(s) takes one for itself, so that none is \
             left to process what they receive. Use local[{}] or more.",
            master.threads(),
            receivers + 1
        )));
    }
    executor.reserve(receivers);
    Ok(())
}

/// Receiver `i` gets the `i`-th core from the end, when the machine has a core for every thread of the master.
fn start_receivers(
    graph: &Graph,
    receivers: &[Arc<dyn ReceiverStream>],
    bus: &Arc<ListenerBus>,
    clock: &Arc<dyn Clock>,
) -> Result<()> {
    let config = graph.executor().config();
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = config.pin_receivers && cores.len() >= config.master.threads();
    for (i, receiver) in receivers.iter().enumerate() {
        let core = if pin { cores.iter().rev().nth(i).map(|core| core.id) } else { None };
        receiver.start(Arc::clone(bus), Arc::clone(clock), core)?;
    }
    Ok(())
}

fn wait_for_receivers(receivers: &[Arc<dyn ReceiverStream>], timeout: Duration) -> bool {
    let end = Instant::now() + timeout;
    while !receivers.iter().all(|receiver| receiver.is_stopped()) {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(STOP_CHECK);
    }
    true
}
