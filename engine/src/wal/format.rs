//! The bytes of the log, as `FORMAT.md` says it.

use std::ops::Range;

/// The version of the format that this engine writes, and the newest that it reads.
pub(super) const VERSION: u32 = 1;
pub(super) const SEGMENT_HEADER: u64 = 56;
pub(super) const RECORD_HEADER: u64 = 40;
pub(super) const FOOTER: u64 = 40;
/// The checksum after a payload.
pub(super) const PAYLOAD_CRC: u64 = 4;
/// What a record costs beside its payload.
pub(super) const RECORD_OVERHEAD: u64 = RECORD_HEADER + PAYLOAD_CRC;
pub(super) const MANIFEST: usize = 48;
pub(super) const MANIFEST_NAME: &str = "wal-manifest";

const SEGMENT_MAGIC: [u8; 8] = *b"MILLWAL\n";
const MANIFEST_MAGIC: [u8; 8] = *b"MILLWAM\n";
/// What every record begins with. It has bytes that UTF-8 never has, so that logged text is not searched in vain.
pub(super) const RECORD_MARK: [u8; 4] = [0xF7, b'M', b'R', 0xFE];
/// What a footer begins with: three of the four bytes of a record's mark, so that one search finds both.
pub(super) const FOOTER_MARK: [u8; 4] = [0xF7, b'M', b'F', 0xFE];

/// The payload is compressed with lz4: its length as a `u32`, then an lz4 block.
pub(super) const FLAG_LZ4: u8 = 1;
/// The footer ends the last segment of a log that was closed.
pub(super) const FLAG_CLOSED: u32 = 1;

/// Reads little-endian fields one after the other.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        // Callers hand over as many bytes as the format has; a short slice would read as zeros, and fail its checksum.
        let n = N.min(self.0.len());
        bytes[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

/// Whether the last four bytes are the checksum of those before.
fn is_sound(bytes: &[u8], seed: u32) -> bool {
    bytes
        .split_last_chunk()
        .is_some_and(|(fields, crc)| crc32c::crc32c_append(seed, fields) == u32::from_le_bytes(*crc))
}

fn with_crc<const N: usize>(fields: &[u8], seed: u32) -> [u8; N] {
    let mut bytes = [0; N];
    bytes[..N - 4].copy_from_slice(fields);
    bytes[N - 4..].copy_from_slice(&crc32c::crc32c_append(seed, fields).to_le_bytes());
    bytes
}

/// The first bytes of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) log: u64,
    pub(super) epoch: u64,
    pub(super) sequence: u64,
    /// The number of the first record. All below were durable when the segment was made.
    pub(super) first: u64,
    /// The number of the first record of this segment that no earlier one may have. Those from `first` up to here were recovered
    /// from earlier segments and are written again.
    pub(super) base: u64,
}

/// Why a header was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged,
    Newer(u32),
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; SEGMENT_HEADER as usize] {
        let mut fields = SEGMENT_MAGIC.to_vec();
        fields.extend(VERSION.to_le_bytes());
        let numbers = [self.log, self.epoch, self.sequence, self.first, self.base];
        numbers.iter().for_each(|n| fields.extend(n.to_le_bytes()));
        with_crc(&fields, 0)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        if bytes.len() != SEGMENT_HEADER as usize || !bytes.starts_with(&SEGMENT_MAGIC) || !is_sound(bytes, 0)
        {
            return Err(BadHeader::Damaged);
        }
        let mut fields = Fields(&bytes[8..]);
        match fields.u32() {
            VERSION => {}
            newer => return Err(BadHeader::Newer(newer)),
        }
        let (log, epoch, sequence) = (fields.u64(), fields.u64(), fields.u64());
        Ok(SegmentHeader { log, epoch, sequence, first: fields.u64(), base: fields.u64() })
    }
}

