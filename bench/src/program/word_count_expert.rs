//! Word count by someone who counts cycles: one thread, no engine, 64 bytes of text at a time.
//!
//! Whitespace is found with SSE2 (compares of 16 bytes, four masks joined to one of 64 bits). A word of up to 15 bytes is one
//! 16-byte load with a mask, its length in the last byte, so that it is compared as two numbers and hashed with one
//! multiplication. The table is hashbrown's, without its entry API's double hashing. Longer words take the plain way.
#![allow(unsafe_code)]

use std::collections::HashMap;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

/// Bytes that must be readable behind the text.
pub const PADDING: usize = 64;

/// The longest word that is its own key.
const INLINE: usize = 15;

/// Text with [`PADDING`] bytes of spaces behind it, which are not counted as text.
#[derive(Debug)]
pub struct Padded {
    bytes: Vec<u8>,
    len: usize,
}

impl Padded {
    /// Copies `text`.
    pub fn new(text: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(text.len() + PADDING);
        bytes.extend_from_slice(text);
        Padded::from(bytes)
    }

    /// The text without the padding, to be filled anew.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.truncate(self.len);
        self.bytes
    }
}

impl From<Vec<u8>> for Padded {
    /// Puts the padding behind the text, without copying it where there is room.
    fn from(mut bytes: Vec<u8>) -> Self {
        let len = bytes.len();
        bytes.resize(len + PADDING, b' ');
        Padded { bytes, len }
    }
}

/// Words and how often they occur.
pub struct Counts {
    short: HashTable<Short>,
    long: HashMap<Box<[u8]>, u64, ahash::RandomState>,
}

#[derive(Clone, Copy)]
struct Short {
    key: [u64; 2],
    count: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Counts { short: HashTable::with_capacity(1 << 16), long: HashMap::default() }
    }
}

impl Counts {
    /// Different words.
    pub fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    /// True when there were no words.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All words with their counts, in no particular order.
    pub fn to_vec(&self) -> Vec<(Vec<u8>, u64)> {
        let short = self.short.iter().map(|short| (bytes_of(short.key), short.count));
        short.chain(self.long.iter().map(|(word, count)| (word.to_vec(), *count))).collect()
    }
}

fn bytes_of([low, high]: [u64; 2]) -> Vec<u8> {
    let mut bytes = [low.to_le_bytes(), high.to_le_bytes()].concat();
    bytes.truncate(usize::from(bytes[INLINE]));
    bytes
}

/// Every word between ASCII whitespace (and vertical tabs), and how often it occurs.
pub fn expert(text: &Padded) -> Counts {
    let mut counts = Counts::default();
    counts.count(text);
    counts
}

impl Counts {
    /// Counts the words of one more piece of text, which begins and ends between words.
    pub fn count(&mut self, text: &Padded) {
        let (bytes, mut start) = (&text.bytes[..], 0);
        for base in (0..text.len).step_by(64) {
            let mut spaces = whitespace(bytes, base);
            while spaces != 0 {
                let end = base + spaces.trailing_zeros() as usize;
                spaces &= spaces - 1;
                if end > start {
                    self.add(bytes, start, end);
                }
                start = end + 1;
            }
        }
        let end = text.len.max(start);
        if end > start {
            self.add(bytes, start, end);
        }
    }

    #[inline(always)]
    fn add(&mut self, bytes: &[u8], start: usize, end: usize) {
        if end - start > INLINE {
            return self.add_long(&bytes[start..end]);
        }
        let key = short_key(bytes, start, end - start);
        match self.short.entry(hash(key), |short| short.key == key, |short| hash(short.key)) {
            Entry::Occupied(mut entry) => entry.get_mut().count += 1,
            Entry::Vacant(entry) => {
                entry.insert(Short { key, count: 1 });
            }
        }
    }
}

impl Counts {
    #[inline(never)]
    fn add_long(&mut self, word: &[u8]) {
        match self.long.get_mut(word) {
            Some(count) => *count += 1,
            None => _ = self.long.insert(word.into(), 1),
        }
    }
}

/// One multiplication whose halves are folded together, as ahash's fallback and wyhash do.
#[inline(always)]
fn hash([low, high]: [u64; 2]) -> u64 {
    let product = u128::from(low ^ 0x9e37_79b9_7f4a_7c15) * u128::from(high ^ 0xd1b5_4a32_d192_ed03);
    product as u64 ^ (product >> 64) as u64
}

/// `KEEP[n]` keeps the first `n` of sixteen bytes.
static KEEP: [[u64; 2]; INLINE + 1] = {
    let mut keep = [[0; 2]; INLINE + 1];
    let mut n = 0;
    while n <= INLINE {
        let bits = if n == 0 { 0 } else { u128::MAX >> (128 - 8 * n as u32) };
        keep[n] = [bits as u64, (bits >> 64) as u64];
        n += 1;
    }
    keep
};

/// The word of `len` bytes at `start`, zeros behind it, and its length in the last byte.
#[inline(always)]
fn short_key(bytes: &[u8], start: usize, len: usize) -> [u64; 2] {
    debug_assert!(len <= INLINE && start + 16 <= bytes.len());
    // SAFETY: a word begins before the padding, which is longer than 16 bytes; unaligned loads are asked for.
    let [low, high] = unsafe { bytes.as_ptr().add(start).cast::<[u64; 2]>().read_unaligned() };
    let [keep_low, keep_high] = KEEP[len];
    [low & keep_low, high & keep_high | (len as u64) << 56]
}

/// A bit for each of the 64 bytes from `at` that is whitespace.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn whitespace(bytes: &[u8], at: usize) -> u64 {
    use std::arch::x86_64::{
        __m128i, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_min_epu8, _mm_movemask_epi8, _mm_or_si128,
        _mm_set1_epi8, _mm_sub_epi8,
    };
    let window = &bytes[at..at + 64];
    let mut mask = 0;
    for i in 0..4 {
        // SAFETY: 16 of the 64 bytes of `window`; SSE2 is part of x86-64.
        let bits = unsafe {
            let v = _mm_loadu_si128(window.as_ptr().add(16 * i).cast::<__m128i>());
            let from_tab = _mm_sub_epi8(v, _mm_set1_epi8(9));
            let is_control = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8(4)), from_tab);
            _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8(b' ' as i8)), is_control))
        };
        mask |= u64::from(bits as u16) << (16 * i);
    }
    mask
}

#[cfg(not(target_arch = "x86_64"))]
fn whitespace(bytes: &[u8], at: usize) -> u64 {
    let is_space = |byte: &u8| matches!(byte, b' ' | 9..=13);
    bytes[at..at + 64].iter().enumerate().fold(0, |mask, (i, byte)| mask | u64::from(is_space(byte)) << i)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::super::word_count::plain;
    use super::*;
    use crate::workload::random::Random;

    #[test]
    fn it_counts_what_the_plain_program_counts() {
        let mut random = Random::new(4);
        for round in 0..300 {
            let text: Vec<u8> = (0..random.below(400))
                .map(|_| {
                    b"aaabbbcdefghijklmnopqrstuvwxyz    \t\n\r"
                        [random.below(if round % 2 == 0 { 37 } else { 7 }) as usize]
                })
                .collect();
            let expected: HashMap<Vec<u8>, u64> =
                plain(&text).into_iter().map(|(w, n)| (w.to_vec(), n)).collect();
            let padded = Padded::new(&text);
            let counts = expert(&padded);
            assert_eq!(counts.to_vec().into_iter().collect::<HashMap<_, _>>(), expected);
            assert_eq!((counts.len(), counts.is_empty()), (expected.len(), expected.is_empty()));
        }
    }
}
