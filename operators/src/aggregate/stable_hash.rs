use std::cell::Cell;

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

thread_local! {
    /// The encoding of the value at hand; a cell, so that a value that hashes others while it is encoded finds another one.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A buffer above this is not kept for the next value.
const KEPT_BYTES_MAX: usize = 64 * 1024;

/// A hash that may be written to disk: XXH3 of 64 bits over the postcard encoding.
///
/// Both have a fixed specification, so the hash is the same in every process, on every processor and in every later version,
/// which `std::hash::Hash` does not promise of any type. Values count as equal if they are encoded alike. A value that fails
/// to encode is known by what it had written until then.
pub(super) fn stable_hash(value: &impl Serialize) -> u64 {
    let mut buffer = BUFFER.take();
    buffer.clear();
    // An error can only be the value's own, and the bytes before it stand for the value.
    let _ = postcard::serialize_with_flavor(value, Bytes(&mut buffer));
    let hash = xxh3_64(&buffer);
    if buffer.capacity() <= KEPT_BYTES_MAX {
        BUFFER.set(buffer);
    }
    hash
}

/// Where postcard writes to.
struct Bytes<'a>(&'a mut Vec<u8>);

impl Flavor for Bytes<'_> {
    type Output = ();

    #[inline]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    #[inline]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use millstream_engine::text::Text;
    use serde::{Serialize, Serializer};

    use super::super::testing::encoded;
    use super::stable_hash;

    /// From the reference implementation, over the bytes that postcard's specification gives. They are on disks, and must stay.
    #[test]
    fn the_hashes_on_disk() {
        assert_eq!(stable_hash(&()), 0x2d06_8005_38d3_94c2);
        assert_eq!(stable_hash(&1u64), 0xe12e_f9d2_eb86_ceeb);
        assert_eq!(stable_hash(&("millstream", -1i32)), 0x8f25_36c3_fe96_f750);
    }

    #[test]
    fn is_over_the_encoding_of_any_length() {
        for len in [0, 1, 16, 17, 128, 129, 240, 241, 5_000, 100_000] {
            let text = "é".repeat(len);
            let hash = xxhash_rust::xxh3::xxh3_64(&encoded(&text));
            assert_eq!(stable_hash(&text), hash);
            assert_eq!(stable_hash(&Text::from(text.as_str())), hash, "the type of a text does not matter");
        }
    }

    struct Fails(u8);

    impl Serialize for Fails {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            (self.0, FailsAtOnce).serialize(serializer)
        }
    }

    struct FailsAtOnce;

    impl Serialize for FailsAtOnce {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("never"))
        }
    }

    #[test]
    fn what_fails_is_known_by_its_beginning() {
        assert_eq!(stable_hash(&Fails(1)), stable_hash(&1u8));
        assert_ne!(stable_hash(&Fails(1)), stable_hash(&Fails(2)));
    }

    struct Nested;

    impl Serialize for Nested {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            ("before", stable_hash(&"inside"), "after").serialize(serializer)
        }
    }

    #[test]
    fn a_value_may_hash_while_it_is_encoded() {
        assert_eq!(stable_hash(&Nested), stable_hash(&("before", stable_hash(&"inside"), "after")));
    }
}
