use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::Result;
use millstream_engine::fs::{Fs, FsRead};
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Data, Flow, Rdd};

use super::{FoundFile, OnMissing, SkippedFiles, TextFiles};

/// Makes an RDD of the files of one batch of a directory stream.
pub trait FileReader: Send + Sync + 'static {
    /// The RDD.
    type Rdd: Rdd;

    /// The records of `files`, which are on `fs`. With one that cannot be read when its turn comes, `skipped` knows what to do.
    ///
    /// # Errors
    /// When the batch must fail.
    fn read(
        &self,
        fs: &Arc<dyn Fs>,
        executor: &Executor,
        files: Vec<FoundFile>,
        skipped: &SkippedFiles,
    ) -> Result<Self::Rdd>;
}

/// Reads lines of text.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextReader;

impl FileReader for TextReader {
    type Rdd = TextFiles;

    fn read(
        &self,
        fs: &Arc<dyn Fs>,
        executor: &Executor,
        files: Vec<FoundFile>,
        skipped: &SkippedFiles,
    ) -> Result<TextFiles> {
        Ok(TextFiles::of_found(Arc::clone(fs), executor, files, OnMissing::Skip(skipped.clone())))
    }
}

/// Reads records of a fixed number of bytes.
#[derive(Clone, Copy, Debug)]
pub struct BinaryReader {
    /// Bytes of one record; at least one.
    pub record_length: usize,
}

/// Reads each file by itself with a function that opens it on the machine's file system and gives its records.
#[derive(Debug)]
pub struct EachFile<F>(Arc<F>);

impl<F> EachFile<F> {
    /// A reader that calls `open` for each file.
    pub fn new<T, I>(open: F) -> Self
    where
        F: Fn(&Path) -> io::Result<I> + Send + Sync + 'static,
        I: Iterator<Item = io::Result<T>>,
    {
        EachFile(Arc::new(open))
    }
}

/// Files that are read one per partition.
pub struct WholeFiles<F> {
    fs: Arc<dyn Fs>,
    executor: Executor,
    files: Arc<[FoundFile]>,
    skipped: SkippedFiles,
    read: Arc<F>,
}

/// Gives the records of a file to a sink, until that breaks.
pub trait ReadFile: Send + Sync + 'static {
    /// The type of the records.
    type Item: Data;

    /// Reads `file`, which is on `fs`. What an error of reading leads to is decided by [`SkippedFiles::skip_or_fail`]; one of the
    /// task's fails the batch.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read(
        &self,
        fs: &dyn Fs,
        file: &FoundFile,
        task: &Task,
        sink: impl FnMut(Self::Item) -> Flow,
    ) -> io::Result<Flow>;
}

impl<F, I, T> ReadFile for F
where
    F: Fn(&Path) -> io::Result<I> + Send + Sync + 'static,
    I: Iterator<Item = io::Result<T>>,
    T: Data,
{
    type Item = T;

    fn read(
        &self,
        _fs: &dyn Fs,
        file: &FoundFile,
        _task: &Task,
        mut sink: impl FnMut(T) -> Flow,
    ) -> io::Result<Flow> {
        for record in self(&file.path)? {
            if sink(record?).is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
    }
}

impl<F: ReadFile> FileReader for EachFile<F> {
    type Rdd = WholeFiles<F>;

    fn read(
        &self,
        fs: &Arc<dyn Fs>,
        executor: &Executor,
        files: Vec<FoundFile>,
        skipped: &SkippedFiles,
    ) -> Result<Self::Rdd> {
        Ok(WholeFiles::new(fs, executor, files, skipped, &self.0))
    }
}

impl FileReader for BinaryReader {
    type Rdd = WholeFiles<FixedRecords>;

    fn read(
        &self,
        fs: &Arc<dyn Fs>,
        executor: &Executor,
        files: Vec<FoundFile>,
        skipped: &SkippedFiles,
    ) -> Result<Self::Rdd> {
        let records = FixedRecords { length: self.record_length.max(1) };
        Ok(WholeFiles::new(fs, executor, files, skipped, &Arc::new(records)))
    }
}

/// Records of one length, one behind the other.
#[derive(Clone, Copy, Debug)]
pub struct FixedRecords {
    length: usize,
}

/// How much is read at a time.
const READ_BYTES: usize = 128 << 10;

impl ReadFile for FixedRecords {
    type Item = Vec<u8>;

    fn read(
        &self,
        fs: &dyn Fs,
        file: &FoundFile,
        task: &Task,
        mut sink: impl FnMut(Vec<u8>) -> Flow,
    ) -> io::Result<Flow> {
        let rest = file.bytes % self.length as u64;
        if rest != 0 {
            return Ok(task.fail(format!(
                "{}: Byte array does not have correct length. {rest} did not equal recordLength: {}",
                file.path.display(),
                self.length
            )));
        }
        let opened = fs.open(&file.path)?;
        let mut buffer = vec![0; (READ_BYTES / self.length).max(1) * self.length];
        let mut at = 0;
        while at < file.bytes {
            let wanted = buffer.len().min((file.bytes - at) as usize);
            let (read, outcome) = read_whole(&*opened, &mut buffer[..wanted], at);
            for record in buffer[..read].chunks_exact(self.length) {
                if sink(record.to_vec()).is_break() {
                    return Ok(Flow::Break(()));
                }
            }
            outcome?;
            at += read as u64;
        }
        Ok(Flow::Continue(()))
    }
}

/// Fills the buffer from `at` on; says how far it came, and why not farther.
fn read_whole(file: &dyn FsRead, buffer: &mut [u8], at: u64) -> (usize, io::Result<()>) {
    let mut read = 0;
    while read < buffer.len() {
        match file.read_at(&mut buffer[read..], at + read as u64) {
            Ok(0) => return (read, Err(io::ErrorKind::UnexpectedEof.into())),
            Ok(n) => read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return (read, Err(error)),
        }
    }
    (read, Ok(()))
}

impl<F> WholeFiles<F> {
    fn new(
        fs: &Arc<dyn Fs>,
        executor: &Executor,
        files: Vec<FoundFile>,
        skipped: &SkippedFiles,
        read: &Arc<F>,
    ) -> Self {
        WholeFiles {
            fs: Arc::clone(fs),
            executor: executor.clone(),
            files: files.into(),
            skipped: skipped.clone(),
            read: Arc::clone(read),
        }
    }
}

impl<F> Clone for WholeFiles<F> {
    fn clone(&self) -> Self {
        WholeFiles {
            fs: Arc::clone(&self.fs),
            executor: self.executor.clone(),
            files: Arc::clone(&self.files),
            skipped: self.skipped.clone(),
            read: Arc::clone(&self.read),
        }
    }
}

impl<F: ReadFile> Rdd for WholeFiles<F> {
    type Item = F::Item;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.files.len()
    }

    fn weight(&self) -> usize {
        self.files.iter().map(|file| file.bytes as usize).sum()
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(F::Item) -> Flow) -> Flow {
        let file = &self.files[partition];
        let read = self.read.read(&*self.fs, file, task, sink);
        read.unwrap_or_else(|error| self.skipped.skip_or_fail(&file.path, &error, task))
    }
}
