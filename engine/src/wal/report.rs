use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

/// What was found in the files of a log and is not a sound record. Nothing is passed over that is not in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One for every place, in the order of the log.
    pub findings: Vec<Finding>,
}

/// A place in the log that holds no sound record, or a record that is not where it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes were skipped.
    pub bytes: u64,
    /// The numbers of durable records that are gone; empty where none is.
    pub lost: Range<u64>,
    /// What it is.
    pub reason: Reason,
}

/// What is wrong with a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The end of the last segment: written, never durable, never acknowledged. It is cut off.
    TornTail,
    /// Bytes that no record needs: behind a footer, or in a segment that was given up after a failed write.
    Leftover,
    /// Bytes in the middle that are no record any more.
    Damaged,
    /// Bytes that the disk does not give. Records there are lost, even where nothing else says that they were.
    Unreadable,
    /// The first bytes of a segment; its records are read all the same.
    SegmentHeader,
    /// The footer does not fit the records.
    Footer,
    /// Records are missing between this segment and the one before; a segment, or its end, is gone.
    Gap,
    /// The last segment is gone.
    LastSegment,
    /// The segment is of another log.
    Foreign,
    /// The segment is in a file with the name of another.
    Misnamed,
    /// There is another file with this segment.
    Duplicate,
    /// The segment was written by a writer that had been replaced.
    StaleEpoch,
    /// The manifest is missing or damaged; what was released is not known.
    Manifest,
}

impl Reason {
    /// Whether something that was durable is not as it was written. The end of a log after a crash is no damage.
    pub fn is_damage(self) -> bool {
        !matches!(self, Reason::TornTail | Reason::Leftover)
    }
}

impl Report {
    /// Whether everything is as it was written.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Those findings that are damage.
    pub fn damage(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.reason.is_damage())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::TornTail => "a tail that was never durable",
            Reason::Leftover => "leftover bytes that no record needs",
            Reason::Damaged => "damaged bytes",
            Reason::Unreadable => "bytes that cannot be read",
            Reason::SegmentHeader => "a damaged segment header",
            Reason::Footer => "a footer that does not fit the records",
            Reason::Gap => "records are missing before this place",
            Reason::LastSegment => "the last segment is missing",
            Reason::Foreign => "a segment of another log",
            Reason::Misnamed => "a segment under the name of another",
            Reason::Duplicate => "a second copy of a segment",
            Reason::StaleEpoch => "a segment of a writer that had been replaced",
            Reason::Manifest => "the manifest is missing or damaged",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding { file, offset, bytes, lost, reason } = self;
        write!(f, "{}: {reason}, {bytes} bytes at {offset}", file.display())?;
        if lost.is_empty() { Ok(()) } else { write!(f, ", records {} to {} lost", lost.start, lost.end - 1) }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut findings = self.findings.iter();
        if let Some(first) = findings.next() {
            write!(f, "{first}")?;
        }
        findings.try_for_each(|finding| write!(f, "\n{finding}"))
    }
}
