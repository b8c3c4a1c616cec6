//! Text files as RDDs, read in splits.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memchr::memchr2;
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Flow, Rdd};
use millstream_engine::text::{self, ChunkMut, Text};
use millstream_engine::{Error, Result};

use crate::lines::LineCutter;

/// The lines of one or more files. A partition is a split: `file.split_bytes` of a file, to the next line.
///
/// A split is read in chunks that stay in the cache; what follows in the chain works on a chunk before the next one is read.
#[derive(Clone)]
pub struct TextFiles {
    executor: Executor,
    splits: Arc<[Split]>,
}

#[derive(Debug)]
struct Split {
    path: Arc<Path>,
    start: u64,
    end: u64,
}

/// How far the search for a line's end reads at a time.
const SEARCH_BYTES: usize = 4 << 10;

impl TextFiles {
    /// The lines of `paths`, one file after the other.
    ///
    /// # Errors
    /// When a file is not there or is a directory.
    pub fn open(executor: &Executor, paths: impl IntoIterator<Item = impl Into<PathBuf>>) -> Result<Self> {
        let step = executor.config().split_bytes as u64;
        let mut splits = Vec::new();
        for path in paths {
            let path: Arc<Path> = path.into().into();
            let bytes = length_of(&path)?;
            splits.extend((0..bytes.div_ceil(step)).map(|i| Split {
                path: Arc::clone(&path),
                start: i * step,
                end: bytes.min((i + 1) * step),
            }));
        }
        Ok(TextFiles { executor: executor.clone(), splits: splits.into() })
    }

    /// The bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.splits.iter().map(|split| split.end - split.start).sum()
    }

    fn read(&self, split: &Split, mut sink: impl FnMut(Text) -> Flow) -> io::Result<Flow> {
        let file = File::open(&split.path)?;
        let mut at = line_start(&file, split.start)?;
        let end = line_start(&file, split.end)?;
        let mut cutter = LineCutter::new(self.executor.config().max_line_bytes);
        let pool = self.executor.chunks();
        while at < end {
            let mut chunk = pool.take_at_least(cutter.pending() + SEARCH_BYTES).map_err(io::Error::other)?;
            cutter.begin(&mut chunk);
            at += fill(&file, &mut chunk, at, end)?;
            cutter.settle(&mut chunk, 0, at >= end);
            if lines_of(chunk, &mut sink)?.is_break() {
                return Ok(Flow::Break(()));
            }
        }
        Ok(Flow::Continue(()))
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
        self.read(split, sink)
            .unwrap_or_else(|error| task.fail(format!("reading {}: {error}", split.path.display())))
    }
}

fn length_of(path: &Path) -> Result<u64> {
    let failed = |error| Error::io(format!("reading the text file {}", path.display()), error);
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Err(failed(io::Error::other("it is a directory; name its files, or use text_file_stream")));
    }
    Ok(metadata.len())
}

/// Where the first line begins that begins at `at` or later.
fn line_start(file: &File, at: u64) -> io::Result<u64> {
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

fn byte_at(file: &File, at: u64) -> io::Result<Option<u8>> {
    let mut byte = [0];
    Ok((file.read_at(&mut byte, at)? == 1).then_some(byte[0]))
}

/// Reads from `at`, not past `end`, until the chunk is full.
fn fill(file: &File, chunk: &mut ChunkMut, at: u64, end: u64) -> io::Result<u64> {
    let mut read = 0;
    while at + read < end && chunk.remaining() > 0 {
        let spare = chunk.spare_mut();
        let wanted = spare.len().min((end - at - read) as usize);
        match file.read_at(&mut spare[..wanted], at + read) {
            Ok(0) => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file became shorter while it was read",
                ));
            }
            Ok(n) => {
                chunk.advance(n);
                read += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => (),
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

fn lines_of(chunk: ChunkMut, sink: &mut impl FnMut(Text) -> Flow) -> io::Result<Flow> {
    let chunk = chunk.freeze();
    let valid = text::validate(&chunk, 0..chunk.len()).map_err(io::Error::other)?;
    drop(chunk);
    Ok(text::for_each_line(&valid.block, 0..valid.block.len(), sink))
}
