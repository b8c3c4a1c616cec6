//! Files as a stream: so many lines in each batch.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZero;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use millstream::InputStream;
use millstream::graph::BatchInput;
use millstream::job::{Executor, Job, Task};
use millstream::prelude::*;
use millstream::rdd::{Flow, Parallelized};

use super::linger::AllGiven;

/// Gives the next lines of files in each batch. Of a file it holds what is left of a split, and no copies of the lines.
pub(crate) struct InBatches {
    files: TextFiles,
    lines_per_batch: usize,
    ahead: Mutex<Ahead>,
    is_over: Arc<AtomicBool>,
}

/// What was read and is for later batches.
#[derive(Default)]
struct Ahead {
    lines: VecDeque<Text>,
    /// The first split that was not read.
    split: usize,
}

impl InBatches {
    /// The lines of `files`, and whether all of them have been given.
    pub(crate) fn new(files: TextFiles, lines_per_batch: NonZero<usize>) -> (Self, AllGiven) {
        let is_over = Arc::new(AtomicBool::new(false));
        let input = InBatches {
            files,
            lines_per_batch: lines_per_batch.get(),
            ahead: Mutex::default(),
            is_over: Arc::clone(&is_over),
        };
        (input, Box::new(move || is_over.load(Ordering::Acquire)))
    }

    /// Reads until there is one line more than a batch takes, so that the last batch is known to be the last.
    fn read_ahead(&self, ahead: &mut Ahead) -> Result<()> {
        while ahead.lines.len() <= self.lines_per_batch && ahead.split < self.files.num_partitions() {
            let split = Split { files: self.files.clone(), index: ahead.split };
            ahead.lines.extend(split.collect()?);
            ahead.split += 1;
        }
        Ok(())
    }
}

impl InputStream for InBatches {
    type Rdd = Parallelized<Text>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Parallelized<Text>>> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_ahead(&mut ahead)?;
        let count = self.lines_per_batch.min(ahead.lines.len());
        batch.report(count as u64, 0, BTreeMap::new())?;
        let lines = ahead.lines.drain(..count).collect();
        self.is_over.store(ahead.lines.is_empty(), Ordering::Release);
        let executor = batch.executor().clone();
        let slices = executor.default_parallelism();
        Ok(Some(Parallelized::new(executor, lines, slices)))
    }

    fn is_finished(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// One split of files.
#[derive(Clone)]
struct Split {
    files: TextFiles,
    index: usize,
}

impl Rdd for Split {
    type Item = Text;

    fn executor(&self) -> &Executor {
        self.files.executor()
    }

    fn num_partitions(&self) -> usize {
        1
    }

    fn weight(&self) -> usize {
        self.files.weight() / self.files.num_partitions().max(1)
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, _partition: usize, task: &Task, sink: impl FnMut(Text) -> Flow) -> Flow {
        self.files.compute(self.index, task, sink)
    }
}
