use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

use super::RecordId;
use super::format::{PAYLOAD_CRC, payload_range};
use super::index::{Segment, Spot};
use super::payload::{Stored, checked};
use super::report::Report;
use super::segment_file::Pending;
use super::survey::{Survey, unreadable};
use crate::error::{Error, Result};
use crate::fs::Fs;

/// What a log held when it was opened.
#[derive(Debug)]
pub struct Recovery {
    fs: Arc<dyn Fs>,
    segments: Vec<Segment>,
    report: Report,
    next: u64,
}

/// A recovered record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its id; [`Log::read`](super::Log::read) finds the payload by it again.
    pub id: RecordId,
    /// The kind it was appended with.
    pub kind: u8,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A recovered record without its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordInfo {
    /// Its id.
    pub id: RecordId,
    /// The kind it was appended with.
    pub kind: u8,
    /// Bytes of the payload as it is stored.
    pub bytes: u32,
}

impl Recovery {
    pub(super) fn new(fs: Arc<dyn Fs>, survey: &Survey) -> Self {
        let (segments, report) = (survey.segments.clone(), survey.report.clone());
        Recovery { fs, segments, report, next: survey.next }
    }

    /// The records in the order in which they were appended, each with its payload, one at a time.
    ///
    /// Every item is an error when its file has become unreadable since the log was opened, or was released.
    pub fn records(&self) -> impl Iterator<Item = Result<Record>> {
        self.spots().map(|(segment, spot)| {
            let payload = read(&*self.fs, &segment.path, *spot)?;
            Ok(Record { id: RecordId(spot.number), kind: spot.kind, payload })
        })
    }

    /// The records without their payloads; nothing is read. Blocks can so be left where they are until they are needed.
    pub fn infos(&self) -> impl Iterator<Item = RecordInfo> {
        self.spots().map(|(_, spot)| RecordInfo {
            id: RecordId(spot.number),
            kind: spot.kind,
            bytes: spot.len,
        })
    }

    fn spots(&self) -> impl Iterator<Item = (&Segment, &Spot)> {
        self.segments.iter().flat_map(|segment| segment.records.iter().map(move |spot| (segment, spot)))
    }

    /// What was found in the files beside the records.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The id of the first record that is appended after the recovery.
    pub fn next(&self) -> RecordId {
        RecordId(self.next)
    }
}

fn read_stored(fs: &dyn Fs, path: &Path, spot: Spot) -> Result<Vec<u8>> {
    let range = payload_range(spot.offset, spot.len);
    let len = spot.len as usize + PAYLOAD_CRC as usize;
    fs.read_at(path, range.start, len).map_err(|error| unreadable(path, error))
}

/// The payload of a record.
pub(super) fn read(fs: &dyn Fs, path: &Path, spot: Spot) -> Result<Vec<u8>> {
    checked(read_stored(fs, path, spot)?, spot.flags).ok_or_else(|| damaged(path, spot))
}

fn damaged(path: &Path, spot: Spot) -> Error {
    let (number, offset, path) = (spot.number, spot.offset, path.display());
    let what = format!(
        "write-ahead log: record {number} at {offset} of {path} is damaged; `millstream wal verify` shows the extent"
    );
    Error::io(what, std::io::ErrorKind::InvalidData.into())
}

/// The records that may stand in the page cache alone. The writer that wrote them is gone, and a later sync of the file proves
/// nothing (Linux marks pages that it could not write as clean), so they are written again.
pub(super) fn uncertain(fs: &dyn Fs, survey: &Survey) -> Result<VecDeque<Pending>> {
    let mut again = VecDeque::new();
    for segment in &survey.segments {
        for spot in segment.records.iter().filter(|spot| spot.number >= survey.durable) {
            let stored = Stored::again(read_stored(fs, &segment.path, *spot)?, spot.flags);
            let stored = stored.ok_or_else(|| damaged(&segment.path, *spot))?;
            again.push_back(Pending { number: spot.number, kind: spot.kind, stored });
        }
    }
    Ok(again)
}
