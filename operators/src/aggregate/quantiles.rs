use millstream_engine::{Error, Result};

use super::dd_sketch::Mapping;
use super::{Aggregate, DdSketch};
use crate::Number;

/// The values that given fractions of the numbers lie below, such as the median (0.5) and the 99th percentile (0.99), within a
/// relative accuracy: [`DdSketch`].
///
/// For the quantile q of n numbers, let x be the number of rank ⌊q · (n − 1)⌋, counted from 0 in ascending order. The result is
/// within `accuracy` · |x| of x (and rounding). This holds for the numbers of each sign whose magnitude is within a factor of
/// 10¹² of the largest; smaller ones may be taken for larger ones, up to that limit.
///
/// A key takes 80 bytes and 16 per bucket in use: few numbers, few buckets; at most 28 / (2 · `accuracy`) per sign, 1400 at 1 %.
///
/// NaNs are left out. Infinities have their ranks, and come out as themselves. What is nearer to 0 than 2.2 · 10⁻³⁰⁸ is 0.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Quantiles};
///
/// let latencies = Quantiles::new(0.01, [0.5, 0.99])?;
/// let mut acc = Aggregate::<u32>::zero(&latencies);
/// (0..=1000u32).for_each(|millis| latencies.add(&mut acc, millis));
/// let found = Aggregate::<u32>::finish(&latencies, &acc).unwrap();
/// assert!((found[0] - 500.0).abs() <= 5.0 && (found[1] - 990.0).abs() <= 9.9);
/// # Ok::<(), millstream_engine::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Quantiles {
    mapping: Mapping,
    quantiles: Vec<f64>,
}

/// The finest accuracy that the logarithm of floats allows with room to spare, and the coarsest that says anything.
const ACCURACIES: std::ops::RangeInclusive<f64> = 1e-4..=0.5;

impl Quantiles {
    /// `accuracy` is relative: 0.01 is 1 %. Each of `quantiles` is from 0, the least number, to 1, the greatest.
    ///
    /// An accumulator from disk of another accuracy is still good; the errors of both add up.
    ///
    /// # Errors
    /// [`Error::Definition`] when `accuracy` is not from 0.0001 to 0.5, or one of `quantiles` is not from 0 to 1.
    pub fn new(accuracy: f64, quantiles: impl Into<Vec<f64>>) -> Result<Self> {
        let quantiles = quantiles.into();
        if !ACCURACIES.contains(&accuracy) {
            return Err(Error::Definition(format!(
                "quantiles of a relative accuracy of {accuracy} cannot be found: give one from 0.0001 to 0.5, such as 0.01"
            )));
        }
        match quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
            None => Ok(Quantiles { mapping: Mapping::new(accuracy), quantiles }),
            Some(wrong) => Err(Error::Definition(format!(
                "there is no quantile {wrong}: give one from 0 to 1, such as 0.5 for the median"
            ))),
        }
    }
}

impl<V: Number> Aggregate<V> for Quantiles {
    type Acc = DdSketch;
    /// One value for each quantile asked for, in that order; `None` of no values.
    type Out = Option<Vec<f64>>;

    fn zero(&self) -> DdSketch {
        DdSketch::new(&self.mapping)
    }

    #[inline]
    fn add(&self, acc: &mut DdSketch, value: V) {
        acc.add(value.as_f64(), &self.mapping);
    }

    fn merge(&self, acc: &mut DdSketch, other: &DdSketch) {
        acc.merge(other, &self.mapping);
    }

    fn finish(&self, acc: &DdSketch) -> Option<Vec<f64>> {
        acc.quantiles(&self.quantiles)
    }
}

#[cfg(test)]
mod tests {
    use postcard::from_bytes;
    use proptest::prelude::*;

    use super::super::testing::{check_exact, collect, encoded, groupings, merged, result, split, values};
    use super::super::{Aggregate, DdSketch};
    use super::Quantiles;

    const ASKED: [f64; 6] = [0.0, 0.1, 0.5, 0.9, 0.99, 1.0];

    /// The values of the same ranks in a sorted list.
    fn reference(mut values: Vec<f64>) -> Vec<f64> {
        values.retain(|value| !value.is_nan());
        values.sort_by(f64::total_cmp);
        ASKED.iter().map(|q| values[(q * (values.len() - 1) as f64) as usize]).collect()
    }

