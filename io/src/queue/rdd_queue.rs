use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use millstream_engine::StreamingContext;
use millstream_engine::rdd::{Data, Parallelized, Rdd};

/// RDDs that wait for their batch. Clones are the same queue; any thread may push.
///
/// It has no limit: what is pushed stays in memory until its batch.
///
/// ```
/// use millstream_engine::testkit::TestContext;
/// use millstream_io::Sources;
/// use millstream_io::queue::RddQueue;
/// use std::time::Duration;
///
/// let test = TestContext::new(Duration::from_secs(1))?;
/// let queue = RddQueue::new();
/// let seen = test.collect(&test.queue_stream(&queue, true)?);
/// queue.push_records(&test, [1, 2]);
/// queue.push_records(&test, [3]);
/// queue.close();
/// test.run(3)?;
/// assert_eq!(seen.batches(), [vec![1, 2], vec![3], vec![]]);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
pub struct RddQueue<R>(Arc<Mutex<Waiting<R>>>);

struct Waiting<R> {
    rdds: VecDeque<R>,
    is_closed: bool,
}

impl<R: Rdd> RddQueue<R> {
    /// An empty queue.
    pub fn new() -> Self {
        RddQueue(Arc::new(Mutex::new(Waiting { rdds: VecDeque::new(), is_closed: false })))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an RDD behind all others. False, and it is dropped, when the queue was closed.
    pub fn push(&self, rdd: R) -> bool {
        let mut waiting = self.waiting();
        if !waiting.is_closed {
            waiting.rdds.push_back(rdd);
        }
        !waiting.is_closed
    }

    /// Says that nothing will be pushed any more: the stream ends when the queue is empty.
    pub fn close(&self) {
        self.waiting().is_closed = true;
    }

    /// The number of RDDs that wait.
    pub fn len(&self) -> usize {
        self.waiting().rdds.len()
    }

    /// True when no RDD waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// True when no RDD waits and none will come.
    pub(super) fn is_finished(&self) -> bool {
        let waiting = self.waiting();
        waiting.is_closed && waiting.rdds.is_empty()
    }

    /// Takes the first `most` RDDs, or all there are.
    pub(super) fn take(&self, most: usize) -> Vec<R> {
        let mut waiting = self.waiting();
        let count = waiting.rdds.len().min(most);
        waiting.rdds.drain(..count).collect()
    }
}

impl<T: Data> RddQueue<Parallelized<T>> {
    /// Puts records behind all others, as an RDD with the default number of partitions. False, and they are dropped, when
    /// the queue was closed.
    pub fn push_records(&self, context: &StreamingContext, records: impl IntoIterator<Item = T>) -> bool {
        self.push(context.parallelize(records, 0))
    }
}

impl<R: Rdd> Default for RddQueue<R> {
    fn default() -> Self {
        RddQueue::new()
    }
}

impl<R> Clone for RddQueue<R> {
    fn clone(&self) -> Self {
        RddQueue(Arc::clone(&self.0))
    }
}

impl<R: Rdd> std::fmt::Debug for RddQueue<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RddQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}
