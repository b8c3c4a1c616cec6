//! Text files as RDDs, read in splits.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memchr::memchr2;
use millstream_engine::fs::{Fs, FsRead, RealFs};
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Flow, Rdd};
use millstream_engine::text::{self, ChunkMut, Text};
use millstream_engine::{Error, Result};

use super::found::is_lasting;
use super::{FoundFile, MendedLines, SkippedFiles};
use crate::lines::LineCutter;

/// The lines of one or more files. A partition is a split: `file.split_bytes` of a file, to the next line.
///
/// A split is read in chunks that stay in the cache; what follows in the chain works on a chunk before the next one is read.
#[derive(Clone)]
pub struct TextFiles {
    fs: Arc<dyn Fs>,
    executor: Executor,
    splits: Arc<[Split]>,
    on_missing: OnMissing,
    mended: MendedLines,
}

/// What follows when a file cannot be read, or not to its end.
#[derive(Clone, Debug, Default)]
pub enum OnMissing {
    /// The task fails, and is tried again.
    #[default]
    Fail,
    /// The file, or the rest of it, is left out and counted, and what was read of it stays; [`SkippedFiles`] says when.
    Skip(SkippedFiles),
}

#[derive(Debug)]
struct Split {
    file: Arc<SourceFile>,
    start: u64,
    end: u64,
}

#[derive(Debug)]
struct SourceFile {
    path: Arc<Path>,
    bytes: u64,
    is_skipped: AtomicBool,
}

/// How far the search for a line's end reads at a time.
const SEARCH_BYTES: usize = 4 << 10;

