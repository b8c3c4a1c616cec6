use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Content, Segment};
use crate::Result;
use crate::text::ChunkPool;

/// Where the received segments of a stream are written before anybody relies on them.
pub(crate) trait SegmentLog: Send + Sync {
    /// Hands a segment and its content over, with its number among those of the stream and how far its source is with it, and gives
    /// the ticket to [wait](Self::wait) with. It returns at once, whether there is room or not.
    ///
    /// # Errors
    /// When the log has failed for good.
    fn append(&self, number: u64, segment: &Segment, content: Content, mark: Option<Mark>) -> Result<u64>;

    /// Whether the receiver may read on: the log takes what comes, and the disk keeps up with it.
    fn has_room(&self) -> bool;

    /// Returns when the segment, and all before it, are durable.
    ///
    /// # Errors
    /// When they never will be.
    fn wait(&self, ticket: u64) -> Result<()>;
}

/// How far a source is: its records up to `number` have come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) source: String,
    pub(crate) number: u64,
}

/// The content of one segment in a log.
pub(crate) trait LoggedContent: fmt::Debug + Send + Sync {
    /// Reads it into a chunk of `chunks`.
    ///
    /// # Errors
    /// When it cannot be read.
    fn read(&self, chunks: &ChunkPool) -> Result<Content>;
}

/// Finds the segments of an earlier run whose numbers lie in a range.
pub(crate) type FindSegments = dyn Fn(Range<u64>) -> Vec<Segment> + Send + Sync;
