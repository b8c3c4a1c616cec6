use std::hash::{BuildHasher, Hash, Hasher};
use std::mem;

use ahash::{AHasher, RandomState};

/// The hash function of every shuffle of a process, with the process's random seed.
///
/// It is ahash for numbers. Texts are folded, sixteen bytes at a time, as a short [`Text`](crate::text::Text) is one number of that size:
/// the two halves, each mixed with a secret half of the seed, are multiplied, and the halves of the product are laid over each other, so
/// that all bits of the number bear on all bits of the result, which is mixed into the next number. That alone hashes numbers with a
/// pattern badly with one seed in fifty; a multiplication by a constant mends it, whose upper half, the better one, becomes the lower
/// half of the hash. ahash does the first step too, and then twice as much, in a state that is too large for registers.
///
/// ```
/// use millstream_engine::job::KeyHashing;
///
/// let (one, other) = (KeyHashing::with_seed(1), KeyHashing::with_seed(2));
/// assert_eq!(one.hash_one("key"), KeyHashing::with_seed(1).hash_one("key"));
/// assert_ne!(one.hash_one("key"), other.hash_one("key"));
/// ```
#[derive(Clone, Debug)]
pub struct KeyHashing {
    seeds: [u64; 2],
    ahash: RandomState,
}

impl KeyHashing {
    /// Hashes as no other process does.
    pub fn random() -> Self {
        KeyHashing::from(RandomState::new())
    }

    /// Hashes as everyone with the same seed does.
    pub fn with_seed(seed: u64) -> Self {
        KeyHashing::from(RandomState::with_seed(seed as usize))
    }

    /// The hash of `key`.
    #[inline(always)]
    #[expect(clippy::manual_hash_one, reason = "the provided one may not be inlined")]
    pub fn hash_one<K: Hash>(&self, key: K) -> u64 {
        let mut hasher = self.build_hasher();
        key.hash(&mut hasher);
        hasher.finish()
    }
}

impl From<RandomState> for KeyHashing {
    fn from(ahash: RandomState) -> Self {
        KeyHashing { seeds: [ahash.hash_one(0u8), ahash.hash_one(1u8)], ahash }
    }
}

impl BuildHasher for KeyHashing {
    type Hasher = KeyHasher;

    #[inline(always)]
    fn build_hasher(&self) -> KeyHasher {
        KeyHasher { seeds: self.seeds, folded: 0, ahash: self.ahash.build_hasher(), is_mixed: false }
    }
}

/// What [`KeyHashing`] hashes a key with.
#[derive(Clone, Debug)]
pub struct KeyHasher {
    seeds: [u64; 2],
    /// The hash of the texts that were written last, one behind the other; 0 when there were none.
    folded: u64,
    /// Has all that was written before them.
    ahash: AHasher,
    /// Whether there was anything before them.
    is_mixed: bool,
}

impl KeyHasher {
    /// Has ahash take what was written, and what is written next.
    #[inline(always)]
    fn mixed(&mut self) -> &mut AHasher {
        self.is_mixed = true;
        if self.folded != 0 {
            self.ahash.write_u64(mem::take(&mut self.folded));
        }
        &mut self.ahash
    }
}

/// The golden ratio in 64 bits, odd: its multiples are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Lays the halves of the product of the halves over each other, so that all bits of `number` bear on all bits of the result.
#[inline(always)]
fn fold(number: u128, seeds: [u64; 2]) -> u64 {
    let (low, high) = (number as u64 ^ seeds[0], (number >> 64) as u64 ^ seeds[1]);
    let product = u128::from(low) * u128::from(high);
    product as u64 ^ (product >> 64) as u64
}

/// Folds bytes, sixteen at a time. The last sixteen may begin in the block before them.
///
/// It is not inlined, and takes no hasher: one whose address is nowhere known is kept in registers.
#[inline(never)]
fn fold_bytes(seeds: [u64; 2], bytes: &[u8]) -> u64 {
    let Some(last) = bytes.last_chunk() else { return fold(of_few(bytes), seeds) };
    let (blocks, _) = bytes[..bytes.len() - 1].as_chunks();
    let blocks = blocks.iter().chain([last]);
    blocks.fold(0, |folded, block| fold(u128::from_le_bytes(*block) ^ u128::from(folded), seeds))
}

