//! RDDs that the program itself puts into a queue: for tests, and for data that another part of the program makes.

mod rdd_queue;
mod source;

pub use rdd_queue::RddQueue;
pub(crate) use source::{ConstantInput, QueueInput};
