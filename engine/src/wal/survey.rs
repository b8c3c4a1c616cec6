//! Looks at all files of a log and decides, without changing anything, which records there are. The rules stand in `README.md`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::format::{
    BadHeader, Home, MANIFEST_NAME, Manifest, SEGMENT_HEADER, SegmentHeader, VERSION, sequence_of,
};
use super::index::Segment;
use super::options::OnCorruption;
use super::report::{Finding, Reason, Report};
use super::scan::{Piece, Scan, Window, read};
use super::walk::Walk;
use crate::error::{Error, Result};
use crate::fs::Fs;

/// What the files of a log hold.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) manifest: Option<Manifest>,
    /// What the log is known by; `None` where nothing says it.
    pub(super) log: Option<u64>,
    /// The segments that count, in order, with the records that count.
    pub(super) segments: Vec<Segment>,
    /// Files with nothing but released records.
    pub(super) released: Vec<PathBuf>,
    /// Files that are no part of the log.
    pub(super) strays: Vec<PathBuf>,
    /// The file that ends with bytes which are no record, and its length without them.
    pub(super) cut: Option<(PathBuf, u64)>,
    pub(super) report: Report,
    /// The number of the next record.
    pub(super) next: u64,
    /// Records below are known to be durable; those from here on may stand in the page cache alone.
    pub(super) durable: u64,
    /// The highest epoch and sequence in any file's name or header.
    pub(super) epoch: u64,
    pub(super) sequence: u64,
}

/// A segment file as it was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) sequence: u64,
    pub(super) epoch: u64,
    pub(super) first: u64,
    pub(super) base: u64,
    pub(super) bytes: u64,
    pub(super) pieces: Vec<Piece>,
}

/// Looks at the log in `dir`.
///
/// # Errors
/// When a file cannot be read, or was written by a newer version. Damage is no error here; nor is, where the policy is to skip it,
/// a broken disk: what cannot be read is damaged.
pub(super) fn survey(fs: &dyn Fs, dir: &Path, policy: OnCorruption) -> Result<Survey> {
    let disk = (fs, policy);
    let mut survey = Survey::default();
    let files = segment_files(fs, dir)?;
    survey.manifest = read_manifest(disk, dir, !files.is_empty(), &mut survey.report)?;
    let mut headers = Vec::new();
    for (sequence, path) in files {
        survey.sequence = survey.sequence.max(sequence);
        let bytes = read(disk, &path, 0, SEGMENT_HEADER as usize, &mut (0..0))
            .map_err(|error| unreadable(&path, error))?;
        let header = match SegmentHeader::decode(&bytes) {
            Err(BadHeader::Newer(version)) => return Err(newer(&path, version)),
            header => header.ok(),
        };
        headers.push((sequence, path, header));
    }
    let first_log = headers.iter().find_map(|(_, _, header)| header.map(|header| header.log));
    survey.log = survey.manifest.map(|manifest| manifest.log).or(first_log);
    let log = survey.log;
    let mut found = BTreeMap::new();
    for (named, path, header) in headers {
        survey.take(disk, (named, path, header), log, &mut found)?;
    }
    let found = survey.refuse_stale(found.into_values().collect());
    survey.decide(found);
    Ok(survey)
}

fn segment_files(fs: &dyn Fs, dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let entries = match fs.list(dir) {
        Ok(entries) => entries,
        Err(error) => return Err(unreadable(dir, error)),
    };
    let files = entries.iter().filter(|entry| !entry.is_dir);
    let named =
        files.filter_map(|entry| entry.name.to_str()).filter_map(|name| Some((sequence_of(name)?, name)));
    Ok(named.map(|(sequence, name)| (sequence, dir.join(name))).collect())
}

fn read_manifest(
    disk: (&dyn Fs, OnCorruption),
    dir: &Path,
    needed: bool,
    report: &mut Report,
) -> Result<Option<Manifest>> {
    let path = dir.join(MANIFEST_NAME);
    let bytes = match read(disk, &path, 0, 4096, &mut (0..0)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound && !needed => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(unreadable(&path, error)),
    };
    match Manifest::decode(&bytes) {
        Ok(manifest) => Ok(Some(manifest)),
        Err(BadHeader::Newer(version)) => Err(newer(&path, version)),
        Err(BadHeader::Damaged) => {
            report.findings.push(finding(&path, 0, bytes.len() as u64, Reason::Manifest));
            Ok(None)
        }
    }
}

pub(super) fn unreadable(path: &Path, error: io::Error) -> Error {
    let what = format!(
        "write-ahead log: {} cannot be read; mend the disk or the rights, then start again",
        path.display()
    );
    Error::io(what, error)
}

fn newer(path: &Path, version: u32) -> Error {
    let path = path.display();
    Error::State(format!(
        "write-ahead log: {path} has format {version}, this engine reads formats up to {VERSION}; start the newer engine again"
    ))
}

pub(super) fn finding(file: &Path, offset: u64, bytes: u64, reason: Reason) -> Finding {
    Finding { file: file.to_owned(), offset, bytes, lost: 0..0, reason }
}

