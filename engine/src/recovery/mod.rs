//! What outlives the process: checkpoints, the log, and the way back from them.

mod codec;
mod persist;
mod records;

pub(crate) use codec::{decode, encode, encoded};
pub(crate) use persist::{Captured, Persist, Saved, Unit};
pub(crate) use records::{BatchRecord, Blocks, Claim, DoneRecord, SegmentHeader};
