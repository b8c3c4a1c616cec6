//! Hop 1: receivers bring records into blocks. See `README.md` beside this file for the protocol of the ring.

mod block_builder;
mod pid_rate_estimator;
mod rate_limiter;
mod receiver;
mod supervisor;

pub use block_builder::BlockBuilder;
pub use pid_rate_estimator::PidRateEstimator;
pub use rate_limiter::{RateLimiter, TokenBucket};
pub(crate) use receiver::Command;
pub use receiver::{Receiver, ReceiverContext};
pub(crate) use supervisor::Supervisor;

pub use crate::block::{BlockFormat, Blocks, Content, Lines, Records, Sealed, Segment};
