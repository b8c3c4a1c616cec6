use std::sync::Arc;
use std::time::{Duration, Instant};

use super::receiver::Command;
use super::{Receiver, ReceiverContext};
use crate::clock::Clock;
use crate::job::{catch, current};
use crate::observe::{Event, ListenerBus, ReceiverInfo};
use crate::{BoxError, Time};

/// Runs one receiver on its thread: starts it, cuts its blocks, starts it again after an error, stops it.
pub(crate) struct Supervisor<R: Receiver> {
    receiver: R,
    cx: ReceiverContext<R::Format>,
    info: ReceiverInfo,
    bus: Arc<ListenerBus>,
    clock: Arc<dyn Clock>,
    block_interval: Duration,
    /// The end of the current block interval.
    next_tick: Time,
}

/// The longest that a receiver may be asked to poll: so soon does it look at its commands and its clock.
const POLL_MAX: Duration = Duration::from_millis(20);

/// The same while it has nothing to cut: waking a thread for nothing costs more than a tiny batch.
const IDLE_POLL_MAX: Duration = Duration::from_millis(100);

/// Why a life of the receiver has ended.
enum End {
    Stop { reason: String },
    Restart { delay: Duration },
}

impl<R: Receiver> Supervisor<R> {
    pub(crate) fn new(
        receiver: R,
        cx: ReceiverContext<R::Format>,
        stream: usize,
        name: String,
        bus: Arc<ListenerBus>,
        clock: Arc<dyn Clock>,
        block_interval: Duration,
    ) -> Self {
        let info = ReceiverInfo { stream_id: stream, name, ..ReceiverInfo::default() };
        let next_tick = clock.now().floor(block_interval) + block_interval;
        Supervisor { receiver, cx, info, bus, clock, block_interval, next_tick }
    }

    /// Lives until it is told to stop.
    pub(crate) fn run(mut self, core: Option<usize>) {
        current::mark_engine_thread();
        self.settle_on(core);
        loop {
            let end = self.live();
            self.end_life();
            match end {
                End::Stop { reason } => return self.farewell(&reason),
                End::Restart { delay } => {
                    if let Some(reason) = self.rest(delay) {
                        return self.farewell(&reason);
                    }
                }
            }
        }
    }

    fn settle_on(&mut self, core: Option<usize>) {
        let here = std::thread::current();
        self.cx.set_waker(move || here.unpark());
        self.info.location = match core {
            Some(core) => {
                core_affinity::set_for_current(core_affinity::CoreId { id: core });
                format!("core {core}")
            }
            None => "any core".to_owned(),
        };
        self.cx.builder().tick(self.next_tick - self.block_interval);
    }

    /// One life: start, poll until something ends it.
    fn live(&mut self) -> End {
        self.info.active = true;
        let (receiver, cx) = (&mut self.receiver, &self.cx);
        if let Err(reason) = flatten(catch(|| receiver.on_start(cx))) {
            return self.failed("the receiver could not be started", &reason);
        }
        self.bus.post(Event::ReceiverStarted(self.info.clone()));
        loop {
            if let Some(end) = self.commanded() {
                return end;
            }
            let timeout = self.tick();
            let (receiver, cx) = (&mut self.receiver, &self.cx);
            if let Err(reason) = flatten(catch(|| receiver.poll(cx, timeout))) {
                // A receiver that is told to stop while it stores gets an error, and hands it on.
                let told = self.commanded();
                return told.unwrap_or_else(|| self.failed("the receiver lost its source", &reason));
            }
        }
    }

    fn commanded(&mut self) -> Option<End> {
        for (message, error) in self.cx.take_errors() {
            self.report(&message, &error);
        }
        match self.cx.take_command()? {
            Command::Stop { reason } => Some(End::Stop { reason }),
            Command::Restart { reason, delay } => {
                self.report(&format!("restarting in {} ms", delay.as_millis()), &reason);
                Some(End::Restart { delay })
            }
        }
    }

    /// Cuts the block when its interval is over; says how long to poll until the next cut.
    fn tick(&mut self) -> Duration {
        let now = self.clock.now();
        if now >= self.next_tick {
            let block = now.floor(self.block_interval);
            self.cx.builder().tick(block);
            self.next_tick = block + self.block_interval;
        }
        if self.cx.builder().is_empty() {
            return self.idle_poll(now);
        }
        self.next_tick.since(now).min(POLL_MAX)
    }

    /// Ends of intervals are passed over, but the last one within reach: what begins to come meanwhile is cut there, or by the batch
    /// that takes it.
    fn idle_poll(&self, now: Time) -> Duration {
        let last = (now + IDLE_POLL_MAX).floor(self.block_interval);
        if last > now { last.since(now) } else { IDLE_POLL_MAX }
    }

    fn failed(&mut self, message: &str, reason: &str) -> End {
        let delay = self.cx.restart_delay();
        self.report(&format!("{message}; it is started again in {} ms", delay.as_millis()), reason);
        End::Restart { delay }
    }

    fn report(&mut self, message: &str, error: &str) {
        tracing::warn!(receiver = %self.info.name, %message, %error, "receiver error");
        self.info.last_error_message = message.to_owned();
        self.info.last_error = error.to_owned();
        self.info.last_error_time = Some(self.clock.now());
        self.bus.post(Event::ReceiverError(self.info.clone()));
    }

    /// Stops the receiver and hands over what it has stored.
    fn end_life(&mut self) {
        self.cx.builder().close();
        let receiver = &mut self.receiver;
        if let Err(reason) = catch(|| receiver.on_stop()) {
            self.report("the receiver could not be stopped", &reason);
        }
        for (message, error) in self.cx.take_errors() {
            self.report(&message, &error);
        }
        self.cx.builder().tick(self.clock.now().floor(self.block_interval));
        self.info.active = false;
    }

    /// Waits between two lives; a stop ends the wait and gives its reason. Restarts that were asked for meanwhile mean the life
    /// that is over.
    fn rest(&mut self, delay: Duration) -> Option<String> {
        let end = Instant::now() + delay;
        while Instant::now() < end && !self.cx.is_told_to_stop() {
            std::thread::park_timeout(end.saturating_duration_since(Instant::now()));
        }
        // First open, then look: a stop that is told after the look closes what is open.
        self.cx.builder().reopen();
        match self.cx.take_command()? {
            Command::Stop { reason } => Some(reason),
            Command::Restart { .. } => None,
        }
    }

    fn farewell(&mut self, reason: &str) {
        self.cx.builder().close();
        tracing::info!(receiver = %self.info.name, %reason, "receiver stopped");
        self.bus.post(Event::ReceiverStopped(self.info.clone()));
    }
}

fn flatten(outcome: Result<Result<(), BoxError>, String>) -> Result<(), String> {
    outcome?.map_err(|error| error.to_string())
}