/// Fewer than sixteen bytes as a number, another one for each content of a length: their first and their last eight or four bytes.
fn of_few(bytes: &[u8]) -> u128 {
    if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u64::from_le_bytes(*first)) | u128::from(u64::from_le_bytes(*last)) << 64
    } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
        u128::from(u32::from_le_bytes(*first)) | u128::from(u32::from_le_bytes(*last)) << 64
    } else {
        bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
    }
}

impl Hasher for KeyHasher {
    #[inline(always)]
    fn write_u128(&mut self, number: u128) {
        self.folded = fold(number ^ u128::from(self.folded), self.seeds);
    }

    #[inline(always)]
    fn write(&mut self, bytes: &[u8]) {
        let folded = fold_bytes(self.seeds, bytes);
        self.write_u128(u128::from(folded) | (bytes.len() as u128) << 64);
    }

    #[inline(always)]
    fn write_u8(&mut self, number: u8) {
        self.mixed().write_u8(number);
    }

    #[inline(always)]
    fn write_u16(&mut self, number: u16) {
        self.mixed().write_u16(number);
    }

    #[inline(always)]
    fn write_u32(&mut self, number: u32) {
        self.mixed().write_u32(number);
    }

    #[inline(always)]
    fn write_u64(&mut self, number: u64) {
        self.mixed().write_u64(number);
    }

    #[inline(always)]
    fn write_usize(&mut self, number: usize) {
        match self.folded {
            0 => self.mixed().write_usize(number),
            _ => self.write_u128(number as u128), // the length of a long text, behind its bytes
        }
    }

