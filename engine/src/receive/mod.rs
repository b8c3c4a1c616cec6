//! Hop 1: receivers bring records into blocks. See `README.md` beside this file for the protocol of the ring.

mod block_builder;
mod blocks;
mod format;
mod rate_limiter;
mod receiver;
pub mod ring;
mod segment;
mod stream;
mod supervisor;

pub use block_builder::BlockBuilder;
pub use blocks::Blocks;
pub use format::{BlockFormat, Lines, Records, Sealed};
pub use rate_limiter::{RateLimiter, TokenBucket};
pub use receiver::{Receiver, ReceiverContext};
pub use segment::{Content, Segment};
pub(crate) use stream::{ReceiverStream, receiver_stream};
