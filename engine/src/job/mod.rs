//! Hop 3: a batch runs as jobs, a job as stages, a stage as one task per partition on the compute cores.

pub(crate) mod current;
mod executor;
mod hasher;
mod panics;
mod task;

pub use executor::{Executor, Stage};
pub use hasher::{KeyHasher, KeyHashing};
pub(crate) use panics::catch;
pub use task::{Flow, Job, Task};
