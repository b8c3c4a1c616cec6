use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::records::{
    BatchRecord, DoneRecord, LateBatchRecord, OutputKey, PlacedDoneRecord, PlacedPreparedRecord, Prepared,
    PreparedRecord, SegmentHeader, kind,
};
use crate::block::{Content, FindSegments, LoggedContent, Mark, Segment, SegmentLog};
use crate::codec::{decode, encoded};
use crate::fs::Fs;
use crate::text::ChunkPool;
use crate::wal::{Log, LogOptions, Payload, Record, RecordId};
use crate::{Error, Result, Time};

/// The log of a running program: the segments that were received, what each batch is made of, which outputs are done. All in
/// one sequence, so that when a batch's record is durable, its segments are.
pub(crate) struct BatchLog {
    log: Log,
    index: Mutex<Index>,
}

/// Where what may still be needed stands in the log.
#[derive(Default)]
struct Index {
    streams: BTreeMap<u32, Stream>,
    batches: VecDeque<(BatchRecord, RecordId)>,
}

impl Index {
    /// Takes in a record of an earlier run.
    fn take_in(&mut self, record: &Record, left: &mut Left) -> Result<()> {
        let (id, payload) = (record.id, &mut &*record.payload);
        match record.kind {
            kind::SEGMENT => {
                let header: SegmentHeader = decode(payload)?;
                let in_log = InLog { id, len: payload.len(), header };
                self.streams.entry(in_log.header.stream).or_default().segments.push_back(in_log);
            }
            kind::BATCH => {
                let batch: BatchRecord = decode(payload)?;
                self.batches.push_back((batch.clone(), id));
                left.batches.push(batch);
            }
            kind::LATE_BATCH => {
                let late: LateBatchRecord = decode(payload)?;
                self.batches.push_back((late.batch.clone(), id));
                left.gaps.push((late.after, late.batch.time));
                left.batches.push(late.batch);
            }
            other => return left.take_in(id, other, payload),
        }
        Ok(())
    }

    /// For each stream the number of the first segment that is needed when batches up to and including `time` are not; `next` as in
    /// [`BatchLog::release`].
    fn firsts_behind(&self, time: Time, next: &BTreeMap<u32, u64>) -> BTreeMap<u32, u64> {
        let mut firsts = next.clone();
        let later = self.batches.iter().filter(|(batch, _)| batch.time > time);
        for blocks in later.flat_map(|(batch, _)| &batch.blocks) {
            let first = firsts.entry(blocks.stream).or_insert(blocks.from);
            *first = (*first).min(blocks.from);
        }
        firsts
    }
}

/// What is known of the segments of one receiver.
#[derive(Default)]
struct Stream {
    segments: VecDeque<InLog>,
    /// How far the sources are with the segments that are not in the list any more.
    marks: BTreeMap<String, u64>,
}

/// A segment in the log.
struct InLog {
    id: RecordId,
    header: SegmentHeader,
    /// Bytes of its content.
    len: usize,
}

/// What an earlier run has left in the log.
#[derive(Debug, Default)]
pub(crate) struct Left {
    /// In the order of their times.
    pub(crate) batches: Vec<BatchRecord>,
    /// The batches before and behind each gap.
    pub(crate) gaps: Vec<(Time, Time)>,
    /// The outputs that have done a batch.
    pub(crate) done: BTreeSet<(Time, OutputKey)>,
    /// Also those that were committed later, and are done.
    pub(crate) prepared: BTreeMap<(Time, OutputKey), Prepared>,
}

impl Left {
    /// Takes in a record about an output.
    fn take_in(&mut self, id: RecordId, of: u8, payload: &mut &[u8]) -> Result<()> {
        match of {
            kind::DONE => {
                let DoneRecord { time, output } = decode(payload)?;
                self.done.insert((time, OutputKey::Name(output)));
            }
            kind::PREPARED => {
                let PreparedRecord { time, output, prepared } = decode(payload)?;
                self.prepared.insert((time, OutputKey::Name(output)), prepared);
            }
            kind::PLACED_DONE => {
                let PlacedDoneRecord { time, output } = decode(payload)?;
                self.done.insert((time, OutputKey::Place(output)));
            }
            kind::PLACED_PREPARED => {
                let PlacedPreparedRecord { time, output, prepared } = decode(payload)?;
                self.prepared.insert((time, OutputKey::Place(output)), prepared);
            }
            other => {
                return Err(Error::Recovery(format!(
                    "{id} of the log is of kind {other}, which this version does not know: it was written by a newer one"
                )));
            }
        }
        Ok(())
    }
}