/// The log and segment that a record belongs to. Checksums of records take in where they stand, so that a record which is found
/// elsewhere, in another file or inside of a payload, is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) log: u64,
    pub(super) sequence: u64,
}

impl Home {
    fn seed(&self, offset: u64) -> u32 {
        let mut place = [0; 24];
        place[..8].copy_from_slice(&self.log.to_le_bytes());
        place[8..16].copy_from_slice(&self.sequence.to_le_bytes());
        place[16..].copy_from_slice(&offset.to_le_bytes());
        crc32c::crc32c(&place)
    }
}

/// What stands before a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHeader {
    /// Bytes of the payload as it is stored.
    pub(super) len: u32,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) number: u64,
    pub(super) epoch: u64,
    /// Records below this number were durable when this one was written.
    pub(super) durable: u64,
}

impl RecordHeader {
    pub(super) fn encode(&self, home: Home, offset: u64) -> [u8; RECORD_HEADER as usize] {
        let mut fields = RECORD_MARK.to_vec();
        fields.extend(self.len.to_le_bytes());
        fields.extend([self.kind, self.flags, 0, 0]);
        [self.number, self.epoch, self.durable].iter().for_each(|n| fields.extend(n.to_le_bytes()));
        with_crc(&fields, home.seed(offset))
    }

    pub(super) fn decode(bytes: &[u8], home: Home, offset: u64) -> Option<Self> {
        let whole = bytes.len() == RECORD_HEADER as usize && bytes.starts_with(&RECORD_MARK);
        if !whole || !is_sound(bytes, home.seed(offset)) {
            return None;
        }
        let mut fields = Fields(&bytes[4..]);
        let len = fields.u32();
        let [kind, flags, _, _] = fields.take();
        Some(RecordHeader {
            len,
            kind,
            flags,
            number: fields.u64(),
            epoch: fields.u64(),
            durable: fields.u64(),
        })
    }

    /// Bytes of the whole record.
    pub(super) fn record_len(&self) -> u64 {
        RECORD_OVERHEAD + u64::from(self.len)
    }
}

/// What ends a segment to which nothing more will be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) flags: u32,
    pub(super) count: u64,
    /// The number after the last record's.
    pub(super) end: u64,
    pub(super) epoch: u64,
    /// [`Digest`] of the records.
    pub(super) digest: u32,
}

impl Footer {
    pub(super) fn encode(&self, home: Home, offset: u64) -> [u8; FOOTER as usize] {
        let mut fields = FOOTER_MARK.to_vec();
        fields.extend(self.flags.to_le_bytes());
        [self.count, self.end, self.epoch].iter().for_each(|n| fields.extend(n.to_le_bytes()));
        fields.extend(self.digest.to_le_bytes());
        with_crc(&fields, home.seed(offset))
    }

    pub(super) fn decode(bytes: &[u8], home: Home, offset: u64) -> Option<Self> {
        let whole = bytes.len() == FOOTER as usize && bytes.starts_with(&FOOTER_MARK);
        if !whole || !is_sound(bytes, home.seed(offset)) {
            return None;
        }
        let mut fields = Fields(&bytes[4..]);
        let (flags, count, end, epoch) = (fields.u32(), fields.u64(), fields.u64(), fields.u64());
        Some(Footer { flags, count, end, epoch, digest: fields.u32() })
    }
}

/// The checksum over the numbers and payload checksums of a segment's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Digest(pub(super) u32);

impl Digest {
    pub(super) fn add(&mut self, number: u64, payload_crc: u32) {
        self.0 = crc32c::crc32c_append(self.0, &number.to_le_bytes());
        self.0 = crc32c::crc32c_append(self.0, &payload_crc.to_le_bytes());
    }
}

/// The file that says which segments there must be, and who may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) log: u64,
    /// The epoch of the writer. One that finds a higher one than its own has been replaced.
    pub(super) epoch: u64,
    /// The last segment that was made whole; 0 where there is none.
    pub(super) last_sequence: u64,
    /// Records below were released; their segments may be gone.
    pub(super) released: u64,
}

