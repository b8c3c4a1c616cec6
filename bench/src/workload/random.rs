//! Random numbers that are the same everywhere.

/// SplitMix64: small, fast, and good enough to make text with.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers that follow from `seed`.
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(n)) >> 64) as u64
    }

    /// A number from 0 (included) to 1 (excluded).
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Ranks whose frequencies follow Zipf's law with exponent 1: rank `r` comes `1 / r` times as often as the first.
///
/// Rejection-inversion (Hörmann and Derflinger 1996), which needs no table, so that ten million ranks cost no more than ten.
#[derive(Clone, Copy, Debug)]
pub struct Zipf {
    ranks: f64,
    low: f64,
    high: f64,
}

impl Zipf {
    /// Ranks below `ranks`, which is not 0.
    pub fn new(ranks: usize) -> Self {
        let ranks = ranks as f64;
        Zipf { ranks, low: 1.5_f64.ln() - 1.0, high: (ranks + 0.5).ln() }
    }

    /// A rank, counted from 0.
    pub fn rank(&self, random: &mut Random) -> usize {
        loop {
            let u = self.high + random.unit() * (self.low - self.high);
            let x = u.exp();
            let k = (x + 0.5).floor().clamp(1.0, self.ranks);
            if u >= (k + 0.5).ln() - 1.0 / k {
                return k as usize - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_as_frequent_as_zipf_says() {
        let (zipf, mut random) = (Zipf::new(1_000), Random::new(1));
        let mut counts = [0u32; 1_000];
        for _ in 0..400_000 {
            counts[zipf.rank(&mut random)] += 1;
        }
        let harmonic: f64 = (1..=1_000).map(|r| 1.0 / f64::from(r)).sum();
        for rank in [1u32, 2, 3, 10, 50] {
            let expected = 400_000.0 / harmonic / f64::from(rank);
            let seen = f64::from(counts[rank as usize - 1]);
            assert!((seen / expected - 1.0).abs() < 0.1, "rank {rank}: {seen} instead of {expected}");
        }
    }

    #[test]
    fn one_rank_and_many_ranks_are_fine() {
        let mut random = Random::new(2);
        assert!((0..100).all(|_| Zipf::new(1).rank(&mut random) == 0));
        assert!((0..1_000).all(|_| Zipf::new(10_000_000).rank(&mut random) < 10_000_000));
    }
}
