//! What a power cut may leave: which of the unsynced operations reached the disk, and how much of each.

/// Bytes that a disk writes whole or not at all.
pub(super) const SECTOR: u64 = 512;

/// Which of the unsynced operations of a [`SimFs`](super::SimFs) a power cut leaves. Each choice is one that a disk and a
/// journalling file system may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerCut {
    /// None of them: only what was synced is there.
    Lost,
    /// All of them, as if the process had been killed and not the machine.
    Kept,
    /// The first so many, in the order in which they were made.
    Prefix(usize),
    /// All, but of the last write only its first so many sectors of 512 bytes; what the file would have grown by is there as zeros, or
    /// missing.
    Torn {
        /// Sectors of the last write that reached the disk.
        sectors: usize,
        /// Whether the file has its new length, filled with zeros.
        zero_filled: bool,
    },
    /// Each by the throw of a die with this seed: there, missing, torn, or there as a hole of zeros.
    Random(u64),
}

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Kept,
    Lost,
    Torn { sectors: u64, zero_filled: bool },
}

impl PowerCut {
    /// The fates of `sizes.len()` operations, of which those with a size are writes of that many bytes.
    pub(super) fn fates(self, sizes: &[Option<u64>]) -> Vec<Fate> {
        let fate = |kept| if kept { Fate::Kept } else { Fate::Lost };
        match self {
            PowerCut::Lost => vec![Fate::Lost; sizes.len()],
            PowerCut::Kept => vec![Fate::Kept; sizes.len()],
            PowerCut::Prefix(n) => (0..sizes.len()).map(|i| fate(i < n)).collect(),
            PowerCut::Torn { sectors, zero_filled } => {
                let last = sizes.iter().rposition(Option::is_some);
                let torn = Fate::Torn { sectors: sectors as u64, zero_filled };
                (0..sizes.len()).map(|i| if Some(i) == last { torn } else { Fate::Kept }).collect()
            }
            PowerCut::Random(seed) => {
                let mut die = Die(seed);
                sizes.iter().map(|size| die.fate(*size)).collect()
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014): every seed is as good as another.
struct Die(u64);

impl Die {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ (x >> 31)
    }

    fn fate(&mut self, size: Option<u64>) -> Fate {
        match (self.next() % 8, size) {
            (0..=2, _) => Fate::Kept,
            (3..=4, _) | (_, None) => Fate::Lost,
            (_, Some(size)) => {
                let sectors = self.next() % (size.div_ceil(SECTOR) + 1);
                Fate::Torn { sectors, zero_filled: self.next().is_multiple_of(2) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_fates_and_seeds_differ() {
        let sizes = vec![Some(5000), None, Some(10), None, Some(1)];
        assert_eq!(PowerCut::Random(7).fates(&sizes), PowerCut::Random(7).fates(&sizes));
        let different: std::collections::HashSet<_> =
            (0..100).map(|seed| format!("{:?}", PowerCut::Random(seed).fates(&sizes))).collect();
        assert!(different.len() > 50, "{}", different.len());
    }

    #[test]
    fn only_writes_are_torn_and_only_the_last_one_by_choice() {
        let sizes = [Some(5000), Some(600), None];
        let torn = Fate::Torn { sectors: 1, zero_filled: true };
        let fates = PowerCut::Torn { sectors: 1, zero_filled: true }.fates(&sizes);
        assert_eq!(fates, [Fate::Kept, torn, Fate::Kept]);
        for seed in 0..100 {
            assert!(!matches!(PowerCut::Random(seed).fates(&sizes)[2], Fate::Torn { .. }));
        }
    }
}
