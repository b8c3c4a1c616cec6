use std::path::PathBuf;

/// Where a record stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) number: u64,
    pub(super) offset: u64,
    /// Bytes of the payload as it is stored.
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
}

/// A segment that is there, and its records.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    pub(super) sequence: u64,
    /// The number that the first record has, or will have, which no earlier segment has.
    pub(super) first: u64,
    /// Bytes of the file.
    pub(super) bytes: u64,
    /// In the order of their numbers.
    pub(super) records: Vec<Spot>,
}

/// The segments of a log and where each record stands: 24 bytes of memory per record.
#[derive(Debug, Default)]
pub(super) struct Index {
    segments: Vec<Segment>,
}

impl Index {
    pub(super) fn new(segments: Vec<Segment>) -> Self {
        Index { segments }
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Bytes of all segments.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// The file and the place of a record.
    pub(super) fn find(&self, number: u64) -> Option<(&Segment, Spot)> {
        let segment = self.segments.iter().rev().find(|segment| segment.first <= number)?;
        let at = segment.records.binary_search_by_key(&number, |spot| spot.number).ok()?;
        Some((segment, segment.records[at]))
    }

    /// Adds the segment that is written from now on.
    pub(super) fn begin(&mut self, segment: Segment) {
        self.segments.push(segment);
    }

    /// Adds records to the last segment, which has grown to `bytes`. Copies of recovered records are left out: they are read where
    /// they were found.
    pub(super) fn grow(&mut self, records: impl Iterator<Item = Spot>, bytes: u64) {
        if let Some(last) = self.segments.last_mut() {
            last.records.extend(records.filter(|spot| spot.number >= last.first));
            last.bytes = bytes;
        }
    }

    /// Segments whose records are all below `before`, and behind which another one stands.
    pub(super) fn below(&self, before: u64) -> Vec<PathBuf> {
        let pairs = self.segments.windows(2).take_while(|pair| pair[1].first <= before);
        pairs.map(|pair| pair[0].path.clone()).collect()
    }

    pub(super) fn remove(&mut self, path: &std::path::Path) {
        self.segments.retain(|segment| segment.path != path);
    }
}
