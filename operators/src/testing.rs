//! What the unit tests of this crate have in common.

use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Parallelized};

/// `records` as an RDD, on two threads.
pub(crate) fn rdd<T: Data>(records: impl IntoIterator<Item = T>, partitions: usize) -> Parallelized<T> {
    Parallelized::new(Executor::local(2), records.into_iter().collect(), partitions)
}
