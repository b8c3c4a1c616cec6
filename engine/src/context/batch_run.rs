use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::scheduler::{JobSet, OutputJob};
use crate::observe::{BatchInfo, OutputOperationInfo};
use crate::{Error, Result, Time};

/// A batch under way: what is known of it, kept so that it costs next to nothing while nobody listens.
pub(super) struct BatchRun {
    pub(super) time: Time,
    pub(super) ends: bool,
    /// It does not exist for listeners.
    pub(super) is_silent: bool,
    /// It begins when the batches up to this time are complete, and in a checkpoint if one is due.
    pub(super) barrier: Option<Time>,
    /// As it was submitted.
    submitted: BatchInfo,
    progress: Mutex<Progress>,
}

/// How far a batch has come.
pub(super) struct Progress {
    started: Option<Time>,
    ended: Option<Time>,
    remaining: usize,
    first_error: Option<Error>,
    operations: Vec<Operation>,
}

/// One of the batch's output operations.
struct Operation {
    id: usize,
    name: &'static str,
    description: Arc<str>,
    started: Option<Time>,
    ended: Option<Time>,
    failure: Option<String>,
}

impl BatchRun {
    pub(super) fn new(set: &mut JobSet, barrier: Option<Time>) -> Self {
        let operation = |job: &OutputJob| Operation {
            id: job.id,
            name: job.name,
            description: Arc::clone(&job.description),
            started: None,
            ended: None,
            failure: None,
        };
        let progress = Progress {
            started: None,
            ended: None,
            remaining: set.jobs.len(),
            first_error: None,
            operations: set.jobs.iter().map(operation).collect(),
        };
        BatchRun {
            time: set.time,
            ends: set.ends,
            is_silent: set.is_silent,
            barrier,
            submitted: std::mem::take(&mut set.info),
            progress: Mutex::new(progress),
        }
    }

    pub(super) fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the inputs brought, in bytes, where a record counts `bytes_per_record` at least.
    pub(super) fn weight(&self, bytes_per_record: u64) -> u64 {
        let inputs = self.submitted.stream_id_to_input_info.values();
        inputs.map(|input| input.bytes.max(input.num_records * bytes_per_record)).sum()
    }

    /// The batch as listeners see it now.
    pub(super) fn info(&self, progress: &Progress) -> BatchInfo {
        let operations =
            progress.operations.iter().map(|operation| (operation.id, operation.info(self.time)));
        BatchInfo {
            processing_start_time: progress.started,
            processing_end_time: progress.ended,
            output_operation_infos: operations.collect(),
            ..self.submitted.clone()
        }
    }

    /// An output operation as listeners see it now.
    pub(super) fn operation(&self, progress: &Progress, id: usize) -> OutputOperationInfo {
        let operation = progress.operations.iter().find(|operation| operation.id == id);
        operation.map(|operation| operation.info(self.time)).unwrap_or_default()
    }
}

impl Progress {
    /// Notes that an output operation begins; true when it is the batch's first.
    pub(super) fn begin(&mut self, id: usize, now: Time) -> bool {
        self.change(id, |operation| operation.started = Some(now));
        let is_first = self.started.is_none();
        self.started.get_or_insert(now);
        is_first
    }

    /// Notes how an output operation ended; true when it was the batch's last.
    pub(super) fn end(&mut self, id: usize, now: Time, outcome: Result<()>) -> bool {
        self.change(id, |operation| {
            operation.ended = Some(now);
            operation.failure = outcome.as_ref().err().map(ToString::to_string);
        });
        if let Err(error) = outcome {
            self.first_error.get_or_insert(error);
        }
        self.remaining -= 1;
        if self.remaining == 0 {
            self.ended = Some(now);
        }
        self.remaining == 0
    }

    pub(super) fn take_error(&mut self) -> Option<Error> {
        self.first_error.take()
    }

    fn change(&mut self, id: usize, change: impl FnOnce(&mut Operation)) {
        self.operations.iter_mut().find(|operation| operation.id == id).map(change);
    }
}

impl Operation {
    fn info(&self, batch_time: Time) -> OutputOperationInfo {
        OutputOperationInfo {
            batch_time,
            id: self.id,
            name: self.name.to_owned(),
            description: self.description.to_string(),
            start_time: self.started,
            end_time: self.ended,
            failure_reason: self.failure.clone(),
        }
    }
}
