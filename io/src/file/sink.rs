use std::fmt::{self, Display};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::deliver::{Guarantee, PartitionRecords, Sink};
use millstream_engine::fs::{Fs, RealFs};
use millstream_engine::{BoxError, Time};

use super::commit::{OutputFolder, batch_path};

/// Writes each batch of a stream as a folder of its own, with a part file per partition: what [`Sinks`](crate::Sinks) saves to, as a
/// [`Sink`] for whatever takes one.
///
/// ```
/// use millstream_engine::testkit::TestContext;
/// use millstream_io::file::BatchFolders;
/// use std::time::Duration;
///
/// # let dir = tempfile::tempdir()?;
/// # let prefix = dir.path().join("numbers").display().to_string();
/// let test = TestContext::new(Duration::from_secs(1))?;
/// test.input([vec![1, 2]], 1)?.save_to(BatchFolders::text(&prefix, "txt"));
/// test.run(1)?;
/// assert_eq!(std::fs::read_to_string(format!("{prefix}-1000.txt/part-00000"))?, "1\n2\n");
/// # Ok::<(), millstream_engine::BoxError>(())
/// ```
pub struct BatchFolders<T> {
    fs: Arc<dyn Fs>,
    prefix: String,
    suffix: String,
    /// What every part file begins with.
    header: &'static [u8],
    encode: Box<Encode<T>>,
}

/// Appends a record to the buffer.
type Encode<T> = dyn Fn(&T, &mut Vec<u8>) -> io::Result<()> + Send + Sync;

impl<T: Display> BatchFolders<T> {
    /// The batch at time T becomes the folder `prefix-T.suffix`, with a line of text for each record.
    pub fn text(prefix: &str, suffix: &str) -> Self {
        BatchFolders::new(prefix, suffix, b"", |record, line| writeln!(line, "{record}"))
    }
}

impl<T> BatchFolders<T> {
    pub(crate) fn new(
        prefix: &str,
        suffix: &str,
        header: &'static [u8],
        encode: impl Fn(&T, &mut Vec<u8>) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        BatchFolders {
            fs: Arc::new(RealFs),
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            header,
            encode: Box::new(encode),
        }
    }

    /// The same folders on another file system than the machine's.
    #[must_use]
    pub fn on(self, fs: Arc<dyn Fs>) -> Self {
        BatchFolders { fs, ..self }
    }

    /// The folder of a batch, begun before.
    fn folder(&self, batch: Time) -> io::Result<OutputFolder> {
        OutputFolder::begun_on(Arc::clone(&self.fs), self.path(batch))
    }

    fn path(&self, batch: Time) -> PathBuf {
        batch_path(&self.prefix, &self.suffix, batch.as_millis())
    }
}

impl<T> fmt::Debug for BatchFolders<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BatchFolders({})", batch_path(&self.prefix, &self.suffix, 0).display())
    }
}

impl<T: 'static> Sink<T> for BatchFolders<T> {
    /// The bytes of the part file, which a commit finds again, or fails.
    type Staged = u64;

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn place(&self) -> Option<String> {
        Some(self.prefix.clone())
    }

    fn begin(&self, batch: Time) -> Result<(), BoxError> {
        Ok(OutputFolder::begin_on(Arc::clone(&self.fs), self.path(batch)).map(drop)?)
    }

    fn prepare(
        &self,
        batch: Time,
        partition: usize,
        records: PartitionRecords<'_, T>,
    ) -> Result<u64, BoxError> {
        let mut part = self.folder(batch)?.writer(partition)?;
        part.write_all(self.header)?;
        let mut bytes = Vec::new();
        records.for_each(|record| {
            bytes.clear();
            (self.encode)(&record, &mut bytes)?;
            Ok(part.write_all(&bytes)?)
        })?;
        Ok(part.finish()?)
    }

    fn commit(&self, batch: Time, staged: &[u64]) -> Result<(), BoxError> {
        Ok(self.folder(batch)?.commit(staged)?)
    }

    fn abort(&self, batch: Time, _staged: &[u64]) -> Result<(), BoxError> {
        Ok(self.folder(batch)?.abort()?)
    }
}
