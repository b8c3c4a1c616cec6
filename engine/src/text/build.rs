//! Texts made of bytes that are not in a chunk yet.
#![expect(unsafe_code, reason = "fills new texts with parts of valid ones")]

use super::{Text, TooLong};

impl Text {
    /// A text with a copy of `value`; `Text::from` for values that may be too long.
    ///
    /// # Errors
    /// When `value` has more than [`Chunk::MAX_LEN`](super::Chunk::MAX_LEN) bytes, 4 GiB.
    pub fn try_new(value: &str) -> Result<Text, TooLong> {
        // SAFETY: a copy of a `str`.
        unsafe { Text::build(value.len(), |out| out.copy_from_slice(value.as_bytes())) }
    }

    /// The parts one behind the other.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// assert_eq!(Text::concat(&["GET", " ", "/index.html"]), "GET /index.html");
    /// ```
    ///
    /// # Panics
    /// When they are together longer than 4 GiB.
    pub fn concat(parts: &[&str]) -> Text {
        let len = parts.iter().map(|part| part.len()).sum();
        let fill = |out: &mut [u8]| {
            let mut at = 0;
            for part in parts {
                out[at..at + part.len()].copy_from_slice(part.as_bytes());
                at += part.len();
            }
        };
        // SAFETY: valid strings one behind the other are valid.
        let text = unsafe { Text::build(len, fill) };
        text.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The bytes as text, with U+FFFD for each part that is not UTF-8 as in [`String::from_utf8_lossy`], and how many
    /// such parts there were.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// assert_eq!(Text::from_utf8_lossy(b"caf\xe9 au lait"), (Text::from("caf\u{fffd} au lait"), 1));
    /// ```
    ///
    /// # Panics
    /// When the text is longer than 4 GiB.
    pub fn from_utf8_lossy(bytes: &[u8]) -> (Text, usize) {
        if let Ok(valid) = simdutf8::basic::from_utf8(bytes) {
            return (Text::from(valid), 0);
        }
        let replaced = bytes.utf8_chunks().filter(|chunk| !chunk.invalid().is_empty()).count();
        (Text::from(String::from_utf8_lossy(bytes).as_ref()), replaced)
    }

    /// The text with `A` to `Z` in lower case.
    ///
    /// ```
    /// use millstream_engine::text::Text;
    /// assert_eq!(Text::from("Call me Ishmael").to_ascii_lowercase(), "call me ishmael");
    /// ```
    pub fn to_ascii_lowercase(&self) -> Text {
        let lower = |out: &mut [u8]| {
            out.copy_from_slice(self.as_bytes());
            out.make_ascii_lowercase();
        };
        // SAFETY: ASCII for ASCII, all other bytes as they are.
        let text = unsafe { Text::build(self.len(), lower) };
        text.expect("no longer than a text that is there")
    }

    /// The text in lower case, as [`str::to_lowercase`].
    ///
    /// # Panics
    /// When the result is longer than 4 GiB.
    pub fn to_lowercase(&self) -> Text {
        if self.is_ascii() { self.to_ascii_lowercase() } else { Text::from(self.as_str().to_lowercase()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_joined_at_every_length() {
        for len in [0, 1, 14, 15, 16, 4_095, 4_096, 4_097, 70_000] {
            let (a, b) = ("a".repeat(len), "é".repeat(len));
            let joined = Text::concat(&[&a, "", "-", &b]);
            assert_eq!(joined, format!("{a}-{b}"));
            assert_eq!(joined.is_inline(), 3 * len < 15);
        }
        assert_eq!(Text::concat(&[]), "");
    }

    #[test]
    fn lower_case_is_that_of_str() {
        for value in ["", "MiXed 1 [Z]", "A LINE OF MORE THAN 15 BYTES", "ÄÖÜ ΑΣ", "İSTANBUL IS A LONG WORD"]
        {
            let text = Text::from(value);
            assert_eq!(text.to_lowercase(), value.to_lowercase());
            assert_eq!(text.to_ascii_lowercase(), value.to_ascii_lowercase());
        }
    }

    #[test]
    fn invalid_bytes_are_replaced_and_counted() {
        for (bytes, replaced) in
            [(&b"fine"[..], 0), (b"\xff\xfe ", 2), (b"\xe2\x80", 1), (b"a\xf0\x9f\x98b\x80", 2)]
        {
            let (text, count) = Text::from_utf8_lossy(bytes);
            assert_eq!((text.as_str(), count), (String::from_utf8_lossy(bytes).as_ref(), replaced));
        }
    }
}
