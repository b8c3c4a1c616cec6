use serde::{Deserialize, Serialize};

use super::{Aggregate, FloatSum};
use crate::Number;

/// The arithmetic mean of numbers; `None` of no values.
///
/// The sum behind it is a [`FloatSum`], so the mean is about the exact one rounded twice, whatever the number, order and size of
/// the values, and it does not overflow on the way. Integers beyond 2⁵³ are rounded to the nearest `f64` first. NaNs are left out
/// and not counted; with an infinity among the values it is that infinity, with both it is NaN.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Mean};
///
/// let mut acc = Aggregate::<f64>::zero(&Mean);
/// [1.0, f64::NAN, 2.0].into_iter().for_each(|value| Mean.add(&mut acc, value));
/// assert_eq!(Aggregate::<f64>::finish(&Mean, &acc), Some(1.5));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Mean;

/// The accumulator of [`Mean`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MeanAcc {
    count: u64,
    sum: FloatSum,
}

impl<V: Number> Aggregate<V> for Mean {
    type Acc = MeanAcc;
    type Out = Option<f64>;

    fn zero(&self) -> MeanAcc {
        MeanAcc::default()
    }

    #[inline]
    fn add(&self, acc: &mut MeanAcc, value: V) {
        let value = value.as_f64();
        if !value.is_nan() {
            acc.count = acc.count.saturating_add(1);
            acc.sum.add(value);
        }
    }

    fn merge(&self, acc: &mut MeanAcc, other: &MeanAcc) {
        acc.count = acc.count.saturating_add(other.count);
        acc.sum.merge(&other.sum);
    }

    fn finish(&self, acc: &MeanAcc) -> Option<f64> {
        (acc.count > 0).then(|| acc.sum.divided_by(acc.count as f64))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_groupings, check_roundtrip_and_zero, result, split, values};
    use super::Mean;

    #[test]
    fn is_sound_where_a_plain_sum_is_not() {
        assert_eq!(result(&Mean, [f64::MAX; 1000]), Some(f64::MAX));
        assert_eq!(result(&Mean, [f64::MAX, f64::MIN]), Some(0.0));
        assert_eq!(result(&Mean, [1e16, 1.0, -1e16, 1.0]), Some(0.5));
        assert_eq!(result(&Mean, vec![0.1; 1_000_000]), Some(0.1));
    }

    #[test]
    fn of_what_is_not_finite() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        assert_eq!(result(&Mean, [nan]), None);
        assert_eq!(result(&Mean, [nan, 4.0, nan, 2.0]), Some(3.0));
        assert_eq!(result(&Mean, [inf, 1.0]), Some(inf));
        assert!(result(&Mean, [inf, -inf]).unwrap().is_nan());
        assert_eq!(result(&Mean, Vec::<f64>::new()), None);
    }

    proptest! {
        #[test]
        fn is_the_exact_one_but_for_rounding(split in split(any::<i64>().prop_map(|n| n >> 11), 0..100)) {
            let sum: i128 = split.iter().map(|(_, n)| i128::from(*n)).sum();
            let exact = (!split.is_empty()).then(|| sum as f64 / split.len() as f64);
            let is_near = |got: &Option<f64>| match (exact, *got) {
                (Some(exact), Some(got)) => (got - exact).abs() <= 4.0 * f64::EPSILON * exact.abs(),
                (exact, got) => exact == got,
            };
            prop_assert!(is_near(&result(&Mean, values(&split))));
            check_groupings(&Mean, &split, |_, got| is_near(got));
            check_roundtrip_and_zero(&Mean, &split);
        }
    }
}
