//! An [`Rdd`] is the data of one batch: a description of partitions that are computed when an action asks for them.
//!
//! It works like rayon's `ParallelIterator`: narrow operators are adaptors that hold their parent by value
//! (`Map<FlatMap<..>>`), and [`Rdd::compute`] pushes every record of a partition through the whole chain in one loop, with no
//! buffer and no dynamic call between two operators. Wide operators (shuffles) end a chain: they run their parents when a job
//! [prepares](Rdd::prepare) them and hand out what they stored.

mod boxed;
mod kept;
mod memo;
mod parallelized;
mod shared;
mod union;

use std::hash::Hash;

pub use crate::job::Flow;
pub use boxed::BoxRdd;
pub use kept::Keep;
pub(crate) use kept::{Kept, Take};
pub use memo::Memo;
pub use parallelized::Parallelized;
pub use shared::Shared;
pub use union::UnionAll;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Result;
use crate::job::{Executor, Job, Task};

/// What a record must be: an owned value that may be shared between threads. Implemented for every such type.
pub trait Data: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Data for T {}

/// What the key of a pair must be. Implemented for every such type.
pub trait Key: Data + Eq + Hash {}
impl<K: Data + Eq + Hash> Key for K {}

/// What is kept from batch to batch, in state and in windows: it can also be written down. Implemented for every such type.
pub trait Stored: Data + Serialize + DeserializeOwned {}
impl<T: Data + Serialize + DeserializeOwned> Stored for T {}

/// The data of one batch, in partitions that are computed in parallel.
///
/// Cloning an RDD copies its description, never its records.
pub trait Rdd: Data {
    /// The type of the records.
    type Item: Data;

    /// The cores and limits that this RDD is computed with.
    fn executor(&self) -> &Executor;

    /// The number of partitions; known before anything is computed.
    fn num_partitions(&self) -> usize;

    /// About how many bytes of input the partitions hold together. The executor runs light RDDs on the calling thread.
    fn weight(&self) -> usize;

    /// Runs what must be complete before a partition can be computed: the shuffles among the ancestors, parents first.
    /// It is done once per RDD, however often it is asked for.
    ///
    /// # Errors
    /// When a task failed as often as `task.max_failures` allows, or the job was cancelled.
    fn prepare(&self, job: &Job) -> Result<()>;

    /// Pushes the records of `partition` into `sink`, in order, until it breaks.
    ///
    /// A source that cannot go on says so with [`Task::fail`] and breaks.
    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(Self::Item) -> Flow) -> Flow;

    /// Erases the type, for struct fields and for streams of different kinds. It costs one dynamic call per thousand records.
    fn boxed(self) -> BoxRdd<Self::Item> {
        BoxRdd::new(self)
    }
}
