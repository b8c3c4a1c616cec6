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

mod batch_log;
mod checkpointer;
mod generations;
pub mod inspect;
mod manifest;
mod persist;
mod records;
mod type_name;

pub(crate) use crate::codec::{decode, encode, encoded};
pub(crate) use batch_log::{BatchLog, Left};
pub use checkpointer::CheckpointStatus;
pub(crate) use checkpointer::Checkpointer;
pub(crate) use generations::{Generations, Snapshot};
pub(crate) use manifest::{AccumulatorEntry, InputEntry, Manifest, OperatorEntry, ReceiverEntry};
pub(crate) use persist::{Captured, Persist, Saved, Unit};
pub(crate) use records::{BatchRecord, Blocks, Claim, DoneRecord, PreparedRecord};
pub(crate) use type_name::type_name;
