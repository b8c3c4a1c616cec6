use serde::{Deserialize, Serialize};

use super::Aggregate;
use crate::Number;

/// Count, mean and variance of numbers: [`Moments`].
///
/// The values are taken in one by one after Welford (Note on a method for calculating corrected sums of squares and products,
/// Technometrics 4, 1962) and merged after Chan, Golub and LeVeque (Updating formulae and a pairwise algorithm for computing
/// sample variances, 1979). Unlike the difference of two sums of squares this stays right when the values are close together and
/// far from 0. The relative error of the variance
/// of n values is at the very worst about n · κ · 2⁻⁵³ with κ = √(1 + mean² / variance), where that difference has κ².
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Variance};
///
/// let mut acc = Aggregate::<i32>::zero(&Variance);
/// [2, 4, 4, 4, 5, 5, 7, 9].into_iter().for_each(|value| Variance.add(&mut acc, value));
/// let moments = Aggregate::<i32>::finish(&Variance, &acc);
/// assert_eq!((moments.count(), moments.mean()), (8, Some(5.0)));
/// assert_eq!(moments.population_variance(), Some(4.0));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Variance;

/// Count, mean and variance of some numbers; the result of [`Variance`], and its accumulator.
///
/// NaNs are left out and counted. Infinities are values: with one of them the mean is that infinity, with both it is NaN, and a
/// variance is NaN. The variance of finite values further than about 10¹⁵⁴ apart is infinite.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Moments {
    finite: u64,
    plus_infinities: u64,
    minus_infinities: u64,
    nans: u64,
    mean: f64,
    /// The sum of the squares of the distances from the mean.
    squares: f64,
}

impl Moments {
    /// How many values there are, without the NaNs.
    pub fn count(&self) -> u64 {
        self.finite.saturating_add(self.plus_infinities).saturating_add(self.minus_infinities)
    }

    /// How many NaNs were left out.
    pub fn nans(&self) -> u64 {
        self.nans
    }

    /// The arithmetic mean; `None` of no values.
    pub fn mean(&self) -> Option<f64> {
        let mean = match (self.plus_infinities, self.minus_infinities) {
            (0, 0) => self.mean,
            (_, 0) => f64::INFINITY,
            (0, _) => f64::NEG_INFINITY,
            (_, _) => f64::NAN,
        };
        (self.count() > 0).then_some(mean)
    }

    /// The mean square of the distances from the mean, the variance if these are all values there are; `None` of no values.
    pub fn population_variance(&self) -> Option<f64> {
        self.variance(0)
    }

    /// The unbiased estimate (divided by n − 1) if these values are a sample of many more; `None` of less than two.
    pub fn sample_variance(&self) -> Option<f64> {
        self.variance(1)
    }

    /// With `count - less` as the divisor.
    fn variance(&self, less: u64) -> Option<f64> {
        let is_finite = self.finite == self.count();
        let squares = if is_finite { self.squares } else { f64::NAN };
        (self.count() > less).then(|| squares / (self.count() - less) as f64)
    }

    /// Welford's step.
    #[inline]
    fn add_finite(&mut self, value: f64) {
        self.finite = self.finite.saturating_add(1);
        let count = self.finite as f64;
        let distance = value - self.mean;
        if distance.is_finite() {
            self.mean += distance / count;
        } else {
            self.mean += value / count - self.mean / count;
        }
        self.squares += distance * (value - self.mean);
    }

    /// The step of Chan, Golub and LeVeque; neither side is empty.
    fn merge_finite(&mut self, other: &Moments) {
        let (left, right) = (self.finite as f64, other.finite as f64);
        let count = left + right;
        let distance = other.mean - self.mean;
        if distance.is_finite() {
            self.mean += distance * (right / count);
        } else {
            self.mean = self.mean * (left / count) + other.mean * (right / count);
        }
        self.squares += other.squares + distance * distance * (left * (right / count));
        self.finite = self.finite.saturating_add(other.finite);
    }
}

impl<V: Number> Aggregate<V> for Variance {
    type Acc = Moments;
    type Out = Moments;

    fn zero(&self) -> Moments {
        Moments::default()
    }