impl BatchLog {
    /// Opens the log in `dir` and reads what is in it.
    ///
    /// # Errors
    /// When it cannot be read, or is damaged in its midst.
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path, options: &LogOptions) -> Result<(Self, Left)> {
        let (log, recovery) = Log::open(fs, dir, options)?;
        for finding in &recovery.report().findings {
            tracing::warn!(%finding, "in the write-ahead log");
        }
        let (mut index, mut left) = (Index::default(), Left::default());
        for record in recovery.records() {
            index.take_in(&record?, &mut left)?;
        }
        left.batches.sort_by_key(|batch| batch.time);
        Ok((BatchLog { log, index: Mutex::new(index) }, left))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what a batch is made of, and the batch before it if there is a gap between the two; the ticket to
    /// [wait](Self::wait) with.
    pub(crate) fn batch(&self, batch: BatchRecord, after: Option<Time>) -> Result<RecordId> {
        let (kind, record) = match after {
            None => (kind::BATCH, encoded(&batch)?),
            Some(after) => (kind::LATE_BATCH, encoded(&LateBatchRecord { after, batch: batch.clone() })?),
        };
        // Known before it is written, by an id that is not behind its own: the log is not shortened beyond it.
        self.index().batches.push_back((batch, self.log.next()));
        let id = self.log.append_now(kind, record)?;
        if let Some((_, known)) = self.index().batches.back_mut() {
            *known = id;
        }
        Ok(id)
    }

    /// Writes that an output operation has done a batch; the ticket, with which hardly anybody waits.
    pub(crate) fn done(&self, done: &DoneRecord) -> Result<RecordId> {
        self.log.append_now(kind::DONE, encoded(done)?)
    }

    /// Writes that an output operation has prepared a batch; returns when that is durable.
    pub(crate) fn prepared(&self, prepared: &PreparedRecord) -> Result<()> {
        self.log.wait(self.log.append_now(kind::PREPARED, encoded(prepared)?)?)
    }

    /// Returns when the record and all before it are durable.
    pub(crate) fn wait(&self, id: RecordId) -> Result<()> {
        self.log.wait(id)
    }

    /// Forgets what only batches up to and including `time` need; `next` has, for each receiver, the number of the first segment that
    /// belongs to a later one.
    pub(crate) fn release(&self, time: Time, next: &BTreeMap<u32, u64>) {
        let mut index = self.index();
        while index.batches.front().is_some_and(|(batch, _)| batch.time <= time) {
            index.batches.pop_front();
        }
        let mut needed = index.batches.front().map(|(_, id)| *id);
        let firsts = index.firsts_behind(time, next);
        for (stream, received) in &mut index.streams {
            let first = firsts.get(stream).copied().unwrap_or(0);
            while let Some(old) = received.segments.pop_front_if(|segment| segment.header.number < first) {
                received.marks.extend(old.header.mark.map(|mark| (mark.source, mark.number)));
            }
            let oldest = received.segments.front().map(|segment| segment.id);
            needed = match (needed, oldest) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        drop(index);
        if let Some(needed) = needed {
            self.log.release(needed);
        }
    }

    /// Whether the log is more than half full, and a [release](Self::release) with these arguments would make a quarter of it free.
    pub(crate) fn is_worth_releasing(&self, time: Time, next: impl FnOnce() -> BTreeMap<u32, u64>) -> bool {
        if !self.log.is_half_full() {
            return false;
        }
        let next = next();
        let index = self.index();
        let firsts = index.firsts_behind(time, &next);
        let old = index.streams.iter().flat_map(|(stream, received)| {
            let first = firsts.get(stream).copied().unwrap_or(0);
            received.segments.iter().take_while(move |segment| segment.header.number < first)
        });
        old.map(|segment| segment.len as u64).sum::<u64>() >= self.log.max_bytes() / 4
    }

    /// The bytes of the log, with those that are about to be written, and whether receivers wait for it to be shortened.
    pub(crate) fn fill(&self) -> (u64, bool) {
        let status = self.log.status();
        (status.bytes + status.queued_bytes, status.is_full)
    }

    /// The number behind the last segment of a stream that is in the log, if there is any.
    pub(crate) fn end_of(&self, stream: u32) -> Option<u64> {
        self.index().streams.get(&stream)?.segments.back().map(|segment| segment.header.number + 1)
    }

    /// How far the sources of a stream are with the segments before the number `end`.
    pub(crate) fn marks_before(&self, stream: u32, end: u64) -> BTreeMap<String, u64> {
        let index = self.index();
        let Some(received) = index.streams.get(&stream) else { return BTreeMap::new() };
        let mut marks = received.marks.clone();
        let segments = received.segments.iter().take_while(|segment| segment.header.number < end);
        marks.extend(
            segments.filter_map(|segment| segment.header.mark.clone()).map(|mark| (mark.source, mark.number)),
        );
        marks
    }

    /// The sources of a stream were as far as `marks` says before anything that is in the log.
    pub(crate) fn marks_were(&self, stream: u32, marks: BTreeMap<String, u64>) {
        self.index().streams.entry(stream).or_default().marks = marks;
    }

    /// The segments of a stream with these numbers, whose content stays in the log. In the place of one that is not there stands an
    /// empty one, and that is told.
    pub(crate) fn segments(self: &Arc<Self>, stream: u32, numbers: Range<u64>) -> Vec<Segment> {
        let logged: BTreeMap<u64, Segment> = {
            let index = self.index();
            let segments = index.streams.get(&stream).into_iter().flat_map(|received| &received.segments);
            let wanted = segments.filter(|segment| numbers.contains(&segment.header.number));
            wanted.map(|segment| (segment.header.number, self.logged(segment))).collect()
        };
        let missing = (numbers.end - numbers.start) - logged.len() as u64;
        if missing > 0 {
            tracing::error!(
                stream,
                segments = missing,
                "what a receiver had brought before the end of the last run is not in the log, and is lost \
                 (receiver.write_ahead_log keeps it)"
            );
        }
        numbers.map(|number| logged.get(&number).cloned().unwrap_or_else(lost)).collect()
    }

    fn logged(self: &Arc<Self>, InLog { id, header, len }: &InLog) -> Segment {
        let content = Arc::new(SegmentInLog { log: Arc::clone(self), id: *id });
        Segment::logged(content, *len, header.records, header.block)
    }

    /// What finds the segments of a stream as they are asked for.
    pub(crate) fn finder(self: &Arc<Self>, stream: u32) -> Arc<FindSegments> {
        let log = Arc::clone(self);
        Arc::new(move |numbers| log.segments(stream, numbers))
    }

    /// Where the segments of a stream are written.
    pub(crate) fn of_stream(self: &Arc<Self>, stream: u32) -> Arc<dyn SegmentLog> {
        Arc::new(StreamLog { log: Arc::clone(self), stream })
    }

    /// Writes what is waiting, and ends the log's thread.
    pub(crate) fn close(&self) {
        self.log.close();
    }
}

/// The log of one receiver's segments.
struct StreamLog {
    log: Arc<BatchLog>,
    stream: u32,
}

impl SegmentLog for StreamLog {
    fn append(&self, number: u64, segment: &Segment, content: Content, mark: Option<Mark>) -> Result<u64> {
        let header = SegmentHeader {
            stream: self.stream,
            number,
            block: segment.block(),
            records: segment.records(),
            is_text: content.is_text(),
            mark,
        };
        let mut payload = Payload::from(encoded(&header)?);
        payload.push(content);
        let in_log = InLog { id: self.log.log.next(), header, len: segment.len() };
        self.log.index().streams.entry(self.stream).or_default().segments.push_back(in_log);
        // It never waits: who seals may be the one who makes batches, on which all room depends. The receiver has asked for room before.
        let id = self.log.log.append_now(kind::SEGMENT, payload)?;
        let mut index = self.log.index();
        let last = index.streams.get_mut(&self.stream).and_then(|received| received.segments.back_mut());
        if let Some(segment) = last {
            segment.id = id;
        }
        Ok(id.0)
    }

    fn has_room(&self) -> bool {
        self.log.log.has_room()
    }

    fn wait(&self, ticket: u64) -> Result<()> {
        self.log.wait(RecordId(ticket))
    }
}

/// The content of a segment in the log.
struct SegmentInLog {
    log: Arc<BatchLog>,
    id: RecordId,
}

impl LoggedContent for SegmentInLog {
    fn read(&self, chunks: &ChunkPool) -> Result<Content> {
        let record = self.log.log.read(self.id)?;
        let mut payload = &*record;
        let header: SegmentHeader = decode(&mut payload)?;
        Content::copied(payload, header.is_text, chunks)
    }
}

/// Stands for a segment that is not in the log.
#[derive(Debug)]
struct Nothing;

impl LoggedContent for Nothing {
    fn read(&self, chunks: &ChunkPool) -> Result<Content> {
        Content::copied(&[], false, chunks)
    }
}

fn lost() -> Segment {
    Segment::logged(Arc::new(Nothing), 0, 0, Time::default())
}

impl fmt::Debug for SegmentInLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SegmentInLog({})", self.id)
    }
}
