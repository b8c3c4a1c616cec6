//! Goes through the pieces of all segments in order, and tells records from what is left of others.

use std::path::PathBuf;

use super::format::{Digest, FLAG_CLOSED, Footer, RecordHeader};
use super::index::{Segment, Spot};
use super::report::{Reason, Report};
use super::scan::Piece;
use super::survey::{Found, finding};

/// The state of the walk between two segments.
pub(super) struct Walk {
    /// The number that the next record must have.
    expected: u64,
    /// Records below are known to be durable.
    durable: u64,
    /// What the last segment ends with, if it does not end with a record or footer.
    cut: Option<(PathBuf, u64)>,
    /// Whether the last segment says that another one follows.
    unfinished: Option<PathBuf>,
}

/// The walk through one segment.
struct Step<'a> {
    walk: &'a mut Walk,
    segment: Segment,
    /// Records from here on are in a later segment.
    limit: u64,
    report: &'a mut Report,
    /// Records below this number were durable: by what stands behind a hole, or by the segments that follow.
    vouched: u64,
    last: bool,
    digest: Digest,
    /// Sound records so far, copies among them.
    count: u64,
    /// Bytes that were no record, and whether they are zeros: what they were is told by what comes next.
    bad: Option<(u64, u64, bool)>,
    damaged: bool,
    ended: bool,
}

impl Walk {
    /// A walk that expects `first` as its first record.
    pub(super) fn new(first: u64) -> Self {
        Walk { expected: first, durable: first, cut: None, unfinished: None }
    }

    /// Goes through a segment, of which only records below `limit` count. Records below `durable` were durable when the segments
    /// behind it were made.
    pub(super) fn segment(&mut self, found: Found, limit: u64, durable: u64, report: &mut Report) -> Segment {
        (self.cut, self.unfinished) = (None, None);
        let Found { path, sequence, first, base, bytes, pieces, .. } = found;
        if first > self.expected {
            let mut gap = finding(&path, 0, 0, Reason::Gap);
            gap.lost = self.expected..first;
            report.findings.push(gap);
            self.expected = first;
        }
        // Its header was written when everything before was durable.
        self.durable = self.durable.max(first);
        let durables = pieces.iter().map(|piece| match piece {
            Piece::Record { header, .. } => header.durable,
            Piece::Footer(footer) => footer.end,
            Piece::Bad { .. } => 0,
        });
        let vouched = durables.max().unwrap_or(0).min(limit).max(durable.min(limit));
        let segment = Segment { path, sequence, first: base, bytes, records: Vec::new() };
        let (digest, count, bad) = (Digest::default(), 0, None);
        let last = limit == u64::MAX;
        let (damaged, ended) = (false, false);
        let mut step =
            Step { walk: self, segment, limit, report, vouched, last, digest, count, bad, damaged, ended };
        pieces.iter().for_each(|piece| step.piece(*piece));
        step.end()
    }

    /// The number of the next record, the first that is not known to be durable, and what to cut off the last segment.
    pub(super) fn end(self, report: &mut Report) -> (u64, u64, Option<(PathBuf, u64)>) {
        let known = report.findings.iter().any(|finding| finding.reason == Reason::LastSegment);
        if let (Some(path), false) = (self.unfinished, known) {
            report.findings.push(finding(&path, 0, 0, Reason::LastSegment));
        }
        (self.expected, self.durable.min(self.expected), self.cut)
    }
}

impl Step<'_> {
    fn piece(&mut self, piece: Piece) {
        match piece {
            Piece::Bad { offset, bytes, zeros } => {
                self.settle_leftover();
                self.bad = Some((offset, bytes, zeros));
            }
            Piece::Record { .. } if self.ended => self.skip_record(piece),
            Piece::Record { offset, header, payload_crc } => self.record(piece, offset, header, payload_crc),
            Piece::Footer(footer) if !self.ended => self.footer(footer),
            // What was written to its end is not given up.
            Piece::Footer(footer) if self.walk.cut.is_none() && footer.end > self.limit => {
                self.note(0, 0, Reason::Footer)
            }
            Piece::Footer(_) => {}
        }
    }

    fn record(&mut self, piece: Piece, offset: u64, header: RecordHeader, payload_crc: u32) {
        if header.number >= self.limit {
            // Written again in a later segment: this one was given up. Nothing more of it counts.
            self.settle_bad(self.vouched);
            self.ended = true;
            return;
        }
        if header.number > self.walk.expected && self.walk.expected >= self.vouched {
            self.torn(offset);
            self.skip_record(piece);
            return;
        }
        self.digest.add(header.number, payload_crc);
        self.count += 1;
        let RecordHeader { len, kind, flags, number, durable, .. } = header;
        self.walk.durable = self.walk.durable.max(durable);
        if number < self.walk.expected {
            // A copy of what an earlier segment has.
            self.settle_leftover();
            return;
        }
        self.settle_bad(number);
        self.settle_leftover();
        if self.segment.records.is_empty() {
            self.segment.first = self.segment.first.min(number);
        }
        self.segment.records.push(Spot { number, offset, len, kind, flags });
        self.walk.expected = number.saturating_add(1);
    }

    /// A sound record that does not count.
    fn skip_record(&mut self, piece: Piece) {
        if let (Piece::Record { offset, header, .. }, Some(_)) = (piece, &self.walk.cut) {
            self.note(offset, header.record_len(), Reason::TornTail);
        }
    }

    fn footer(&mut self, footer: Footer) {
        self.settle_bad(footer.end.min(self.limit));
        let whole = footer.count == self.count && footer.digest == self.digest.0;
        if !self.damaged && (!whole || footer.end != self.walk.expected) {
            self.note(0, 0, Reason::Footer);
        }
        self.walk.durable = self.walk.durable.max(self.walk.expected);
        self.ended = true;
        if footer.flags & FLAG_CLOSED == 0 {
            self.walk.unfinished = Some(self.segment.path.clone());
        }
    }

    /// From here on the last segment was never durable: a record is missing, and none that follows says it was safe.
    fn torn(&mut self, offset: u64) {
        let cut = self.bad.map_or(offset, |(offset, _, _)| offset);
        if self.last {
            self.walk.cut = Some((self.segment.path.clone(), cut));
        }
        self.settle_leftover();
        self.ended = true;
    }

    /// Bad bytes before record `next`, up to which everything was durable.
    fn settle_bad(&mut self, next: u64) {
        let lost = self.walk.expected..next.max(self.walk.expected);
        if lost.is_empty() {
            return;
        }
        let (offset, bytes, _) = self.bad.take().unwrap_or((0, 0, false));
        self.note(offset, bytes, Reason::Damaged);
        if let Some(last) = self.report.findings.last_mut() {
            last.lost = lost;
        }
        self.damaged = true;
        self.walk.expected = next;
    }

    /// Bad bytes after the end of what counts.
    fn settle_leftover(&mut self) {
        if let Some((offset, bytes, zeros)) = self.bad.take() {
            let reason = if self.walk.cut.is_some() { Reason::TornTail } else { Reason::Leftover };
            if !zeros {
                self.note(offset, bytes, reason);
            }
        }
    }

    fn end(mut self) -> Segment {
        if !self.ended {
            self.settle_bad(self.vouched);
        }
        if let (true, Some((offset, _, _))) = (self.last && !self.ended, self.bad) {
            self.walk.cut = Some((self.segment.path.clone(), offset));
        }
        self.settle_leftover();
        self.segment
    }

    fn note(&mut self, offset: u64, bytes: u64, reason: Reason) {
        let found = finding(&self.segment.path, offset, bytes, reason);
        self.report.findings.push(found);
    }
}