    #[inline]
    fn add(&self, acc: &mut Moments, value: V) {
        match value.as_f64() {
            value if value.is_finite() => acc.add_finite(value),
            f64::INFINITY => acc.plus_infinities = acc.plus_infinities.saturating_add(1),
            f64::NEG_INFINITY => acc.minus_infinities = acc.minus_infinities.saturating_add(1),
            _ => acc.nans = acc.nans.saturating_add(1),
        }
    }

    fn merge(&self, acc: &mut Moments, other: &Moments) {
        if acc.finite == 0 {
            (acc.finite, acc.mean, acc.squares) = (other.finite, other.mean, other.squares);
        } else if other.finite > 0 {
            acc.merge_finite(other);
        }
        acc.plus_infinities = acc.plus_infinities.saturating_add(other.plus_infinities);
        acc.minus_infinities = acc.minus_infinities.saturating_add(other.minus_infinities);
        acc.nans = acc.nans.saturating_add(other.nans);
    }

    fn finish(&self, acc: &Moments) -> Moments {
        *acc
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_groupings, check_roundtrip_and_zero, result, split, values};
    use super::{Moments, Variance};

    #[test]
    fn of_none_and_one() {
        let none = result(&Variance, Vec::<f64>::new());
        assert_eq!((none.mean(), none.population_variance(), none.sample_variance()), (None, None, None));
        let one = result(&Variance, [3.0]);
        assert_eq!(
            (one.mean(), one.population_variance(), one.sample_variance()),
            (Some(3.0), Some(0.0), None)
        );
        assert_eq!(result(&Variance, [1, 3]).sample_variance(), Some(2.0));
    }

    #[test]
    fn what_is_not_finite_is_seen() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let nans = result(&Variance, [nan, 1.0, nan, 3.0]);
        assert_eq!((nans.count(), nans.nans(), nans.population_variance()), (2, 2, Some(1.0)));
        let infinite = result(&Variance, [1.0, inf, 2.0]);
        assert_eq!((infinite.count(), infinite.mean()), (3, Some(inf)));
        assert!(infinite.sample_variance().unwrap().is_nan());
        assert!(result(&Variance, [inf, -inf]).mean().unwrap().is_nan());
    }

    #[test]
    fn extremes_leave_the_mean_right_and_the_variance_infinite() {
        let (max, min) = (f64::MAX, f64::MIN);
        let split: Vec<_> = [min, max, max, min].into_iter().enumerate().collect();
        let is_right = |got: &Moments| {
            got.mean().unwrap().abs() <= f64::EPSILON * max
                && got.population_variance() == Some(f64::INFINITY)
        };
        assert!(is_right(&result(&Variance, values(&split))));
        check_groupings(&Variance, &split, |_, got| is_right(got));
    }

    /// Mean and mean square distance in two passes over integers, which is exact.
    fn reference(values: &[i64]) -> (f64, f64) {
        let n = values.len() as i128;
        let sum: i128 = values.iter().map(|&value| i128::from(value)).sum();
        let squares: i128 = values.iter().map(|&value| (n * i128::from(value) - sum).pow(2)).sum();
        (sum as f64 / n as f64, squares as f64 / (n * n * n) as f64)
    }

    proptest! {
        /// Far from 0 and close together: the textbook's difference of sums has no digit right here.
        #[test]
        fn is_that_of_two_passes(split in split(-100i64..100, 1..100), offset in -(1i64 << 40)..1 << 40) {
            let split: Vec<_> = split.into_iter().map(|(part, n)| (part, n + offset)).collect();
            let (mean, variance) = reference(&values(&split));
            let is_near = |got: &Moments| {
                (got.mean().unwrap() - mean).abs() <= 1e-13 * mean.abs() + 1e-12
                    && (got.population_variance().unwrap() - variance).abs() <= 1e-5 * variance + 1e-6
                    && got.count() == split.len() as u64
            };
            prop_assert!(is_near(&result(&Variance, values(&split))));
            check_groupings(&Variance, &split, |_, got| is_near(got));
            check_roundtrip_and_zero(&Variance, &split);
        }
    }
}
