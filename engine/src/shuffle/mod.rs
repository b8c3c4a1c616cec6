//! Hop 4: records meet by key.
//!
//! Every worker collects what its tasks give into a table of its own ([`Shuffle::Local`]), already divided by the hash of the
//! key. When the map side is done, the reduce partitions are merged in parallel, each from its share of every worker's table.
//! There is no shared map and no serial merge; the hash is computed once and travels with the key.
//!
//! The map side may run [eagerly](crate::graph), segment by segment while the batch is still being received; then only the merge
//! is left when the batch closes.

mod bypass;
mod combine;
mod exchange;
mod fold;
mod locals;
mod part;
mod queue;
mod slots;
mod table;
mod wide;

pub use combine::Combine;
pub use exchange::{Exchange, Router};
pub use fold::Fold;
pub(crate) use locals::Locals;
pub(crate) use slots::prefetch;
pub use table::{BUCKETS, bucket_of, partition_of};
pub use wide::Wide;
pub(crate) use wide::{Collected, collect_partition};

use crate::Result;
use crate::job::{Executor, Job};
use crate::rdd::Data;

/// A way in which the records of a batch are brought together: what a worker collects and how the workers' parts are merged.
pub trait Shuffle<T>: Send + Sync + 'static {
    /// What one worker collects.
    type Local: Send + 'static;
    /// The records after the merge.
    type Out: Data;

    /// The operator's name, for messages.
    fn name(&self) -> &'static str;

    /// The number of partitions after the merge.
    fn partitions(&self) -> usize;

    /// An empty collection for one worker.
    fn local(&self) -> Self::Local;

    /// Collects one record. This is the end of the fused loop: it is called for every record.
    fn add(&self, local: &mut Self::Local, item: T);

    /// Called at the end of every task that added records to `local`.
    fn finish(&self, _local: &mut Self::Local) {}

    /// Brings the workers' collections together, partition by partition.
    ///
    /// # Errors
    /// When user code (a reduce function) panics.
    fn merge(&self, locals: Vec<Self::Local>, executor: &Executor, job: &Job) -> Result<Vec<Vec<Self::Out>>>;
}
