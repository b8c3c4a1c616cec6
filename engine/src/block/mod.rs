//! What is received: records as bytes in segments, segments in blocks, handles of segments in a ring.

mod blocks;
mod format;
pub mod ring;
mod segment;
mod segment_log;

pub use blocks::Blocks;
pub use format::{BlockFormat, Lines, Records, Sealed};
pub use segment::{Content, Segment};
pub(crate) use segment_log::{FindSegments, LoggedContent, Mark, SegmentLog};
