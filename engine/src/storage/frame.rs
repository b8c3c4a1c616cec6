//! What spilled bytes look like on the disk.
//!
//! ```text
//! | "MSPL" | version: u8 = 1 | compressed: u8 | 0: u16 | plain length: u32 | stored length: u32 | CRC-32C of all but this: u32 | bytes |
//! ```
//!
//! Numbers are little-endian. Compressed bytes are one lz4 block; bytes that it does not make smaller are stored as they are.

use std::io;

/// Bytes in front of what is stored.
const HEADER_BYTES: usize = 20;

const MAGIC: [u8; 4] = *b"MSPL";
const VERSION: u8 = 1;

/// The frame of `plain`.
///
/// # Errors
/// `InvalidInput` when there are more than 4 GiB.
pub(super) fn frame(plain: &[u8]) -> io::Result<Vec<u8>> {
    let too_long = |_| io::Error::new(io::ErrorKind::InvalidInput, "more than 4 GiB in one piece");
    let plain_len = u32::try_from(plain.len()).map_err(too_long)?;
    let packed = lz4_flex::block::compress(plain);
    let is_packed = packed.len() < plain.len();
    let stored: &[u8] = if is_packed { &packed } else { plain };
    let mut bytes = Vec::with_capacity(HEADER_BYTES + stored.len());
    bytes.extend(MAGIC);
    bytes.extend([VERSION, u8::from(is_packed), 0, 0]);
    bytes.extend(plain_len.to_le_bytes());
    bytes.extend((stored.len() as u32).to_le_bytes());
    let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes), stored);
    bytes.extend(crc.to_le_bytes());
    bytes.extend_from_slice(stored);
    Ok(bytes)
}

/// The bytes that [`frame`] was given.
///
/// # Errors
/// `InvalidData` when they are not what was written.
pub(super) fn unframe(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let damaged =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("spilled data is damaged: {what}"));
    let (header, stored) = bytes.split_at_checked(HEADER_BYTES).ok_or_else(|| damaged("it is cut off"))?;
    let (fields, crc) = header.split_at(HEADER_BYTES - 4);
    if crc32c::crc32c_append(crc32c::crc32c(fields), stored).to_le_bytes() != *crc {
        return Err(damaged("its checksum is wrong"));
    }
    if fields[..4] != MAGIC || fields[4] != VERSION || number(&fields[12..]) != stored.len() {
        return Err(damaged("it is of another version"));
    }
    match fields[5] {
        0 => Ok(stored.to_vec()),
        _ => lz4_flex::block::decompress(stored, number(&fields[8..])).map_err(|e| damaged(&e.to_string())),
    }
}

fn number(bytes: &[u8]) -> usize {
    bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_and_are_smaller_when_they_repeat() {
        let text = b"GET /index.html 200\n".repeat(500);
        let framed = frame(&text).unwrap();
        assert!(framed.len() < text.len() / 10, "{} bytes", framed.len());
        assert_eq!(unframe(&framed).unwrap(), text);
        assert_eq!(unframe(&frame(b"").unwrap()).unwrap(), b"");
    }

    #[test]
    fn the_first_version_is_read_for_ever() {
        let golden = b"MSPL\x01\0\0\0\x03\0\0\0\x03\0\0\0\x4d\x6f\xd4\xbbabc";
        assert_eq!(frame(b"abc").unwrap(), golden);
        assert_eq!(unframe(golden).unwrap(), b"abc");
        let compressed = b"MSPL\x01\x01\x00\x00\xe8\x03\x00\x00\x0f\x00\x00\x00\x1c?\x8e\xce\x1fa\x01\x00\xff\xff\xff\xd1`aaaaaa";
        let repeated = [b'a'; 1_000];
        assert_eq!((compressed[5], unframe(compressed).unwrap()), (1, repeated.to_vec()));
        assert_eq!(frame(&repeated).unwrap(), compressed);
    }

    #[test]
    fn every_bit_and_every_byte_counts() {
        let framed = frame(b"a b c d e f g h a b c d e f g h a b c d e f g h").unwrap();
        for bit in 0..framed.len() * 8 {
            let mut flipped = framed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(unframe(&flipped).is_err(), "bit {bit}");
        }
        for len in 0..framed.len() {
            assert!(unframe(&framed[..len]).is_err(), "{len} bytes");
        }
    }
}
