//! The front door: a [`StreamingContext`] holds the graph a program builds, starts it, and stops it.

mod active;
mod batch_run;
mod generator;
mod lifecycle;
mod running;
mod scheduler;
mod shutdown;
mod streaming_context;
mod termination;
mod tick_duty;

pub use lifecycle::ContextState;
pub use streaming_context::StreamingContext;
