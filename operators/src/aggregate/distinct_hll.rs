use millstream_engine::{Error, Result};
use serde::Serialize;

use super::Aggregate;
use super::hll::{Hll, PRECISIONS};
use super::stable_hash::stable_hash;

/// About how many different values there are, in bounded memory: [`Hll`].
///
/// With precision p the standard error is 1.04 / √2ᵖ of the answer: two thirds of the answers are nearer, 95 % within twice
/// that.
///
/// | p | standard error | bytes per key, at most | exact up to |
/// |---|----------------|------------------------|-------------|
/// | 10 | 3.3 % | 1 KiB | 128 |
/// | 12 | 1.6 % | 4 KiB | 512 |
/// | 14 (the default) | 0.81 % | 16 KiB | 2048 |
/// | 16 | 0.41 % | 64 KiB | 8192 |
///
/// Up to 2ᵖ / 8 different values a sketch is a list of 8 bytes for each, so a million keys with a few values each cost a few
/// tens of bytes each, and the answer is exact (but for two values of one 64-bit hash, one in 10¹³ for the default).
///
/// Values are told apart by their encoding: equal values must be serialized alike. A float needs no wrapper; −0 and +0 differ, as
/// do NaNs of different bits.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, DistinctHll};
///
/// let users = DistinctHll::new(14)?;
/// let mut acc = Aggregate::<u64>::zero(&users);
/// (0..100_000u64).for_each(|i| users.add(&mut acc, i % 50_000));
/// let about = Aggregate::<u64>::finish(&users, &acc);
/// assert!((49_000..51_000).contains(&about));
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct DistinctHll {
    precision: u8,
}

impl DistinctHll {
    /// With 2^`precision` registers. An accumulator from disk of another precision is still good; the coarser one wins.
    ///
    /// # Errors
    /// [`Error::Definition`] when `precision` is not from 4 to 18.
    pub fn new(precision: u8) -> Result<Self> {
        if PRECISIONS.contains(&precision) {
            Ok(DistinctHll { precision })
        } else {
            Err(Error::Definition(format!(
                "a HyperLogLog sketch of precision {precision} cannot be made: give one from 4 to 18, such as 14"
            )))
        }
    }
}

impl Default for DistinctHll {
    /// Precision 14: a standard error of 0.81 %.
    fn default() -> Self {
        DistinctHll { precision: 14 }
    }
}

impl<V: Serialize> Aggregate<V> for DistinctHll {
    type Acc = Hll;
    type Out = u64;

    fn zero(&self) -> Hll {
        Hll::new()
    }

    #[inline]
    fn add(&self, acc: &mut Hll, value: V) {
        acc.add(stable_hash(&value), self.precision);
    }

    fn merge(&self, acc: &mut Hll, other: &Hll) {
        acc.merge(other, self.precision);
    }

    fn finish(&self, acc: &Hll) -> u64 {
        acc.estimate()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::Aggregate;
    use super::super::testing::{check_exact, collect, encoded, groupings, result, split, values};
    use super::DistinctHll;

    #[test]
    fn a_precision_out_of_range_is_an_error() {
        for (precision, is_good) in [(0, false), (3, false), (4, true), (18, true), (19, false), (255, false)]
        {
            assert_eq!(DistinctHll::new(precision).is_ok(), is_good);
        }
    }

    #[test]
    fn is_within_three_standard_errors_and_stays_small() {
        let hll = DistinctHll::default();
        let mut acc = Aggregate::<u64>::zero(&hll);
        let mut n = 0u64;
        for exponent in 1..=6 {
            (n..10u64.pow(exponent)).for_each(|i| hll.add(&mut acc, i));
            n = 10u64.pow(exponent);
            let about = Aggregate::<u64>::finish(&hll, &acc);
            let error = (about as f64 / n as f64 - 1.0).abs();
            assert!(error < 3.0 * 1.04 / 128.0, "{n} values: {about}");
            assert!(n > 2048 || about == n, "a short list is exact");
        }
        assert!(encoded(&acc).len() <= (1 << 14) + 8);
    }

    #[test]
    fn few_values_are_cheap() {
        assert_eq!(encoded(&collect(&DistinctHll::default(), Vec::<u8>::new())).len(), 2);
        assert!(encoded(&collect(&DistinctHll::default(), 0..3u8)).len() <= 32);
    }

    proptest! {
        #[test]
        fn grouping_never_matters(split in split(0u16..500, 0..200), precision in 4u8..=10) {
            let hll = DistinctHll::new(precision).unwrap();
            check_exact(&hll, &split);
            let bytes = encoded(&collect(&hll, values(&split)));
            for acc in groupings(&hll, &split) {
                prop_assert_eq!(encoded(&acc), bytes.clone());
            }
        }

        #[test]
        fn is_exact_for_few(split in split("[abc]{0,2}", 0..60)) {
            let reference: BTreeSet<_> = values(&split).into_iter().collect();
            prop_assert_eq!(result(&DistinctHll::default(), values(&split)), reference.len() as u64);
        }
    }
}
