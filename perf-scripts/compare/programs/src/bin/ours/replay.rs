//! Batches of one second from files, processed as fast as can be: a manual clock moves on as soon as a batch is done.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, batches, output};
use millstream::prelude::*;
use millstream::rdd::UnionAll;
use millstream::testkit::TestContext;

/// The lines of a batch.
pub(crate) type BatchLines = UnionAll<TextFiles>;

pub(crate) const BATCH: Duration = Duration::from_secs(1);
/// As in `workloads/seconds.py`.
pub(crate) const WINDOW: Duration = Duration::from_secs(30);

/// A stream of the files of a folder, one in each batch.
pub(crate) struct Replay {
    context: TestContext,
    pub(crate) lines: DStream<BatchLines>,
    pub(crate) batches: u64,
    pub(crate) results: Results,
}

/// The results of all batches; clones are the same file.
#[derive(Clone)]
pub(crate) struct Results(Arc<Mutex<output::Lines>>);

impl Replay {
    pub(crate) fn new(arguments: &Arguments) -> Outcome<Self> {
        let config = Config::new().master(Master::Local(arguments.threads)).batch_interval(BATCH);
        let context = TestContext::with_config(config, Time::default())?;
        let files = batches::files(&arguments.input)?;
        let queue = RddQueue::new();
        let lines = context.queue_stream(&queue, true)?;
        for file in &files {
            queue.push(context.text_file(file)?);
        }
        queue.close();
        let results = Results(Arc::new(Mutex::new(output::create(&arguments.output)?)));
        Ok(Replay { context, lines, batches: files.len() as u64, results })
    }

    /// Processes all batches.
    pub(crate) fn run(self) -> Outcome {
        self.run_then(|| Ok(()))
    }

    /// Processes all batches, and then writes what is known only then.
    pub(crate) fn run_then(self, rest: impl FnOnce() -> Outcome) -> Outcome {
        self.context.run(self.batches as usize)?;
        rest()?;
        Ok(self.results.0.lock().unwrap_or_else(PoisonError::into_inner).flush()?)
    }
}

impl Results {
    /// Writes lines of a key and a value, behind the number of the batch.
    pub(crate) fn write(&self, time: Time, pairs: &[(Text, u64)]) -> std::io::Result<()> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = number(time);
        pairs.iter().try_for_each(|(key, value)| writeln!(lines, "{number}\t{key}\t{value}"))
    }

    /// Writes a key and a value.
    pub(crate) fn write_pair(&self, key: &str, value: u64) -> std::io::Result<()> {
        writeln!(self.0.lock().unwrap_or_else(PoisonError::into_inner), "{key}\t{value}")
    }
}

/// The number of a batch, the first being 1.
pub(crate) fn number(time: Time) -> u64 {
    (time.as_millis() / BATCH.as_millis() as i64) as u64
}