impl TextFiles {
    /// The lines of `paths`, one file after the other.
    ///
    /// # Errors
    /// When a file is not there or is a directory.
    pub fn open(executor: &Executor, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Result<Self> {
        let fs: Arc<dyn Fs> = Arc::new(RealFs);
        let files = paths.into_iter().map(|path| {
            let path: Arc<Path> = path.into().into();
            length_of(&*fs, &path).map(|bytes| (path, bytes))
        });
        let files = files.collect::<Result<Vec<_>>>()?;
        Ok(TextFiles::new(fs, executor, files, OnMissing::Fail))
    }

    /// The lines of files that were found on `fs` before, and may be gone since.
    pub fn of_found(
        fs: Arc<dyn Fs>,
        executor: &Executor,
        files: impl IntoIterator<Item = FoundFile>,
        on_missing: OnMissing,
    ) -> Self {
        TextFiles::new(fs, executor, files.into_iter().map(|file| (file.path, file.bytes)), on_missing)
    }

    fn new(
        fs: Arc<dyn Fs>,
        executor: &Executor,
        files: impl IntoIterator<Item = (Arc<Path>, u64)>,
        on_missing: OnMissing,
    ) -> Self {
        let step = executor.config().split_bytes as u64;
        let mended = match &on_missing {
            OnMissing::Fail => MendedLines::default(),
            OnMissing::Skip(skipped) => skipped.mended().clone(),
        };
        let mut splits = Vec::new();
        for (path, bytes) in files {
            let file = Arc::new(SourceFile { path, bytes, is_skipped: AtomicBool::new(false) });
            splits.extend((0..bytes.div_ceil(step)).map(|i| Split {
                file: Arc::clone(&file),
                start: i * step,
                end: bytes.min((i + 1) * step),
            }));
        }
        TextFiles { fs, executor: executor.clone(), splits: splits.into(), on_missing, mended }
    }

    /// What was mended in the lines that were read so far.
    pub fn mended(&self) -> &MendedLines {
        &self.mended
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().map(|split| split.end - split.start).sum()
    }

    fn read(&self, split: &Split, mut sink: impl FnMut(Text) -> Flow) -> io::Result<Flow> {
        let file = &*self.fs.open(&split.file.path)?;
        let mut at = line_start(file, split.start)?;
        let end = split.line_end(file)?;
        let mut cutter = LineCutter::new(self.executor.config().max_line_bytes);
        let pool = self.executor.chunks();
        while at < end {
            let mut chunk = pool.take_at_least(cutter.pending() + SEARCH_BYTES).map_err(io::Error::other)?;
            cutter.begin(&mut chunk);
            let (read, outcome) = fill(file, &mut chunk, at, end);
            at += read;
            cutter.settle(&mut chunk, 0, at >= end || outcome.is_err());
            if self.lines_of(chunk, &mut sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
            outcome?;
        }
        self.mended.note_cut(cutter.cut_lines());
        Ok(Flow::Continue(()))
    }

    fn lines_of(&self, chunk: ChunkMut, sink: &mut impl FnMut(Text) -> Flow) -> io::Result<Flow> {
        let chunk = chunk.freeze();
        let valid = text::validate(&chunk, 0..chunk.len()).map_err(io::Error::other)?;
        drop(chunk);
        self.mended.note_replaced(valid.replaced);
        Ok(text::for_each_line(&valid.block, 0..valid.block.len(), sink))
    }

    fn failed(&self, file: &SourceFile, task: &Task, error: &io::Error) -> Flow {
        match &self.on_missing {
            OnMissing::Fail => task.fail(format!("reading {}: {error}", file.path.display())),
            OnMissing::Skip(skipped) => {
                let is_told = is_lasting(error) && file.is_skipped.swap(true, Ordering::Relaxed);
                if is_told { Flow::Continue(()) } else { skipped.skip_or_fail(&file.path, error, task) }
            }
        }
    }
}

impl Split {
    /// Where the last line that begins in the split ends. Nothing behind the length that the file had is read.
    fn line_end(&self, file: &dyn FsRead) -> io::Result<u64> {
        match self.end == self.file.bytes {
            true => Ok(self.end),
            false => line_start(file, self.end).map(|end| end.min(self.file.bytes)),
        }
    }
}

impl Rdd for TextFiles {
    type Item = Text;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.splits.len()
    }

    fn weight(&self) -> usize {
        self.bytes() as usize
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(Text) -> Flow) -> Flow {
        let split = &self.splits[partition];
        self.read(split, sink).unwrap_or_else(|error| self.failed(&split.file, task, &error))
    }
}

fn length_of(fs: &dyn Fs, path: &Path) -> Result<u64> {
    let failed = |error| Error::io(format!("reading the text file {}", path.display()), error);
    if fs.is_dir(path).map_err(failed)? {
        return Err(failed(io::Error::other("it is a directory; name its files, or use text_file_stream")));
    }
    fs.len(path).map_err(failed)
}

/// Where the first line begins that begins at `at` or later.
fn line_start(file: &dyn FsRead, at: u64) -> io::Result<u64> {
    let Some(mut from) = at.checked_sub(1) else { return Ok(0) };
    let mut buffer = [0; SEARCH_BYTES];
    loop {
        let read = file.read_at(&mut buffer, from)?;
        if read == 0 {
            return Ok(from);
        }
        if let Some(end) = memchr2(b'\n', b'\r', &buffer[..read]) {
            let next = from + end as u64 + 1;
            let is_pair = buffer[end] == b'\r' && byte_at(file, next)? == Some(b'\n');
            return Ok(next + u64::from(is_pair));
        }
        from += read as u64;
    }
}

fn byte_at(file: &dyn FsRead, at: u64) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((file.read_at(&mut byte, at)? == 1).then_some(byte[0]))
}

/// Reads from `at`, not past `end`, until the chunk is full; says how far it came, and why not farther.
fn fill(file: &dyn FsRead, chunk: &mut ChunkMut, at: u64, end: u64) -> (u64, io::Result<()>) {
    let mut read = 0;
    while at + read < end && chunk.remaining() > 0 {
        let spare = chunk.spare_mut();
        let wanted = spare.len().min((end - at - read) as usize);
        match file.read_at(&mut spare[..wanted], at + read) {
            Ok(0) => {
                let shorter = "the file became shorter while it was read";
                return (read, Err(io::Error::new(io::ErrorKind::UnexpectedEof, shorter)));
            }
            Ok(n) => {
                chunk.advance(n);
                read += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return (read, Err(error)),
        }
    }
    (read, Ok(()))
}