impl Manifest {
    pub(super) fn encode(&self) -> [u8; MANIFEST] {
        let mut fields = MANIFEST_MAGIC.to_vec();
        fields.extend(VERSION.to_le_bytes());
        let numbers = [self.log, self.epoch, self.last_sequence, self.released];
        numbers.iter().for_each(|n| fields.extend(n.to_le_bytes()));
        with_crc(&fields, 0)
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, BadHeader> {
        if bytes.len() != MANIFEST || !bytes.starts_with(&MANIFEST_MAGIC) || !is_sound(bytes, 0) {
            return Err(BadHeader::Damaged);
        }
        let mut fields = Fields(&bytes[8..]);
        match fields.u32() {
            VERSION => {}
            newer => return Err(BadHeader::Newer(newer)),
        }
        let (log, epoch, last_sequence, released) = (fields.u64(), fields.u64(), fields.u64(), fields.u64());
        Ok(Manifest { log, epoch, last_sequence, released })
    }
}

/// The file name of a segment.
pub(super) fn segment_name(sequence: u64) -> String {
    format!("wal-{sequence:016x}.log")
}

/// The segment that a file name stands for.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("wal-")?.strip_suffix(".log")?;
    let sequence = u64::from_str_radix(digits, 16).ok()?;
    (segment_name(sequence) == name).then_some(sequence)
}

/// Where the payload of a record at `offset` stands.
pub(super) fn payload_range(offset: u64, len: u32) -> Range<u64> {
    offset + RECORD_HEADER..offset + RECORD_HEADER + u64::from(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: Home = Home { log: 7, sequence: 3 };

    #[test]
    fn what_is_encoded_is_decoded() {
        let segment = SegmentHeader { log: 1, epoch: 2, sequence: 3, first: 4, base: 5 };
        assert_eq!(SegmentHeader::decode(&segment.encode()), Ok(segment));
        let record = RecordHeader { len: 5, kind: 6, flags: 1, number: 7, epoch: 8, durable: 9 };
        assert_eq!(RecordHeader::decode(&record.encode(HOME, 48), HOME, 48), Some(record));
        let footer = Footer { flags: 1, count: 2, end: 3, epoch: 4, digest: 5 };
        assert_eq!(Footer::decode(&footer.encode(HOME, 100), HOME, 100), Some(footer));
        let manifest = Manifest { log: 1, epoch: 2, last_sequence: 3, released: 4 };
        assert_eq!(Manifest::decode(&manifest.encode()), Ok(manifest));
    }

    #[test]
    fn a_record_elsewhere_is_none() {
        let bytes =
            RecordHeader { len: 0, kind: 0, flags: 0, number: 1, epoch: 1, durable: 0 }.encode(HOME, 48);
        assert!(RecordHeader::decode(&bytes, HOME, 48).is_some());
        assert!(RecordHeader::decode(&bytes, HOME, 49).is_none());
        assert!(RecordHeader::decode(&bytes, Home { sequence: 4, ..HOME }, 48).is_none());
        assert!(RecordHeader::decode(&bytes, Home { log: 8, ..HOME }, 48).is_none());
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(segment_name(255), "wal-00000000000000ff.log");
        assert_eq!(sequence_of("wal-00000000000000ff.log"), Some(255));
        for other in
            ["wal-ff.log", "wal-00000000000000FF.log", "wal-manifest", "wal-00000000000000ff.log.tmp"]
        {
            assert_eq!(sequence_of(other), None, "{other}");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = Manifest { log: 1, epoch: 1, last_sequence: 1, released: 1 }.encode();
        bytes[8] = 9;
        let fields = bytes[..MANIFEST - 4].to_vec();
        assert_eq!(Manifest::decode(&with_crc::<MANIFEST>(&fields, 0)), Err(BadHeader::Newer(9)));
    }
}
