use super::format::{FLAG_LZ4, PAYLOAD_CRC};
use crate::error::{Error, Result};

/// A piece of a payload: anything that can be seen as bytes, held until these are durable.
pub type Part = Box<dyn AsRef<[u8]> + Send + Sync>;

/// What a record carries, as a list of parts. It is written from where it is: nothing is copied, unless the log compresses.
#[derive(Default)]
pub struct Payload {
    parts: Vec<Part>,
}

impl Payload {
    /// An empty payload.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a part at the end.
    pub fn push(&mut self, part: impl AsRef<[u8]> + Send + Sync + 'static) {
        self.parts.push(Box::new(part));
    }

    /// The bytes of all parts.
    pub fn len(&self) -> usize {
        self.slices().map(<[u8]>::len).sum()
    }

    /// Whether there is no byte in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.parts.iter().map(|part| (**part).as_ref())
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes in {} parts)", self.len(), self.parts.len())
    }
}

impl FromIterator<Part> for Payload {
    fn from_iter<I: IntoIterator<Item = Part>>(parts: I) -> Self {
        Payload { parts: parts.into_iter().collect() }
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Payload { parts: vec![Box::new(bytes)] }
    }
}

impl From<std::sync::Arc<[u8]>> for Payload {
    fn from(bytes: std::sync::Arc<[u8]>) -> Self {
        Payload { parts: vec![Box::new(bytes)] }
    }
}

impl From<&'static str> for Payload {
    fn from(text: &'static str) -> Self {
        Payload { parts: vec![Box::new(text)] }
    }
}

/// A payload as it is stored, with its checksum.
#[derive(Debug)]
pub(super) struct Stored {
    payload: Payload,
    pub(super) len: u32,
    pub(super) flags: u8,
    pub(super) crc: u32,
}

impl Stored {
    /// Compresses, if it is asked to and it pays, and computes the checksum.
    pub(super) fn new(payload: Payload, compress: bool) -> Result<Self> {
        let (payload, flags) = if compress { compressed(payload) } else { (payload, 0) };
        let len = u32::try_from(payload.len()).map_err(|_| {
            let bytes = payload.len();
            Error::State(format!(
                "write-ahead log: a record of {bytes} bytes is too long; cut the block earlier"
            ))
        })?;
        let crc = payload.slices().fold(0, crc32c::crc32c_append);
        Ok(Stored { payload, len, flags, crc })
    }

    /// What was stored before, to be stored again as it is; with its checksum behind it. `None` when that does not fit.
    pub(super) fn again(mut bytes: Vec<u8>, flags: u8) -> Option<Self> {
        let end = bytes.len().checked_sub(PAYLOAD_CRC as usize)?;
        let crc = u32::from_le_bytes(*bytes.last_chunk()?);
        bytes.truncate(end);
        let sound = crc32c::crc32c(&bytes) == crc;
        sound.then(|| Stored { len: bytes.len() as u32, payload: bytes.into(), flags, crc })
    }

    pub(super) fn slices(&self) -> impl Iterator<Item = &[u8]> {
        self.payload.slices()
    }
}

fn compressed(payload: Payload) -> (Payload, u8) {
    let plain: Vec<u8> = payload.slices().flatten().copied().collect();
    let Ok(len) = u32::try_from(plain.len()) else { return (payload, 0) };
    let mut bytes = len.to_le_bytes().to_vec();
    bytes.extend(lz4_flex::block::compress(&plain));
    if bytes.len() < plain.len() { (bytes.into(), FLAG_LZ4) } else { (payload, 0) }
}

/// What [`Stored`] was made of. `None` for bytes that it never makes.
pub(super) fn unpack(stored: Vec<u8>, flags: u8) -> Option<Vec<u8>> {
    match flags {
        0 => Some(stored),
        FLAG_LZ4 => {
            let (len, block) = stored.split_first_chunk()?;
            let len = u32::from_le_bytes(*len) as usize;
            // An lz4 block never grows by more than this; what says so is not believed, and nothing is allocated for it.
            let most = block.len().saturating_mul(255);
            let plain =
                if len <= most { lz4_flex::block::decompress(block, len).ok()? } else { return None };
            (plain.len() == len).then_some(plain)
        }
        _ => None,
    }
}

/// The payload in `bytes`, which end with its checksum. `None` when they do not belong together.
pub(super) fn checked(mut bytes: Vec<u8>, flags: u8) -> Option<Vec<u8>> {
    let len = bytes.len().checked_sub(PAYLOAD_CRC as usize)?;
    let crc = u32::from_le_bytes(*bytes.last_chunk()?);
    bytes.truncate(len);
    if crc32c::crc32c(&bytes) == crc { unpack(bytes, flags) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(payload: impl Into<Payload>, compress: bool) -> (Vec<u8>, u8) {
        let stored = Stored::new(payload.into(), compress).unwrap();
        let bytes = stored.slices().collect::<Vec<_>>().concat();
        assert_eq!((bytes.len(), crc32c::crc32c(&bytes)), (stored.len as usize, stored.crc));
        (bytes, stored.flags)
    }

    #[test]
    fn parts_are_one_payload() {
        let mut payload = Payload::new();
        assert!(payload.is_empty());
        payload.push("ab");
        payload.push(vec![b'c'; 3]);
        payload.push(std::sync::Arc::<[u8]>::from(&b"d"[..]));
        assert_eq!(payload.len(), 6);
        assert_eq!(stored(payload, false), (b"abcccd".to_vec(), 0));
    }

    #[test]
    fn compressed_when_it_pays() {
        let text = "the same words again and again ".repeat(100).into_bytes();
        let (bytes, flags) = stored(text.clone(), true);
        assert!(flags == FLAG_LZ4 && bytes.len() < text.len() / 10);
        assert_eq!(unpack(bytes, flags), Some(text));
        assert_eq!(stored("short", true), (b"short".to_vec(), 0));
    }

    #[test]
    fn a_hostile_length_allocates_nothing() {
        let mut bytes = u32::MAX.to_le_bytes().to_vec();
        bytes.extend(lz4_flex::block::compress(b"small"));
        assert_eq!(unpack(bytes, FLAG_LZ4), None);
        assert_eq!(unpack(vec![1, 2], FLAG_LZ4), None);
        assert_eq!(unpack(vec![], 2), None);
        assert_eq!(checked(vec![1, 2], 0), None);
    }
}
