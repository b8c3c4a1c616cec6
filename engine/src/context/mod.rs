//! The front door: a [`StreamingContext`] holds the graph a program builds, starts it, and stops it.

mod active;
mod batch_run;
mod checkpoint_dir;
mod durability;
mod earlier_outputs;
mod generator;
mod lifecycle;
mod resumption;
mod running;
mod scheduler;
mod shutdown;
mod snapshot;
mod streaming_context;
mod termination;
mod tick_duty;

pub(crate) use checkpoint_dir::CheckpointDir;
pub use lifecycle::ContextState;
pub(crate) use scheduler::Scheduler;
pub use streaming_context::StreamingContext;
