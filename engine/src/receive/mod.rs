//! Hop 1: receivers read bytes into segments and hand them over through a ring, no faster than they are allowed to.

mod rate_limiter;
pub mod ring;

pub use rate_limiter::{RateLimiter, TokenBucket};
