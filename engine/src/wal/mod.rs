//! The write-ahead log: one sequence of records in segment files, through which the program that starts again after a crash knows
//! what the one before had acknowledged.
//!
//! A record is a kind, which is a number of the caller's, and bytes. [`Log::append`] gives it an id at once; it is durable when
//! [`Log::wait`] or [`Log::on_durable`] says so. One thread writes whatever has come while it wrote the last group, and syncs once.
//! [`Log::release`] deletes what a checkpoint has made superfluous.
//!
//! `FORMAT.md` beside this file has the bytes, `README.md` the states, the rules of recovery and the locks.

mod format;
mod index;
mod inspect;
mod log;
mod opening;
mod options;
mod payload;
mod queue;
mod recovery;
mod repair;
mod report;
mod scan;
mod segment_file;
mod survey;
mod thread;
mod trouble;
mod walk;
mod writer;

pub use inspect::{DumpedRecord, SegmentInfo, VerifyReport, dump, verify};
pub use log::{Log, Status};
pub use options::{LogOptions, OnCorruption};
pub use payload::{Part, Payload};
pub use recovery::{Record, RecordInfo, Recovery};
pub use report::{Finding, Reason, Report};

/// The place of a record in the log: records are numbered from 0, in the order in which they were appended, for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RecordId(pub u64);

impl std::fmt::Display for RecordId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "record {}", self.0)
    }
}

#[cfg(test)]
mod tests;
