//! Keys of records: how many different ones, and how evenly they come.

use super::random::{Random, Zipf};

/// How often each key comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    /// All keys alike.
    Uniform,
    /// Zipf's law with exponent 1.
    Zipf,
    /// One key in every second row, the others alike.
    Half,
}

impl Spread {
    /// All of them, with their names.
    pub const ALL: [(&'static str, Spread); 3] =
        [("uniform", Spread::Uniform), ("zipf", Spread::Zipf), ("half", Spread::Half)];
}

/// A key per row, and how often each came.
#[derive(Debug)]
pub struct Keys {
    /// The key of each row.
    pub rows: Vec<u64>,
    /// How often the key of each rank came; see [`rank_of`].
    counts: Vec<u32>,
    /// Keys that came at all.
    pub different: usize,
}

impl Keys {
    /// `rows` rows of up to `cardinality` keys.
    pub fn generate(seed: u64, rows: usize, cardinality: usize, spread: Spread) -> Self {
        let (mut random, zipf) = (Random::new(seed), Zipf::new(cardinality));
        let mut counts = vec![0; cardinality];
        let even = |random: &mut Random| random.below(cardinality as u64) as usize;
        let rows = (0..rows).map(|_| {
            let rank = match spread {
                Spread::Zipf => zipf.rank(&mut random),
                Spread::Half if random.below(2) == 0 => 0,
                Spread::Uniform | Spread::Half => even(&mut random),
            };
            counts[rank] += 1;
            key_of(rank)
        });
        let rows = rows.collect();
        let different = counts.iter().filter(|count| **count > 0).count();
        Keys { rows, counts, different }
    }

    /// How often `key` came.
    pub fn count(&self, key: u64) -> u64 {
        self.counts.get(rank_of(key)).copied().unwrap_or(0).into()
    }
}

const SCRAMBLE: u64 = 0x9e37_79b9_7f4a_7c15;

/// The key of a rank: ranks are dense, keys are all over the 64 bits.
pub fn key_of(rank: usize) -> u64 {
    (rank as u64).wrapping_mul(SCRAMBLE)
}

/// The rank of a key.
pub fn rank_of(key: u64) -> usize {
    key.wrapping_mul(inverse(SCRAMBLE)) as usize
}

/// What an odd number is multiplied with to give 1, modulo 2^64 (Newton's method, five correct bits doubled four times).
const fn inverse(odd: u64) -> u64 {
    let mut x = odd.wrapping_mul(3) ^ 2;
    let mut i = 0;
    while i < 4 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        i += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn counts_are_those_of_the_rows() {
        for (name, spread) in Spread::ALL {
            let keys = Keys::generate(9, 20_000, 500, spread);
            let mut counts: HashMap<u64, u64> = HashMap::new();
            for key in &keys.rows {
                *counts.entry(*key).or_default() += 1;
            }
            assert_eq!(counts.len(), keys.different, "{name}");
            assert!(counts.iter().all(|(key, n)| keys.count(*key) == *n), "{name}");
        }
        let half = Keys::generate(9, 20_000, 500, Spread::Half);
        assert!((9_500..10_600).contains(&half.count(key_of(0))));
    }

    #[test]
    fn a_key_knows_its_rank() {
        assert!([0, 1, 17, 9_999_999].iter().all(|rank| rank_of(key_of(*rank)) == *rank));
        assert_eq!(Keys::generate(1, 10, 10, Spread::Uniform).count(12_345), 0);
    }
}
