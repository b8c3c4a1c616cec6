//! What happened, told to whoever listens: batches, output operations, receivers, accumulators.
//!
//! - `events.rs`: the records of a batch's life and the [`StreamingListener`] that receives them;
//! - `listener_bus.rs`: the thread that carries them, so that a slow listener never holds up a batch;
//! - `stats_report.rs`: a listener that logs how delays are distributed;
//! - `stats_file.rs`: a listener that writes a JSON line per batch to a file, for scripts;
//! - `accumulator.rs`, `registry.rs`: sums that tasks add to and listeners read;
//! - `broadcast.rs`: one value read by all tasks.

mod accumulator;
mod broadcast;
mod events;
mod listener_bus;
mod registry;
mod stats_file;
mod stats_report;

pub use accumulator::{Accumulator, CollectionAccumulator, DoubleAccumulator, LongAccumulator};
pub use broadcast::Broadcast;
pub use events::{BatchInfo, Event, OutputOperationInfo, ReceiverInfo, StreamInputInfo, StreamingListener};
pub use listener_bus::{ListenerBus, ListenerId, MAX_QUEUED_EVENTS};
pub use registry::AccumulatorRegistry;
pub use stats_file::StatsFileListener;
pub use stats_report::StatsReportListener;
