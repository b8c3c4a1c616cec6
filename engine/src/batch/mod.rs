//! Hop 2: time cuts the stream. A timer ticks at every batch interval; what was received until then is the batch.

mod block_tracker;
mod input_info;
mod recurring_timer;
mod spilling;

pub(crate) use block_tracker::EagerSide;
pub use block_tracker::{BatchBlocks, BlockTracker, Received};
pub use input_info::InputInfoTracker;
pub use recurring_timer::RecurringTimer;
pub(crate) use recurring_timer::{LOOK_AFTER, StandIn, Stood};