    fn is_within(accuracy: f64, exact: &[f64], found: &[f64]) -> bool {
        let is_near = |(exact, found): (&f64, &f64)| {
            exact == found
                || (exact - found).abs() <= accuracy * (1.0 + 1e-9) * exact.abs() + f64::MIN_POSITIVE
        };
        exact.len() == found.len() && exact.iter().zip(found).all(is_near)
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        for accuracy in [0.0, -0.01, 0.00009, 0.51, f64::NAN, f64::INFINITY] {
            Quantiles::new(accuracy, [0.5]).unwrap_err();
        }
        for quantile in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            Quantiles::new(0.01, [0.5, quantile]).unwrap_err();
        }
        assert_eq!(result(&Quantiles::new(0.01, []).unwrap(), [1]), Some(vec![]));
    }

    #[test]
    fn what_is_not_finite_has_its_place() {
        let quantiles = Quantiles::new(0.01, [0.0, 0.5, 1.0]).unwrap();
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(result(&quantiles, [nan]), None);
        assert_eq!(result(&quantiles, Vec::<f64>::new()), None);
        assert_eq!(result(&quantiles, [inf, nan, 0.0, -inf]), Some(vec![-inf, 0.0, inf]));
        assert_eq!(result(&quantiles, [f64::MIN_POSITIVE / 2.0]), Some(vec![0.0; 3]));
    }

    #[test]
    fn the_ends_of_the_range_of_floats() {
        for accuracy in [0.0001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5] {
            let quantiles = Quantiles::new(accuracy, [0.5]).unwrap();
            for value in [f64::MAX, f64::MIN, f64::MIN_POSITIVE, -f64::MIN_POSITIVE, 1.0] {
                let found = result(&quantiles, [value]).unwrap();
                assert!(is_within(accuracy, &[value], &found) && found[0].is_finite(), "{value}: {found:?}");
            }
        }
    }

    /// A million values over 40 powers of ten, so that buckets are joined.
    #[test]
    fn stays_small_and_keeps_the_large_values_apart() {
        for (accuracy, buckets_max) in [(0.05, 280), (0.01, 1_400), (0.001, 14_000)] {
            let quantiles = Quantiles::new(accuracy, [0.8, 0.999, 1.0]).unwrap();
            let value = |i: i32| 10f64.powf(f64::from(i) / 25_000.0 - 20.0);
            let acc = collect(&quantiles, (0..=1_000_000).map(value));
            assert!(encoded(&acc).len() < buckets_max * 7 + 40, "{}", encoded(&acc).len());
            let exact = [800_000, 999_000, 1_000_000].map(value);
            assert!(is_within(accuracy, &exact, &Aggregate::<f64>::finish(&quantiles, &acc).unwrap()));
        }
    }

    #[test]
    fn few_values_are_cheap() {
        let acc = collect(&Quantiles::new(0.01, ASKED).unwrap(), [1, 2, 3]);
        assert!(encoded(&acc).len() < 30 && size_of::<DdSketch>() <= 80);
    }

    #[test]
    fn joining_does_not_depend_on_the_grouping() {
        let quantiles = Quantiles::new(0.5, ASKED).unwrap();
        let split: Vec<(usize, f64)> = (0..400i32)
            .map(|i| (i as usize * 7 % 4, f64::from(1 - i % 3) * 1.5f64.powi(i * 389 % 400)))
            .collect();
        let all = collect(&quantiles, values(&split));
        for acc in groupings(&quantiles, &split) {
            assert_eq!(acc, all);
        }
    }

    #[test]
    fn a_sketch_of_another_accuracy_is_taken_over() {
        let (coarse, fine) = (Quantiles::new(0.02, ASKED).unwrap(), Quantiles::new(0.01, ASKED).unwrap());
        let (left, right) = (1..500, 300..1000);
        let exact = reference(left.clone().chain(right.clone()).map(f64::from).collect());
        let (old, new) = (collect(&coarse, left), collect(&fine, right));
        for (first, second) in [(&old, &new), (&new, &old)] {
            let found = Aggregate::<i32>::finish(&fine, &merged::<i32, _>(&fine, first, second)).unwrap();
            assert!(is_within(0.0303, &exact, &found), "{found:?} instead of {exact:?}");
        }
        let mut old = old;
        fine.add(&mut old, 1_000);
        assert_eq!(Aggregate::<i32>::finish(&fine, &old).unwrap().len(), ASKED.len());
    }

    proptest! {
        #[test]
        fn is_within_the_accuracy(
            split in split(-1e6f64..1e6, 1..100),
            accuracy in prop::sample::select(vec![0.0001, 0.01, 0.1, 0.5]),
        ) {
            let quantiles = Quantiles::new(accuracy, ASKED).unwrap();
            let found = result(&quantiles, values(&split)).unwrap();
            let exact = reference(values(&split));
            prop_assert!(is_within(accuracy, &exact, &found), "{:?} instead of {:?}", found, exact);
        }

        #[test]
        fn grouping_never_matters(split in split(any::<f64>(), 0..100)) {
            let quantiles = Quantiles::new(0.2, ASKED).unwrap();
            check_exact(&quantiles, &split);
            let all = collect(&quantiles, values(&split));
            for acc in groupings(&quantiles, &split) {
                prop_assert_eq!(&acc, &all);
            }
        }

        /// Whatever a disk gives back, there is an answer or an error, and never a panic.
        #[test]
        fn bytes_of_no_sketch_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..64), value in any::<f64>()) {
            let quantiles = Quantiles::new(0.01, ASKED).unwrap();
            if let Ok(mut acc) = from_bytes::<DdSketch>(&bytes) {
                Aggregate::<f64>::finish(&quantiles, &acc);
                let other = acc.clone();
                quantiles.add(&mut acc, value);
                Aggregate::<f64>::merge(&quantiles, &mut acc, &other);
                Aggregate::<f64>::finish(&quantiles, &acc);
            }
        }
    }
}
