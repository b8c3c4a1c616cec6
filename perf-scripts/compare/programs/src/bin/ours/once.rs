//! A file as a batch of a stream that goes on: each pass is a batch of the same context.

use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::vec;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output, report};
use millstream::prelude::*;
use millstream::rdd::{Key, UnionAll};

/// How a key and its count become a line.
type Write<K> = fn(&mut output::Lines, &K, u64) -> io::Result<()>;

/// The lines of the file.
pub(crate) type FileLines = UnionAll<TextFiles>;

/// The context looks for its batch so often. Spark's clock is moved by hand, and it waits for no tick.
const BATCH_INTERVAL: Duration = Duration::from_millis(1);

/// How often it is asked whether the stream has failed.
const ALIVE: Duration = Duration::from_millis(200);

/// Runs the lines of the input through `count` in each pass, and writes the pairs that come out by `write`.
pub(crate) fn run<K: Key, R: Rdd<Item = (K, u64)>>(
    arguments: &Arguments,
    count: impl Fn(&DStream<FileLines>) -> DStream<R>,
    write: Write<K>,
) -> Outcome {
    let mut stream = None;
    report::passes(arguments, || {
        let stream = match &stream {
            Some(started) => started,
            None => &*stream.insert(FileStream::start(arguments, &count, write)?),
        };
        stream.queue.push(stream.ssc.text_file(&arguments.input)?);
        stream.await_written()
    })
}

/// A running stream of files.
struct FileStream {
    ssc: StreamingContext,
    queue: RddQueue<TextFiles>,
    /// Told of every batch whether it had any results.
    written: Receiver<bool>,
}

impl FileStream {
    fn start<K: Key, R: Rdd<Item = (K, u64)>>(
        arguments: &Arguments,
        count: impl Fn(&DStream<FileLines>) -> DStream<R>,
        write: Write<K>,
    ) -> Outcome<Self> {
        let config = Config::new().master(Master::Local(arguments.threads)).batch_interval(BATCH_INTERVAL);
        let ssc = StreamingContext::new(config)?;
        let queue = RddQueue::new();
        let lines = ssc.queue_stream(&queue, true)?;
        let (tell, written) = mpsc::channel();
        let folder = arguments.output.clone();
        count(&lines).foreach_rdd(move |counts, _| {
            let has_results = AtomicBool::new(false);
            counts.foreach_partition(|partition, pairs| {
                has_results.fetch_or(pairs.len() > 0, Ordering::Relaxed);
                Ok(write_part(&folder, partition, pairs, write)?)
            })?;
            Ok(tell.send(has_results.into_inner())?)
        });
        ssc.start()?;
        Ok(FileStream { ssc, queue, written })
    }

    /// Waits until a batch with results is done.
    fn await_written(&self) -> Outcome {
        loop {
            match self.written.recv_timeout(ALIVE) {
                Ok(true) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err("the stream has ended".into()),
                Err(RecvTimeoutError::Timeout)
                    if self.ssc.await_termination_or_timeout(Duration::ZERO)? =>
                {
                    return Err("the stream has stopped".into());
                }
                Ok(false) | Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

/// Batches without a file come between the passes and leave no files.
fn write_part<K>(
    folder: &Path,
    partition: usize,
    mut pairs: vec::IntoIter<(K, u64)>,
    write: Write<K>,
) -> io::Result<()> {
    if pairs.len() == 0 {
        return Ok(());
    }
    let mut lines = output::create_part(folder, partition)?;
    pairs.try_for_each(|(key, count)| write(&mut lines, &key, count))?;
    lines.flush()
}
