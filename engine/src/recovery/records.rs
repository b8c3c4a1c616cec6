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

/// An output operation has done a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct DoneRecord {
    pub(crate) time: Time,
    pub(crate) output: u32,
}

/// The sink of an output operation has prepared a batch. It is durable before the commit begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PreparedRecord {
    pub(crate) time: Time,
    pub(crate) output: u32,
    /// The sink's type.
    pub(crate) sink: String,
    /// What the commit has to know, in the sink's own words.
    pub(crate) staged: Vec<u8>,
}

impl PreparedRecord {
    /// What the output is called where a program that has changed must say what becomes of it.
    pub(crate) fn shown(&self) -> String {
        format!("output {}", self.output)
    }

    /// The batch and the output.
    pub(crate) fn key(&self) -> DoneRecord {
        DoneRecord { time: self.time, output: self.output }
    }
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
    /// A [`DoneRecord`](super::DoneRecord).
    pub(crate) const DONE: u8 = 3;
    /// A [`PreparedRecord`](super::PreparedRecord).
    pub(crate) const PREPARED: u8 = 4;
    /// A [`LateBatchRecord`](super::LateBatchRecord).
    pub(crate) const LATE_BATCH: u8 = 5;
}
