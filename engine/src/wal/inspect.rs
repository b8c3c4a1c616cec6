use std::path::{Path, PathBuf};

use super::RecordId;
use super::options::OnCorruption;
use super::recovery::read;
use super::report::Report;
use super::survey::{Survey, survey};
use crate::error::Result;
use crate::fs::Fs;

/// What a log holds, as [`verify`] finds it.
#[derive(Clone, Debug)]
pub struct VerifyReport {
    /// The segments, in order.
    pub segments: Vec<SegmentInfo>,
    /// Sound records in them.
    pub records: u64,
    /// Bytes of the files.
    pub bytes: u64,
    /// The id that the next record would have.
    pub next: RecordId,
    /// The epoch of the last writer.
    pub epoch: u64,
    /// Everything that is no sound record.
    pub report: Report,
}

/// A segment, as [`verify`] finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The file.
    pub file: PathBuf,
    /// Its number in the log.
    pub sequence: u64,
    /// The id that its first record has or would have.
    pub first: RecordId,
    /// Sound records in it.
    pub records: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// A record, as [`dump`] shows it.
#[derive(Debug)]
pub struct DumpedRecord<'a> {
    /// The file.
    pub file: &'a Path,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// Its id.
    pub id: RecordId,
    /// The kind it was appended with.
    pub kind: u8,
    /// Bytes of the payload as it is stored.
    pub stored_bytes: u32,
    /// What it carries.
    pub payload: &'a [u8],
}

/// Reads and checks a whole log and changes nothing. It does not lock the log: the tail of one that is being written may look torn.
///
/// # Errors
/// When a file cannot be read or was written by a newer version. Damage is in the report.
pub fn verify(fs: &dyn Fs, dir: &Path) -> Result<VerifyReport> {
    let Survey { segments, report, next, epoch, .. } = survey(fs, dir, OnCorruption::Stop)?;
    Ok(VerifyReport {
        records: segments.iter().map(|segment| segment.records.len() as u64).sum(),
        bytes: segments.iter().map(|segment| segment.bytes).sum(),
        segments: segments.into_iter().map(SegmentInfo::from).collect(),
        next: RecordId(next),
        epoch,
        report,
    })
}

impl From<super::index::Segment> for SegmentInfo {
    fn from(segment: super::index::Segment) -> Self {
        let super::index::Segment { path, sequence, first, bytes, records } = segment;
        SegmentInfo { file: path, sequence, first: RecordId(first), records: records.len(), bytes }
    }
}

/// Shows every sound record of a log, in order, and changes nothing. Gives what else was found.
///
/// # Errors
/// As [`verify`], and when a payload cannot be unpacked.
pub fn dump(fs: &dyn Fs, dir: &Path, mut visit: impl FnMut(DumpedRecord<'_>)) -> Result<Report> {
    let Survey { segments, report, .. } = survey(fs, dir, OnCorruption::Stop)?;
    for segment in &segments {
        for spot in &segment.records {
            let payload = read(fs, &segment.path, *spot)?;
            visit(DumpedRecord {
                file: &segment.path,
                offset: spot.offset,
                id: RecordId(spot.number),
                kind: spot.kind,
                stored_bytes: spot.len,
                payload: &payload,
            });
        }
    }
    Ok(report)
}
