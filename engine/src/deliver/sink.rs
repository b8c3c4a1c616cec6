use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::job::Flow;
use crate::{BoxError, Time};

/// Where a stream's batches go, each of them once: what [`DStream::save_to`](crate::DStream::save_to) delivers to.
///
/// A batch is *prepared* partition by partition and then *committed* as a whole; the [module](crate::deliver) says in
/// which order, and what happens after a crash. Batches are committed in the order of their times, unless
/// `concurrent_jobs` is more than 1.
///
/// This one writes a folder of files, and commits by renaming them:
///
/// ```
/// use millstream_engine::deliver::{Guarantee, PartitionRecords, Sink};
/// use millstream_engine::testkit::TestContext;
/// use millstream_engine::{BoxError, Time};
/// use std::fs::{self, File};
/// use std::io::{BufWriter, ErrorKind, Write};
/// use std::path::PathBuf;
/// use std::time::Duration;
///
/// struct Folder(PathBuf);
///
/// impl Folder {
///     /// Makes the names in the folder durable.
///     fn sync(&self) -> Result<(), BoxError> {
///         Ok(File::open(&self.0)?.sync_all()?)
///     }
/// }
///
/// impl Sink<u64> for Folder {
///     /// The name of the file. Until it is committed, it has a dot before it.
///     type Staged = String;
///
///     fn guarantee(&self) -> Guarantee {
///         Guarantee::ExactlyOnce
///     }
///
///     fn prepare(
///         &self,
///         batch: Time,
///         partition: usize,
///         records: PartitionRecords<'_, u64>,
///     ) -> Result<String, BoxError> {
///         // An earlier attempt had the same name: it is overwritten.
///         let name = format!("{}-{partition}", batch.as_millis());
///         let mut file = BufWriter::new(File::create(self.0.join(format!(".{name}")))?);
///         records.for_each(|record| Ok(writeln!(file, "{record}")?))?;
///         file.into_inner()?.sync_all()?;
///         self.sync()?;
///         Ok(name)
///     }
///
///     fn commit(&self, _batch: Time, staged: &[String]) -> Result<(), BoxError> {
///         for name in staged {
///             match fs::rename(self.0.join(format!(".{name}")), self.0.join(name)) {
///                 // Committed before a crash, and now again.
///                 Err(error) if error.kind() == ErrorKind::NotFound && self.0.join(name).exists() => {}
///                 renamed => renamed?,
///             }
///         }
///         self.sync()
///     }
///
///     fn abort(&self, _batch: Time, staged: &[String]) -> Result<(), BoxError> {
///         for name in staged {
///             fs::remove_file(self.0.join(format!(".{name}")))?;
///         }
///         Ok(())
///     }
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().to_owned();
/// let test = TestContext::new(Duration::from_secs(1))?;
/// test.input([vec![1_u64, 2, 3], vec![4]], 2)?.save_to(Folder(path.clone()));
/// test.run(2)?;
/// assert_eq!(fs::read_to_string(path.join("1000-0"))?, "1\n");
/// assert_eq!(fs::read_to_string(path.join("1000-1"))?, "2\n3\n");
/// # Ok::<(), BoxError>(())
/// ```
pub trait Sink<T>: Send + Sync + 'static {
    /// What a partition's [`commit`](Self::commit) has to know: a name, an offset, the number of a transaction. It is
    /// written into the log, so it should be small.
    type Staged: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// What the sink makes of a batch that is committed twice. It is shown in the description of the output operation.
    fn guarantee(&self) -> Guarantee;

    /// Where batches go, if that tells this sink from others: a path, the name of a table. By it the output is known when a program goes
    /// on after a crash; without it by its type and the stream.
    fn place(&self) -> Option<String> {
        None
    }

    /// An attempt at `batch` begins, which may not be the first: what is prepared for it and not committed is of no use
    /// any more. A sink whose `prepare` overwrites by name has nothing to do here, as long as a batch has the same
    /// number of partitions in every run.
    ///
    /// # Errors
    /// Whatever makes the output of the batch fail.
    fn begin(&self, batch: Time) -> Result<(), BoxError> {
        let _ = batch;
        Ok(())
    }

    /// Takes the records of one partition: when it returns, they are durable, and not seen by anybody. Called by
    /// several threads at once, once for each partition; again when an attempt failed, which must leave nothing.
    ///
    /// # Errors
    /// When the records cannot be written, or given: what [`for_each`](PartitionRecords::for_each) returns. The task is
    /// tried again.
    fn prepare(
        &self,
        batch: Time,
        partition: usize,
        records: PartitionRecords<'_, T>,
    ) -> Result<Self::Staged, BoxError>;

    /// Makes what was prepared seen, and durably so; `staged` has what `prepare` gave for each partition, in their
    /// order.
    ///
    /// It is called again when it failed or may not have come to its end, perhaps by another process, and must then
    /// complete what is left of it.
    ///
    /// # Errors
    /// Whatever makes the output of the batch fail. What then happens is the choice of `on_batch_failure`.
    fn commit(&self, batch: Time, staged: &[Self::Staged]) -> Result<(), BoxError>;

    /// Forgets what was prepared: some partitions could not be, or the commit failed and is not tried again. What a
    /// failed commit has made seen may stay.
    ///
    /// # Errors
    /// They are logged, and nothing else.
    fn abort(&self, batch: Time, staged: &[Self::Staged]) -> Result<(), BoxError>;
}

/// What a [`Sink`] promises, in a program with a checkpoint directory and inputs that can be read again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Guarantee {
    /// A record is seen once, whatever happens: a commit that is repeated changes nothing.
    ExactlyOnce,
    /// No record is missing; those of a commit that is repeated may be seen twice.
    AtLeastOnce,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Guarantee::ExactlyOnce => "exactly once",
            Guarantee::AtLeastOnce => "at least once",
        })
    }
}

/// The records of one partition of a batch, to be computed while they are written.
pub struct PartitionRecords<'a, T>(pub(super) Compute<'a, T>);

/// Pushes the records into what it is given; breaks when that does, or when they cannot be computed.
pub(super) type Compute<'a, T> = Box<dyn FnOnce(&mut dyn FnMut(T) -> Flow) -> Flow + 'a>;

impl<T> PartitionRecords<'_, T> {
    /// Gives each record to `take`, in order, until that fails.
    ///
    /// # Errors
    /// That of `take`; or that the records could not be computed to their end, in which case those that came are worth
    /// nothing.
    pub fn for_each(self, mut take: impl FnMut(T) -> Result<(), BoxError>) -> Result<(), BoxError> {
        let mut outcome = Ok(());
        let flow = (self.0)(&mut |record| {
            outcome = take(record);
            if outcome.is_ok() { Flow::Continue(()) } else { Flow::Break(()) }
        });
        outcome?;
        match flow {
            Flow::Continue(()) => Ok(()),
            Flow::Break(()) => Err("the records could not be computed to their end".into()),
        }
    }
}

impl<T> fmt::Debug for PartitionRecords<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartitionRecords").finish_non_exhaustive()
    }
}
