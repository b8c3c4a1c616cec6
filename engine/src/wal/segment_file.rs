//! The segment that is being written.

use std::io;
use std::path::PathBuf;

use super::format::{
    Digest, Footer, Home, PAYLOAD_CRC, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
};
use super::index::Spot;
use super::payload::Stored;
use crate::fs::{Fs, FsFile};

/// A record that waits to be written.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) number: u64,
    pub(super) kind: u8,
    pub(super) stored: Stored,
}

impl Pending {
    /// Bytes of the record in the file.
    pub(super) fn bytes(&self) -> u64 {
        RECORD_HEADER + u64::from(self.stored.len) + PAYLOAD_CRC
    }
}

/// A segment open for appending. Its length counts what is durable and sound; what a failed write left behind is not in it.
pub(super) struct SegmentFile {
    file: Box<dyn FsFile>,
    pub(super) path: PathBuf,
    pub(super) header: SegmentHeader,
    pub(super) len: u64,
    count: u64,
    end: u64,
    digest: Digest,
}

impl SegmentFile {
    /// Makes the file, with its header, durable but for its name.
    pub(super) fn create(fs: &dyn Fs, path: PathBuf, header: SegmentHeader) -> io::Result<Self> {
        let mut file = fs.create(&path)?;
        file.write_all(&header.encode())?;
        file.sync()?;
        let (end, digest) = (header.first, Digest::default());
        Ok(SegmentFile { file, path, header, len: SEGMENT_HEADER, count: 0, end, digest })
    }

    fn home(&self) -> Home {
        Home { log: self.header.log, sequence: self.header.sequence }
    }

    /// Writes records at the end, not durable yet and not counted: see [`accept`](Self::accept). Gives where they stand.
    pub(super) fn write(&mut self, group: &[Pending], durable: u64) -> io::Result<Vec<Spot>> {
        let mut offset = self.len;
        let mut spots = Vec::with_capacity(group.len());
        let mut frames = Vec::with_capacity(group.len());
        for pending in group {
            let Stored { len, flags, crc, .. } = pending.stored;
            let Pending { number, kind, .. } = *pending;
            let header = RecordHeader { len, kind, flags, number, epoch: self.header.epoch, durable };
            frames.push((header.encode(self.home(), offset), crc.to_le_bytes()));
            spots.push(Spot { number, offset, len, kind, flags });
            offset += pending.bytes();
        }
        let mut slices: Vec<&[u8]> = Vec::with_capacity(group.len() * 3);
        for (pending, (header, crc)) in group.iter().zip(&frames) {
            slices.push(header);
            slices.extend(pending.stored.slices());
            slices.push(crc);
        }
        self.file.write_slices(&slices)?;
        // Somebody else's bytes would shift ours, and a record that stands elsewhere is none.
        if self.file.len()? == offset {
            Ok(spots)
        } else {
            Err(io::Error::other("somebody else writes to it"))
        }
    }

    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync()
    }

    /// Counts records that were written and synced.
    pub(super) fn accept(&mut self, group: &[Pending]) {
        for pending in group {
            self.len += pending.bytes();
            self.count += 1;
            self.end = pending.number + 1;
            self.digest.add(pending.number, pending.stored.crc);
        }
    }

    /// Takes back what a failed write left behind.
    pub(super) fn retreat(&mut self) -> io::Result<()> {
        self.file.truncate(self.len)
    }

    /// Writes the footer, not durable yet. The file may be given up all the same: its records are durable.
    pub(super) fn seal(&mut self, flags: u32) -> io::Result<()> {
        let (count, end, epoch) = (self.count, self.end, self.header.epoch);
        let footer = Footer { flags, count, end, epoch, digest: self.digest.0 };
        self.file.write_all(&footer.encode(self.home(), self.len))
    }
}
