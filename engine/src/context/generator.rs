use std::sync::{Arc, Mutex, PoisonError};

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
}

impl Generator {
    pub(crate) fn new(graph: Arc<Graph>, scheduler: Arc<Scheduler>, clock: Arc<dyn Clock>) -> Self {
        Generator { graph, scheduler, clock }
    }

    /// Makes the batch at `time`. While too many batches wait, it waits too: the receivers are slowed by their own limits.
    pub(crate) fn generate(&self, time: Time) {
        if !self.scheduler.wait_for_room() {
            return;
        }
        let ends = self.graph.is_finished();
        let mut info = BatchInfo::submitted(time, self.clock.now());
        for receiver in self.graph.receivers() {
            let input = receiver.allocate(time);
            info.stream_id_to_input_info.insert(input.input_stream_id, input);
        }
        let jobs: Vec<_> = self.graph.outputs().iter().filter_map(|output| job_of(output, time)).collect();
        info.stream_id_to_input_info.extend(self.graph.infos().info(time));
        self.scheduler.submit(JobSet { time, jobs, info, ends });
    }
}

/// The output's job for the batch, or none when its stream has no RDD at `time`. A batch that cannot be put together becomes a
/// job that fails with the reason, so that it is seen and treated like any other failure.
fn job_of(output: &Arc<Output>, time: Time) -> Option<OutputJob> {
    let body = match generate(output, time) {
        Ok(body) => body?,
        Err(error) => failing(Arc::clone(output), time, error),
    };
    Some(OutputJob { id: output.id, name: output.name, description: Arc::clone(&output.description), body })
}

fn generate(output: &Output, time: Time) -> Result<Option<OutputBody>> {
    catch(|| (output.generate)(time)).unwrap_or_else(|reason| Err(Error::Batch { time, reason }))
}

/// Fails with `error` the first time; when it is tried again, the batch is put together anew.
fn failing(output: Arc<Output>, time: Time, error: Error) -> OutputBody {
    let error = Mutex::new(Some(error));
    Box::new(move |job| {
        if let Some(error) = error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(BoxError::from(error));
        }
        match generate(&output, time)? {
            Some(body) => body(job),
            None => Ok(()),
        }
    })
}