impl Survey {
    /// Sorts a file in: it is a segment, or a stray.
    fn take(
        &mut self,
        disk: (&dyn Fs, OnCorruption),
        (named, path, header): (u64, PathBuf, Option<SegmentHeader>),
        log: Option<u64>,
        found: &mut BTreeMap<u64, Found>,
    ) -> Result<()> {
        let window = Window::open(disk, &path).map_err(|error| unreadable(&path, error))?;
        let bytes = window.len;
        let mut refuse = |reason| {
            self.report.findings.push(finding(&path, 0, bytes, reason));
            self.strays.push(path.clone());
        };
        if header.is_some_and(|header| Some(header.log) != log) {
            refuse(Reason::Foreign);
            return Ok(());
        }
        let sequence = header.map_or(named, |header| header.sequence);
        // Of two files with one segment, the one that has its name is it.
        if let Some(other) = found.get(&sequence) {
            let other_named = other.path.file_name().and_then(|name| sequence_of(name.to_str()?));
            if header.is_none() || other_named == Some(sequence) || named != sequence {
                refuse(Reason::Duplicate);
                return Ok(());
            }
        }
        let home = Home { log: log.unwrap_or(0), sequence };
        let from = if header.is_some() { SEGMENT_HEADER } else { 0 };
        let (pieces, unreadable) =
            Scan::new(window, home, from).pieces().map_err(|error| unreadable(&path, error))?;
        if !unreadable.is_empty() {
            let bytes = unreadable.end - unreadable.start;
            self.report.findings.push(finding(&path, unreadable.start, bytes, Reason::Unreadable));
        }
        self.sequence = self.sequence.max(sequence);
        match origin(header, &pieces) {
            Some((epoch, first, base)) => {
                self.note_header(&path, header.is_some(), named == sequence);
                let pieces = if header.is_some() { pieces } else { without_header(pieces) };
                let new = Found { path, sequence, epoch, first, base, bytes, pieces };
                if let Some(other) = found.insert(sequence, new) {
                    self.report.findings.push(finding(&other.path, 0, other.bytes, Reason::Duplicate));
                    self.strays.push(other.path);
                }
            }
            None => self.note_empty(path, &pieces, bytes),
        }
        Ok(())
    }

    fn note_header(&mut self, path: &Path, sound: bool, named: bool) {
        if !sound {
            self.report.findings.push(finding(path, 0, SEGMENT_HEADER, Reason::SegmentHeader));
        }
        if !named {
            self.report.findings.push(finding(path, 0, 0, Reason::Misnamed));
        }
    }

    /// A file without header and records: what is left of a segment that was being made.
    fn note_empty(&mut self, path: PathBuf, pieces: &[Piece], bytes: u64) {
        if pieces.iter().any(|piece| !matches!(piece, Piece::Bad { zeros: true, .. })) {
            self.report.findings.push(finding(&path, 0, bytes, Reason::Leftover));
        }
        self.strays.push(path);
    }

    /// Takes out the segments of writers that had been replaced when they made them.
    fn refuse_stale(&mut self, found: Vec<Found>) -> Vec<Found> {
        let mut kept = Vec::with_capacity(found.len());
        for segment in found {
            if segment.epoch < self.epoch {
                self.report.findings.push(finding(&segment.path, 0, segment.bytes, Reason::StaleEpoch));
                self.strays.push(segment.path);
            } else {
                self.epoch = segment.epoch;
                kept.push(segment);
            }
        }
        kept
    }

    fn decide(&mut self, mut found: Vec<Found>) {
        let released = self.manifest.map_or(0, |manifest| manifest.released);
        self.epoch = self.epoch.max(self.manifest.map_or(0, |manifest| manifest.epoch));
        // The deletion of released segments may have been cut short anywhere, and in any order.
        let gone = found.iter().rposition(|segment| segment.base <= released).unwrap_or(0);
        self.released.extend(found.drain(..gone).map(|segment| segment.path));
        let begin = found.first().map_or(released, |segment| segment.first);
        // With no manifest nobody knows what was released; the finding about it says so.
        let mut walk = Walk::new(if self.manifest.is_some() { begin.min(released) } else { begin });
        self.note_last(found.last());
        // From the last to the first: from where on the segments behind it have the records, and what was durable before them.
        let mut behind = Vec::with_capacity(found.len());
        let (mut limit, mut durable) = (u64::MAX, 0);
        for segment in found.iter().rev() {
            behind.push((limit, durable));
            (limit, durable) = (limit.min(segment.base), durable.max(segment.first));
        }
        for (segment, (limit, durable)) in found.into_iter().zip(behind.into_iter().rev()) {
            self.segments.push(walk.segment(segment, limit, durable, &mut self.report));
        }
        (self.next, self.durable, self.cut) = walk.end(&mut self.report);
    }

    /// Whether the last segment there ought to be is there.
    fn note_last(&mut self, last: Option<&Found>) {
        let Some(manifest) = self.manifest else { return };
        let there = last.map_or(0, |segment| segment.sequence);
        if there < manifest.last_sequence {
            let name = super::format::segment_name(manifest.last_sequence);
            self.report.findings.push(finding(Path::new(&name), 0, 0, Reason::LastSegment));
        }
    }
}

/// The epoch, first record and base of a segment: by its header, or by its first record.
fn origin(header: Option<SegmentHeader>, pieces: &[Piece]) -> Option<(u64, u64, u64)> {
    let by_record = || {
        pieces.iter().find_map(|piece| match piece {
            Piece::Record { header, .. } => Some((header.epoch, header.number, header.number)),
            _ => None,
        })
    };
    header.map(|header| (header.epoch, header.first, header.base)).or_else(by_record)
}

/// The pieces after a damaged header, which is reported for itself.
fn without_header(mut pieces: Vec<Piece>) -> Vec<Piece> {
    if let Some(Piece::Bad { offset: 0, bytes, zeros }) = pieces.first().copied() {
        match bytes.checked_sub(SEGMENT_HEADER) {
            None | Some(0) => {
                pieces.remove(0);
            }
            Some(bytes) => pieces[0] = Piece::Bad { offset: SEGMENT_HEADER, bytes, zeros },
        }
    }
    pieces
}
