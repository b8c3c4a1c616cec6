use std::any::type_name;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Commits, PartitionRecords, Sink};
use crate::config::OnBatchFailure;
use crate::job::{Job, Stage, Task, catch};
use crate::rdd::Rdd;
use crate::recovery::{Prepared, decode, encoded};
use crate::{BoxError, Error, Result, Time};

/// One batch on its way into a sink, over all attempts: what was prepared once is not prepared again.
pub(crate) struct Delivery<T, S: Sink<T>> {
    sink: Arc<S>,
    time: Time,
    output: usize,
    progress: Mutex<Progress<S::Staged>>,
    of: PhantomData<fn(T)>,
}

/// How far a batch is.
struct Progress<P> {
    /// What was prepared, once all is.
    staged: Option<Vec<P>>,
    /// Whether the next run would know of it.
    is_recorded: bool,
}

impl<T, S: Sink<T>> Delivery<T, S> {
    /// A batch of which nothing is prepared.
    pub(crate) fn new(sink: Arc<S>, time: Time, output: usize) -> Self {
        let progress = Mutex::new(Progress { staged: None, is_recorded: false });
        Delivery { sink, time, output, progress, of: PhantomData }
    }

    /// A batch that an earlier run has prepared.
    ///
    /// # Errors
    /// When `staged` cannot be read.
    pub(crate) fn prepared(sink: Arc<S>, time: Time, output: usize, mut staged: &[u8]) -> Result<Self> {
        let staged = decode(&mut staged).map_err(|error| {
            Error::Recovery(format!(
                "what {} has prepared of batch {time} is in the log and cannot be read, so it is not committed \
                 ({error}): start the program as it was, with the sink's old type Staged",
                type_name::<S>()
            ))
        })?;
        let progress = Mutex::new(Progress { staged: Some(staged), is_recorded: true });
        Ok(Delivery { sink, time, output, progress, of: PhantomData })
    }

    /// Does what is left to be done. `rdd` is the batch, if it was not prepared before.
    ///
    /// # Errors
    /// When the sink fails, a task does, or the log.
    pub(crate) fn attempt<R: Rdd<Item = T>>(
        &self,
        job: &Job,
        rdd: Option<&R>,
        commits: &Commits,
        policy: OnBatchFailure,
    ) -> Result<(), BoxError> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let Progress { staged, is_recorded } = &mut *progress;
        let prepared = match (staged.take(), rdd) {
            (Some(prepared), _) => prepared,
            (None, Some(rdd)) => self.prepare(job, rdd)?,
            (None, None) => return Err("a batch that was given up cannot be committed".into()),
        };
        let prepared = staged.insert(prepared);
        if !*is_recorded {
            // Should this fail, the record may yet be durable, and then the next run commits: nothing is aborted.
            commits.prepared(self.time, self.output, || recorded::<T, S>(prepared))?;
            *is_recorded = true;
        }
        let outcome = self.guarded("commit", || self.sink.commit(self.time, prepared));
        let is_tried_again = policy == OnBatchFailure::Retry
            || (policy == OnBatchFailure::Stop && commits.is_on())
            || outcome.as_ref().is_err_and(says_disk_full);
        if outcome.is_err() && !is_tried_again {
            commits.give_up(self.time, self.output)?;
            self.abort(prepared);
            *staged = None;
        }
        outcome
    }

    /// Prepares all partitions, or none.
    fn prepare<R: Rdd<Item = T>>(&self, job: &Job, rdd: &R) -> Result<Vec<S::Staged>, BoxError> {
        rdd.prepare(job)?;
        self.guarded("begin", || self.sink.begin(self.time))?;
        let partitions = rdd.num_partitions();
        let staged: Vec<_> = (0..partitions).map(|_| Mutex::new(None)).collect();
        let stage = Stage { name: "save_to", partitions, weight: rdd.weight() };
        let full = Mutex::new(None);
        let outcome = rdd.executor().run(job, stage, |task| {
            let prepared = self.prepare_partition(rdd, task, &full);
            *staged[task.partition()].lock().unwrap_or_else(PoisonError::into_inner) = prepared;
        });
        let taken =
            staged.into_iter().filter_map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner));
        let staged = taken.collect::<Vec<_>>();
        let full = full.into_inner().unwrap_or_else(PoisonError::into_inner);
        let error = match (outcome, full) {
            (Ok(_), None) => return Ok(staged),
            (Ok(_), Some(full)) => full,
            (Err(error), _) => error,
        };
        self.abort(&staged);
        Err(error.into())
    }

    /// Prepares one partition; none when the task has failed, which then leaves nothing, or the disk is full, which is left in `full`.
    fn prepare_partition<R: Rdd<Item = T>>(
        &self,
        rdd: &R,
        task: &Task,
        full: &Mutex<Option<Error>>,
    ) -> Option<S::Staged> {
        let mut is_whole = true;
        let compute = Box::new(|take: &mut dyn FnMut(T) -> _| {
            let flow = rdd.compute(task.partition(), task, take);
            is_whole = flow.is_continue();
            flow
        });
        match self.sink.prepare(self.time, task.partition(), PartitionRecords(compute)) {
            Ok(staged) if is_whole => return Some(staged),
            Ok(staged) => {
                self.abort(&[staged]);
                let _ =
                    task.fail("the sink has prepared a partition whose records did not come to their end");
            }
            Err(error) => match Error::of_output(error, || self.shown("prepare")).downcast::<Error>() {
                // To try the task again at once is of no use.
                Ok(error) if error.is_disk_full() => {
                    *full.lock().unwrap_or_else(PoisonError::into_inner) = Some(*error);
                }
                Ok(error) => _ = task.fail(error.to_string()),
                Err(error) => _ = task.fail(error.to_string()),
            },
        }
        None
    }

    fn abort(&self, staged: &[S::Staged]) {
        if let Err(error) = self.guarded("abort", || self.sink.abort(self.time, staged)) {
            tracing::warn!(batch = %self.time, %error, "what was prepared is not committed, and not cleared away");
        }
    }

    /// Calls the sink: a panic is an error.
    fn guarded(&self, phase: &str, call: impl FnOnce() -> Result<(), BoxError>) -> Result<(), BoxError> {
        let outcome = catch(call).unwrap_or_else(|reason| Err(reason.into()));
        outcome.map_err(|error| match Error::of_output(error, || self.shown(phase)) {
            error if says_disk_full(&error) => error,
            error => format!("{}, {phase}: {error}", type_name::<S>()).into(),
        })
    }

    /// What is being done, for an error.
    fn shown(&self, phase: &str) -> String {
        format!("batch {}, {}, {phase}", self.time, type_name::<S>())
    }
}

/// What a later run has to know of what was prepared.
fn recorded<T, S: Sink<T>>(staged: &[S::Staged]) -> Result<Prepared> {
    Ok(Prepared { sink: type_name::<S>().to_owned(), staged: encoded(staged)? })
}

fn says_disk_full(error: &BoxError) -> bool {
    error.downcast_ref::<Error>().is_some_and(Error::is_disk_full)
}
