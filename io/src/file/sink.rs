use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use millstream_engine::fs::is_disk_full;
use millstream_engine::job::{Job, Stage, Task};
use millstream_engine::rdd::{Flow, Rdd};
use millstream_engine::{BoxError, Error, Time};

use super::commit::{OutputFolder, batch_path};

/// Writes each batch of a stream as a folder of its own, one part file per partition.
#[derive(Clone, Debug)]
pub(crate) struct BatchFiles {
    prefix: String,
    suffix: String,
    /// What every part file begins with.
    header: &'static [u8],
}

impl BatchFiles {
    pub(crate) fn new(prefix: &str, suffix: &str, header: &'static [u8]) -> Self {
        BatchFiles { prefix: prefix.to_owned(), suffix: suffix.to_owned(), header }
    }

    /// Writes the batch at `time`, in place of what an earlier run of it wrote. `encode` appends a record to the buffer.
    ///
    /// # Errors
    /// When a partition cannot be computed or written; of a full disk one that [says so](Error::is_disk_full).
    pub(crate) fn save<R: Rdd>(
        &self,
        job: &Job,
        rdd: &R,
        time: Time,
        encode: impl Fn(&R::Item, &mut Vec<u8>) -> io::Result<()> + Sync,
    ) -> Result<(), BoxError> {
        let saved = self.try_save(job, rdd, time, encode);
        saved.map_err(|error| Error::of_output(error, || format!("batch {time}, {}", job.name())))
    }

    fn try_save<R: Rdd>(
        &self,
        job: &Job,
        rdd: &R,
        time: Time,
        encode: impl Fn(&R::Item, &mut Vec<u8>) -> io::Result<()> + Sync,
    ) -> Result<(), BoxError> {
        rdd.prepare(job)?;
        let full = Mutex::new(None);
        let folder = OutputFolder::begin(batch_path(&self.prefix, &self.suffix, time.as_millis()))?;
        let stage = Stage { name: "save", partitions: rdd.num_partitions(), weight: rdd.weight() };
        rdd.executor().run(job, stage, |task| {
            match self.write_part(&folder, rdd, task, &encode) {
                // To try the task again at once is of no use.
                Err(error) if is_disk_full(&error) => {
                    *full.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                }
                Err(error) => _ = task.fail(error.to_string()),
                Ok(()) => {}
            }
        })?;
        if let Some(error) = full.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error.into());
        }
        folder.commit()?;
        Ok(())
    }

    fn write_part<R: Rdd>(
        &self,
        folder: &OutputFolder,
        rdd: &R,
        task: &Task,
        encode: &impl Fn(&R::Item, &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut part = folder.writer(task.partition())?;
        part.write_all(self.header)?;
        let mut record = Vec::new();
        let mut outcome = Ok(());
        let flow = rdd.compute(task.partition(), task, |item| {
            record.clear();
            outcome = encode(&item, &mut record).and_then(|()| part.write_all(&record));
            if outcome.is_ok() { Flow::Continue(()) } else { Flow::Break(()) }
        });
        outcome?;
        match flow {
            Flow::Continue(()) => part.finish(),
            Flow::Break(()) => Ok(()), // the task has failed, and says why
        }
    }
}