    #[inline(always)]
    fn finish(&self) -> u64 {
        if self.is_mixed {
            self.clone().mixed().finish()
        } else {
            self.folded.wrapping_mul(SPREAD).rotate_left(32)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Text;

    /// Words of all kinds that texts are: numbers, letters, one letter often, the same beginning, the same end, zero bytes; short and long.
    fn families() -> Vec<Vec<Text>> {
        let letters =
            |n: u32| -> String { (0..4).map(|i| char::from(b'a' + (n >> (4 * i) & 15) as u8)).collect() };
        let family = |word: &dyn Fn(u32) -> String| (0..1 << 13).map(|n| Text::from(word(n))).collect();
        vec![
            family(&|n| n.to_string()),
            family(&letters),
            family(&|n| format!("10.0.{}.{}", n >> 8, n & 255)),
            family(&|n| format!("{:015}", n)),
            family(&|n| format!("{:\u{0}<8}{n}", letters(n))),
            family(&|n| format!("{:x<15}", letters(n))),
            family(&|n| format!("u{n}-eu-west")),
            family(&|n| format!("/images/{n}/thumbnail.png")),
            family(&|n| format!("{n:032}")),
            family(&|n| "x".repeat(16 + n as usize)),
        ]
    }

    /// How far the numbers of hits of `places` are from those of random places: 1 is right.
    fn spread(hits: &[u32], texts: usize) -> f64 {
        let expected = texts as f64 / hits.len() as f64;
        let squares: f64 = hits.iter().map(|n| (f64::from(*n) - expected).powi(2)).sum();
        squares / expected / (hits.len() - 1) as f64
    }

    #[test]
    fn the_bits_that_tables_and_partitions_use_are_spread_evenly() {
        let families = families();
        for seed in 0..10 {
            let hashing = KeyHashing::with_seed(seed);
            for texts in &families {
                let hashes: Vec<u64> = texts.iter().map(|text| hashing.hash_one(text)).collect();
                for (from, bits) in [(0, 8), (0, 12), (10, 10), (20, 12), (54, 10)] {
                    let mut hits = vec![0; 1 << bits];
                    for hash in &hashes {
                        hits[(hash >> from) as usize & ((1 << bits) - 1)] += 1;
                    }
                    let spread = spread(&hits, texts.len());
                    assert!(spread < 1.5, "{spread} at bit {from} of {:?} with seed {seed}", texts[99]);
                }
            }
        }
    }

    #[test]
    fn strings_are_told_apart_at_every_place_and_length() {
        let hashing = KeyHashing::with_seed(4);
        let strings: std::collections::HashSet<String> = (0..50)
            .flat_map(|len| {
                (0..=len).map(move |at| (0..len).map(|i| if i == at { 'b' } else { 'a' }).collect())
            })
            .chain((0..50).map(|len| "\0".repeat(len)))
            .collect();
        let hashes: std::collections::HashSet<u64> = strings.iter().map(|s| hashing.hash_one(s)).collect();
        assert_eq!(hashes.len(), strings.len());
    }

    #[test]
    fn no_two_texts_have_the_same_hash() {
        let hashing = KeyHashing::with_seed(3);
        let texts: std::collections::HashSet<Text> = families().into_iter().flatten().collect();
        let hashes: std::collections::HashSet<u64> =
            texts.iter().map(|text| hashing.hash_one(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    #[test]
    fn each_bit_of_a_number_bears_on_all_bits_of_its_hash() {
        let mut changes = [[0u32; 64]; 128];
        for seed in 0..400 {
            let hashing = KeyHashing::with_seed(seed);
            let number = u128::from(hashing.hash_one("low")) << 64 | u128::from(hashing.hash_one("high"));
            for (bit, changes) in changes.iter_mut().enumerate() {
                let change = hashing.hash_one(number) ^ hashing.hash_one(number ^ 1 << bit);
                changes.iter_mut().enumerate().for_each(|(i, n)| *n += (change >> i & 1) as u32);
            }
        }
        // Of 400 throws of a coin, one in 10^15 has fewer than 120 or more than 280 heads.
        assert!(changes.as_flattened().iter().all(|n| (120..=280).contains(n)));
    }

    #[test]
    fn texts_that_collide_with_one_seed_do_not_with_another() {
        let (one, other) = (KeyHashing::with_seed(1), KeyHashing::with_seed(2));
        let same_slot = |text: &Text| one.hash_one(text) & 0x3ff == 0;
        let texts: Vec<Text> = families().into_iter().flatten().filter(same_slot).collect();
        let mut slots: Vec<u64> = texts.iter().map(|text| other.hash_one(text) & 0x3ff).collect();
        slots.sort_unstable();
        slots.dedup();
        assert!(texts.len() > 15 && slots.len() * 10 > texts.len() * 9, "{} of {}", slots.len(), texts.len());
    }

    #[test]
    fn all_that_is_written_counts_and_its_order() {
        let hashing = KeyHashing::with_seed(5);
        let (a, b, long) = (Text::from("a"), Text::from("b"), Text::from("longer than fifteen bytes"));
        let hashes = [
            hashing.hash_one((&a, &b)),
            hashing.hash_one((&b, &a)),
            hashing.hash_one(&a),
            hashing.hash_one((&a, 1u8)),
            hashing.hash_one((1u8, &a)),
            hashing.hash_one((&a, 1u8, &b)),
            hashing.hash_one((&b, 1u8, &a)),
            hashing.hash_one((&a, &long)),
            hashing.hash_one((&long, &a)),
            hashing.hash_one(&long),
            hashing.hash_one("a"),
            hashing.hash_one(()),
        ];
        for (i, one) in hashes.iter().enumerate() {
            assert!(hashes[..i].iter().all(|other| one != other), "{i}");
        }
    }

    #[test]
    fn numbers_are_hashed_by_ahash() {
        let (hashing, ahash) = (KeyHashing::with_seed(9), RandomState::with_seed(9));
        assert_eq!(hashing.hash_one(7u64), ahash.hash_one(7u64));
        assert_eq!(hashing.hash_one((1u8, 2u16, 3u32, 4usize)), ahash.hash_one((1u8, 2u16, 3u32, 4usize)));
    }
}
