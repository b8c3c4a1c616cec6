//! What outlives the process: checkpoints, the log, and the way back from them.
//!
//! A *checkpoint* is what everybody has to know to go on behind one batch. The *log* has what came after: the received segments, what
//! each batch was made of, which outputs were done. Recovery restores the newest checkpoint and makes the batches behind it again.
//!
//! ```text
//! <dir>/lock                  held by the process that runs
//! <dir>/checkpoints/<n>.manifest   what a checkpoint is: times, positions, where the operators' units are   (manifest.rs)
//! <dir>/checkpoints/<n>.data       the units that had changed: buckets of states, panes of windows            (generations.rs)
//! <dir>/log/                  segments, batches, prepared and done outputs, in one sequence                   (batch_log.rs)
//! ```
//!
//! The checkpoints may be elsewhere, in an object store ([`CheckpointStore`]). The log cannot: it is appended and synced many times a
//! second, and an object store has neither. See [`checkpoint_to`](crate::StreamingContext::checkpoint_to) for what that means.

mod batch_log;
mod checkpointer;
mod data_object;
mod directory_store;
mod generations;
pub mod inspect;
mod manifest;
mod persist;
mod records;
mod store;
mod type_name;
mod unit_reader;

pub(crate) use crate::codec::{decode, encode, encoded};
pub(crate) use batch_log::{BatchLog, Left};
pub use checkpointer::CheckpointStatus;
pub(crate) use checkpointer::Checkpointer;
pub(crate) use directory_store::DirectoryStore;
pub(crate) use generations::{Generations, Snapshot};
pub(crate) use manifest::{AccumulatorEntry, InputEntry, Manifest, OperatorEntry, ReceiverEntry};
pub(crate) use persist::{Captured, Persist, Saved, Unit};
pub(crate) use records::{BatchRecord, Blocks, Claim, DoneRecord, OutputKey, Prepared, PreparedRecord};
pub use store::{CheckpointStore, CheckpointWriter};
pub(crate) use type_name::{type_name, without_modules};
