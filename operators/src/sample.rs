use millstream_engine::job::Task;
use millstream_engine::rdd::{Flow, Rdd};

/// About a fraction of the records, chosen at random: [`sample`](crate::RddOps::sample).
///
/// The choice depends on the seed, the partition and the place of a record in it alone, so a partition that is computed again
/// gives the same records again.
#[derive(Clone)]
pub struct Sample<R> {
    parent: R,
    fraction: f64,
    seed: u64,
}

impl<R> Sample<R> {
    pub(crate) fn new(parent: R, fraction: f64, seed: u64) -> Self {
        Sample { parent, fraction, seed }
    }
}

impl<R: Rdd> Rdd for Sample<R> {
    type Item = R::Item;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        let mut dice = SplitMix::new(self.seed, partition as u64);
        self.parent.compute(partition, task, |item| {
            if dice.next_unit() < self.fraction { sink(item) } else { Flow::Continue(()) }
        })
    }
}

/// The generator SplitMix64: one multiplication chain per number, any seed is a good one.
struct SplitMix(u64);

impl SplitMix {
    /// Sequences of different streams of one seed have nothing to do with each other.
    fn new(seed: u64, stream: u64) -> Self {
        SplitMix(mix(seed, stream))
    }

    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(GOLDEN);
        finish(self.0)
    }

    /// Evenly from 0 up to, but not including, 1.
    fn next_unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// A seed for part `part` of what `seed` stands for.
pub(crate) fn mix(seed: u64, part: u64) -> u64 {
    finish(finish(seed.wrapping_add(GOLDEN)) ^ part.wrapping_mul(GOLDEN))
}

fn finish(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::rdd;
    use crate::{Actions, RddOps};

    #[test]
    fn the_generator_is_splitmix64() {
        let mut dice = SplitMix(1_234_567);
        assert_eq!(dice.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(dice.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn about_a_fraction_and_the_same_one_again() {
        let numbers = rdd(0..100_000, 4);
        let tenth = numbers.clone().sample(0.1, 7);
        let count = tenth.count().unwrap();
        assert!((9_500..10_500).contains(&count), "{count}");
        assert_eq!(tenth.collect().unwrap(), numbers.clone().sample(0.1, 7).collect().unwrap());
        assert_ne!(tenth.collect().unwrap(), numbers.clone().sample(0.1, 8).collect().unwrap());
        assert_eq!(numbers.clone().sample(0.0, 1).count().unwrap(), 0);
        assert_eq!(numbers.sample(1.0, 1).count().unwrap(), 100_000);
    }

    #[test]
    fn partitions_are_sampled_independently() {
        let twice = rdd((0..2_000).map(|i| i % 1_000), 2).sample(0.5, 3).glom().collect().unwrap();
        assert_ne!(twice[0], twice[1]);
    }
}
