use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Time;
use crate::block::Mark;

/// What an input said of the records of one of its batches, so that they can be had again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claim {
    pub(crate) stream: u32,
    pub(crate) time: Time,
    /// In the input's own words.
    pub(crate) claim: Vec<u8>,
}

/// Which segments of a receiver a batch has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Blocks {
    pub(crate) stream: u32,
    /// The number of the first.
    pub(crate) from: u64,
    /// The number behind the last.
    pub(crate) to: u64,
}

/// What a batch was made of. It is durable before the first of the batch's outputs begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BatchRecord {
    pub(crate) time: Time,
    /// Those of this batch, and of earlier ones that were asked for late.
    pub(crate) claims: Vec<Claim>,
    pub(crate) blocks: Vec<Blocks>,
}

/// A batch that has what earlier ones would have had, which were missed and are not made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LateBatchRecord {
    /// The last batch before those.
    pub(crate) after: Time,
    pub(crate) batch: BatchRecord,
}

/// Which output operation a record means.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OutputKey {
    /// By its place among the outputs of the program: so earlier versions wrote it.
    Place(u32),
    /// By its name, which is its own wherever it stands in the program.
    Name(String),
}

impl fmt::Display for OutputKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OutputKey::Place(place) => write!(f, "output {place}"),
            OutputKey::Name(name) => f.write_str(name),
        }
    }
}

/// An output operation has done a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DoneRecord {
    pub(crate) time: Time,
    /// The output's name.
    pub(crate) output: String,
}

/// The sink of an output operation has prepared a batch. It is durable before the commit begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreparedRecord {
    pub(crate) time: Time,
    /// The output's name.
    pub(crate) output: String,
    pub(crate) prepared: Prepared,
}

/// What a sink has prepared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Prepared {
    /// The sink's type.
    pub(crate) sink: String,
    /// What the commit has to know, in the sink's own words.
    pub(crate) staged: Vec<u8>,
}

/// A [`DoneRecord`] of an earlier version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacedDoneRecord {
    pub(crate) time: Time,
    pub(crate) output: u32,
}

/// A [`PreparedRecord`] of an earlier version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlacedPreparedRecord {
    pub(crate) time: Time,
    pub(crate) output: u32,
    pub(crate) prepared: Prepared,
}

/// What stands before the bytes of a received segment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SegmentHeader {
    pub(crate) stream: u32,
    /// Segments of a stream are numbered in the order in which they came.
    pub(crate) number: u64,
    /// The beginning of the block interval.
    pub(crate) block: Time,
    pub(crate) records: u64,
    /// Whether the bytes are valid UTF-8, or encoded records.
    pub(crate) is_text: bool,
    /// How far its source is with it.
    pub(crate) mark: Option<Mark>,
}

/// The kinds of the log's records.
pub(crate) mod kind {
    /// A received segment: a [`SegmentHeader`](super::SegmentHeader) and its bytes.
    pub(crate) const SEGMENT: u8 = 1;
    /// A [`BatchRecord`](super::BatchRecord).
    pub(crate) const BATCH: u8 = 2;
    /// A [`PlacedDoneRecord`](super::PlacedDoneRecord): read, and not written any more.
    pub(crate) const PLACED_DONE: u8 = 3;
    /// A [`PlacedPreparedRecord`](super::PlacedPreparedRecord): read, and not written any more.
    pub(crate) const PLACED_PREPARED: u8 = 4;
    /// A [`LateBatchRecord`](super::LateBatchRecord).
    pub(crate) const LATE_BATCH: u8 = 5;
    /// A [`DoneRecord`](super::DoneRecord).
    pub(crate) const DONE: u8 = 6;
    /// A [`PreparedRecord`](super::PreparedRecord).
    pub(crate) const PREPARED: u8 = 7;
}
