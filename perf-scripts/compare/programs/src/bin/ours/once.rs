//! A file as a stream of one batch.

use std::sync::{Arc, Mutex, PoisonError};

use compare_programs::Outcome;
use compare_programs::arguments::Arguments;
use millstream::prelude::*;
use millstream::rdd::{Key, UnionAll};

/// The lines of the file.
pub(crate) type FileLines = UnionAll<TextFiles>;

/// The context looks for its batch so often.
const BATCH_INTERVAL: Duration = Duration::from_millis(10);

/// Runs the lines of the input through `count`; the pairs that come out.
pub(crate) fn run<K: Key, R: Rdd<Item = (K, u64)>>(
    arguments: &Arguments,
    count: impl FnOnce(&DStream<FileLines>) -> DStream<R>,
) -> Outcome<Vec<(K, u64)>> {
    let config = Config::new().master(Master::Local(arguments.threads)).batch_interval(BATCH_INTERVAL);
    let ssc = StreamingContext::new(config)?;
    let queue = RddQueue::new();
    let lines = ssc.queue_stream(&queue, true)?;
    queue.push(ssc.text_file(&arguments.input)?);
    queue.close();

    let counted = Arc::new(Mutex::new(Vec::new()));
    let all = Arc::clone(&counted);
    count(&lines).foreach_rdd(move |counts, _| {
        all.lock().unwrap_or_else(PoisonError::into_inner).extend(counts.collect()?);
        Ok(())
    });
    ssc.start()?;
    ssc.await_end()?;
    Ok(std::mem::take(&mut counted.lock().unwrap_or_else(PoisonError::into_inner)))
}
