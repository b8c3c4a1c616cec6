use std::sync::{Arc, Mutex, PoisonError};

use super::durability::Durability;
use super::scheduler::{JobSet, OutputJob, Scheduler};
use crate::clock::Clock;
use crate::graph::{Graph, Output, OutputBody};
use crate::job::catch;
use crate::observe::BatchInfo;
use crate::{BoxError, Error, Result, Time};

/// Makes a batch out of what the inputs have at a tick of the batch timer, and hands its jobs to the scheduler.
pub(crate) struct Generator {
    graph: Arc<Graph>,
    scheduler: Arc<Scheduler>,
    clock: Arc<dyn Clock>,
    durability: Option<Arc<Durability>>,
}

impl Generator {
    pub(super) fn new(
        graph: Arc<Graph>,
        scheduler: Arc<Scheduler>,
        clock: Arc<dyn Clock>,
        durability: Option<Arc<Durability>>,
    ) -> Self {
        Generator { graph, scheduler, clock, durability }
    }

    /// Makes the batch at `time`; false when no batch is wanted any more. While too many batches wait, it waits too: the receivers
    /// are slowed by their own limits.
    pub(crate) fn generate(&self, time: Time) -> bool {
        if self.graph.gaps().contains(time) {
            return true;
        }
        if !self.scheduler.wait_for_room() {
            return false;
        }
        let ends = self.graph.is_finished();
        let mut info = BatchInfo::submitted(time, self.clock.now());
        for receiver in self.graph.receivers() {
            let input = receiver.allocate(time);
            info.stream_id_to_input_info.insert(input.input_stream_id, input);
        }
        let jobs = self.jobs_of(time);
        let is_silent = jobs.iter().all(|job| job.id == UPKEEP);
        let jobs = self.durable(time, jobs);
        info.stream_id_to_input_info.extend(self.graph.infos().info(time));
        self.scheduler.submit(JobSet { time, jobs, info, ends, is_silent });
        true
    }

    /// What is to be done with the batch: the outputs' jobs, the first of which does the upkeep.
    fn jobs_of(&self, time: Time) -> Vec<OutputJob> {
        let upkeep = self.upkeep_of(time);
        let outputs = self.graph.outputs();
        let outputs = outputs.iter().filter(|output| !self.is_done(time, output.id));
        let mut jobs: Vec<_> = outputs.filter_map(|output| job_of(output, time)).collect();
        match (upkeep, jobs.first_mut()) {
            (Some(upkeep), Some(first)) => {
                let body = std::mem::replace(&mut first.body, Box::new(|_| Ok(())));
                first.body = Box::new(move |job| upkeep(job).and_then(|()| body(job)));
            }
            (Some(upkeep), None) => jobs.push(upkeep_job(upkeep)),
            (None, _) => {}
        }
        jobs
    }

    /// True when an earlier run of the program has done this output of the batch.
    fn is_done(&self, time: Time, output: usize) -> bool {
        self.durability.as_ref().is_some_and(|durability| durability.is_done(time, output))
    }

    /// Has what the batch is made of written down, and the jobs wait for that. A batch that is made again is in the log already.
    fn durable(&self, time: Time, mut jobs: Vec<OutputJob>) -> Vec<OutputJob> {
        let Some(durability) = &self.durability else { return jobs };
        if durability.is_repeated(time) {
            return jobs;
        }
        let ticket = durability.batch_made(time);
        for job in &mut jobs {
            let (durability, ticket) = (Arc::clone(durability), ticket.clone());
            let body = std::mem::replace(&mut job.body, Box::new(|_| Ok(())));
            job.body = Box::new(move |job| {
                durability.wait(ticket.clone()?)?;
                body(job)
            });
        }
        jobs
    }

    /// What is to be taken in for a later batch; none in most batches.
    fn upkeep_of(&self, time: Time) -> Option<OutputBody> {
        let graph = Arc::clone(&self.graph);
        let catches_up = self.durability.as_ref().is_some_and(|durability| durability.is_repeated(time));
        match upkeep(&graph, time, catches_up) {
            Ok(body) => body,
            Err(error) => Some(failing(error, move || upkeep(&graph, time, catches_up))),
        }
    }
}

/// A batch of an earlier run is taken into all operators (it `catches_up`), whatever outputs are left to be done.
fn upkeep(graph: &Graph, time: Time, catches_up: bool) -> Result<Option<OutputBody>> {
    let mut bodies = guarded(time, || graph.upkeep(time))?;
    if catches_up {
        bodies.extend(guarded(time, || graph.step_through(time))?);
    }
    if bodies.is_empty() {
        return Ok(None);
    }
    Ok(Some(Box::new(move |job| bodies.iter().try_for_each(|body| body(job)))))
}

/// The id of the job that is no output's.
pub(super) const UPKEEP: usize = usize::MAX;

/// A job for a batch in which no output has anything to do.
fn upkeep_job(body: OutputBody) -> OutputJob {
    OutputJob { id: UPKEEP, name: "upkeep", description: "what windows take in".into(), body }
}

/// The output's job for the batch, or none when its stream has no RDD at `time`. A batch that cannot be put together becomes a
/// job that fails with the reason, so that it is seen and treated like any other failure.
fn job_of(output: &Arc<Output>, time: Time) -> Option<OutputJob> {
    let body = match generate(output, time) {
        Ok(body) => body?,
        Err(error) => {
            let output = Arc::clone(output);
            failing(error, move || generate(&output, time))
        }
    };
    Some(OutputJob { id: output.id, name: output.name, description: Arc::clone(&output.description), body })
}

fn generate(output: &Output, time: Time) -> Result<Option<OutputBody>> {
    guarded(time, || (output.generate)(time))
}

/// A panic of what users write is an error of the batch.
fn guarded<T>(time: Time, make: impl FnOnce() -> Result<T>) -> Result<T> {
    catch(make).unwrap_or_else(|reason| Err(Error::Batch { time, reason }))
}

/// Fails with `error` the first time; when it is tried again, the body is made anew.
fn failing(
    error: Error,
    again: impl Fn() -> Result<Option<OutputBody>> + Send + Sync + 'static,
) -> OutputBody {
    let error = Mutex::new(Some(error));
    Box::new(move |job| {
        if let Some(error) = error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(BoxError::from(error));
        }
        match again()? {
            Some(body) => body(job),
            None => Ok(()),
        }
    })
}
