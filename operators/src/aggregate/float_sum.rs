use serde::{Deserialize, Serialize};

/// A sum of floats that keeps what rounding takes away, the accumulator of [`Sum`](super::Sum) over floats.
///
/// Neumaier's variant of Kahan's summation: a second float collects the rounding errors of the first, so the error of the sum
/// of n values is about one rounding of the result plus n · 2⁻¹⁰⁶ of the sum of the magnitudes. (A. Neumaier,
/// Rundungsfehleranalyse einiger Verfahren zur Summation endlicher Summen, ZAMM 54, 1974.)
///
/// A sum that leaves the range of floats on the way goes on divided by 2⁶⁴. NaNs are left out; infinities are remembered
/// beside the finite sum, so that +∞ and −∞ meet in the result and not in the middle of the arithmetic.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FloatSum {
    high: f64,
    low: f64,
    is_scaled: bool,
    has_plus_infinity: bool,
    has_minus_infinity: bool,
}

/// 2⁻⁶⁴: with it, 2⁶⁴ values of any size have a sum.
const SCALE: f64 = 1.0 / (1u128 << 64) as f64;

impl FloatSum {
    /// Takes one value in; a NaN changes nothing.
    #[inline]
    pub fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.add_finite(if self.is_scaled { value * SCALE } else { value });
        } else {
            self.has_plus_infinity |= value == f64::INFINITY;
            self.has_minus_infinity |= value == f64::NEG_INFINITY;
        }
    }

    /// Takes another sum in.
    pub fn merge(&mut self, other: &FloatSum) {
        if other.is_scaled && !self.is_scaled {
            self.scale();
        }
        for part in [other.high, other.low] {
            // Asked again for the second part: the first may have made this sum a scaled one.
            let factor = if self.is_scaled && !other.is_scaled { SCALE } else { 1.0 };
            self.add_finite(part * factor);
        }
        self.has_plus_infinity |= other.has_plus_infinity;
        self.has_minus_infinity |= other.has_minus_infinity;
    }

    /// The sum: 0 of no values, infinite when it is out of range, NaN when both infinities were among the values.
    pub fn total(&self) -> f64 {
        self.divided_by(1.0)
    }

    /// The sum divided by `count`, in range wherever the quotient is.
    pub(super) fn divided_by(&self, count: f64) -> f64 {
        match (self.has_plus_infinity, self.has_minus_infinity) {
            (true, true) => f64::NAN,
            (true, false) => f64::INFINITY,
            (false, true) => f64::NEG_INFINITY,
            (false, false) => {
                let quotient = (self.high + self.low) / count;
                if self.is_scaled { quotient / SCALE } else { quotient }
            }
        }
    }

    /// `value` is scaled as the sum is.
    #[inline]
    fn add_finite(&mut self, value: f64) {
        let sum = self.high + value;
        if sum.is_infinite() && !self.is_scaled {
            self.scale();
            return self.add_finite(value * SCALE);
        }
        let lost = if self.high.abs() >= value.abs() {
            (self.high - sum) + value
        } else {
            (value - sum) + self.high
        };
        self.high = sum;
        self.low += lost;
    }

    #[cold]
    fn scale(&mut self) {
        self.high *= SCALE;
        self.low *= SCALE;
        self.is_scaled = true;
    }
}

#[cfg(test)]
mod tests {
    use super::FloatSum;

    fn sum(values: &[f64]) -> FloatSum {
        let mut sum = FloatSum::default();
        values.iter().for_each(|&value| sum.add(value));
        sum
    }

    #[test]
    fn keeps_what_rounding_takes_away() {
        assert_eq!(sum(&[1e16, 1.0, 1.0, -1e16]).total(), 2.0);
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]).total(), 2.0);
        assert_eq!(sum(&[0.1; 10]).total(), 1.0);
    }

    #[test]
    fn a_sum_may_leave_the_range_and_come_back() {
        let max = f64::MAX;
        assert_eq!(sum(&[max, max, -max, -max]).total(), 0.0);
        assert_eq!(sum(&[max, max, -max]).total(), max);
        assert_eq!(sum(&[max, max]).total(), f64::INFINITY);
        assert_eq!(sum(&[-max, -max]).total(), f64::NEG_INFINITY);
        assert_eq!(sum(&[max, max]).divided_by(2.0), max);
    }

    #[test]
    fn scaled_and_unscaled_sums_merge() {
        let (max, two) = (f64::MAX, sum(&[f64::MAX, f64::MAX]));
        for (mut a, b, expected) in [
            (two, sum(&[-max, 1.0]), max),
            (sum(&[-max, 1.0]), two, max),
            (two, sum(&[-max, -max]), 0.0),
            (sum(&[max]), sum(&[max]), f64::INFINITY),
        ] {
            a.merge(&b);
            assert_eq!(a.total(), expected);
        }
    }

    #[test]
    fn infinities_meet_in_the_result() {
        let inf = f64::INFINITY;
        assert_eq!(sum(&[1.0, inf, f64::MAX]).total(), inf);
        assert_eq!(sum(&[-inf, 1.0]).total(), -inf);
        assert_eq!(sum(&[f64::NAN, 1.0]).total(), 1.0);
        let mut both = sum(&[inf]);
        both.merge(&sum(&[-inf]));
        assert!(both.total().is_nan());
    }
}
