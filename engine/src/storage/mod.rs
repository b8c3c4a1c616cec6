//! One budget of memory for the process, and a place on the disk for what it cannot hold.
//!
//! | part | what it does |
//! |------|--------------|
//! | [`StorageLevel`] | where a kept stream or a received block may stand |
//! | [`Memory`] | counts what is held, by what holds it, against `memory.max` |
//! | [`Spill`] | takes what must leave memory, compressed and with checksums, and gives it back |
//!
//! Memory is made in this order: what is kept and can be computed again or be read from disk goes first, oldest first
//! (`Memory::reserve`); received blocks go to the disk next, if their level says so; then receivers are slowed. State and windows are
//! never spilled: when the process would outgrow its memory by them, the batch fails and says so (`Tables::refusal`).

mod area;
mod frame;
mod level;
mod machine;
mod memory;
mod owned;
mod pack;
mod spill;
mod tables;

pub use level::StorageLevel;
pub use machine::{machine_memory, resident_memory};
pub(crate) use memory::{Evict, Reservation};
pub use memory::{Memory, MemoryStatus};
pub(crate) use owned::Owned;
pub(crate) use pack::{Codec, Packed, Packer};
pub use spill::Spill;
pub(crate) use spill::{Slot, SpillFile};
pub(crate) use tables::{Holding, Tables};
