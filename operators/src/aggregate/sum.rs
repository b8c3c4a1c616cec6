use millstream_engine::rdd::Data;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aggregate, FloatSum};

/// The sum of the values, of integers of up to 64 bits or of floats. The sum of no values is 0.
///
/// **Integers** are summed exactly, in 128 bits, and the result has 64: `i64` for signed and `u64` for unsigned types, as in
/// SQL. A sum that does not fit gives the nearest that does. As this is decided at the end, it does not depend on the order.
///
/// **Floats** are summed by [`FloatSum`]: about as if the exact sum were rounded once. NaNs are left out; a sum with an infinity
/// in it is that infinity, one with both is NaN.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Sum};
///
/// let mut bytes = Aggregate::<u32>::zero(&Sum);
/// Sum.add(&mut bytes, u32::MAX);
/// Sum.add(&mut bytes, 1u32);
/// assert_eq!(Aggregate::<u32>::finish(&Sum, &bytes), 1 << 32);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Sum;

/// A number that [`Sum`] can sum.
pub trait Summand {
    /// What a sum is collected in, wide enough never to overflow; the default is the sum of nothing.
    type Partial: Data + Default + Serialize + DeserializeOwned;
    /// The type of the result.
    type Total: Data;

    /// Takes this number in.
    fn add_to(self, partial: &mut Self::Partial);
    /// Takes the sum `other` in.
    fn merge(partial: &mut Self::Partial, other: &Self::Partial);
    /// The result.
    fn total(partial: &Self::Partial) -> Self::Total;
}

macro_rules! integers {
    ($($integer:ty)*, $wide:ty, $total:ty) => {
        $(impl Summand for $integer {
            type Partial = $wide;
            type Total = $total;

            #[inline]
            fn add_to(self, partial: &mut $wide) {
                *partial = partial.saturating_add(self as $wide);
            }

            fn merge(partial: &mut $wide, other: &$wide) {
                *partial = partial.saturating_add(*other);
            }

            fn total(partial: &$wide) -> $total {
                (*partial).clamp(<$total>::MIN.into(), <$total>::MAX.into()) as $total
            }
        })*
    };
}

integers!(i8 i16 i32 i64 isize, i128, i64);
integers!(u8 u16 u32 u64 usize, u128, u64);

macro_rules! floats {
    ($($float:ty)*) => {
        $(impl Summand for $float {
            type Partial = FloatSum;
            type Total = f64;

            #[inline]
            fn add_to(self, partial: &mut FloatSum) {
                partial.add(self.into());
            }

            fn merge(partial: &mut FloatSum, other: &FloatSum) {
                partial.merge(other);
            }

            fn total(partial: &FloatSum) -> f64 {
                partial.total()
            }
        })*
    };
}

floats!(f32 f64);

impl<V: Summand> Aggregate<V> for Sum {
    type Acc = V::Partial;
    type Out = V::Total;

    fn zero(&self) -> V::Partial {
        V::Partial::default()
    }

    #[inline]
    fn add(&self, acc: &mut V::Partial, value: V) {
        value.add_to(acc);
    }

    fn merge(&self, acc: &mut V::Partial, other: &V::Partial) {
        V::merge(acc, other);
    }

    fn finish(&self, acc: &V::Partial) -> V::Total {
        V::total(acc)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{
        check_exact, check_groupings, check_roundtrip_and_zero, result, split, values,
    };
    use super::Sum;

    #[test]
    fn what_does_not_fit_gives_the_nearest_in_any_order() {
        assert_eq!(result(&Sum, [i64::MAX, 1]), i64::MAX);
        assert_eq!(result(&Sum, [i64::MAX, 1, -1, -1]), i64::MAX - 1);
        assert_eq!(result(&Sum, [i64::MIN, -1]), i64::MIN);
        assert_eq!(result(&Sum, [u64::MAX, 1]), u64::MAX);
        assert_eq!(result(&Sum, [200u8, 100]), 300);
        assert_eq!(result(&Sum, Vec::<i8>::new()), 0);
        assert_eq!(result(&Sum, Vec::<f32>::new()), 0.0);
    }

    proptest! {
        #[test]
        fn integers_are_exact(split in split(any::<i64>(), 0..50)) {
            check_exact(&Sum, &split);
            let exact: i128 = split.iter().map(|(_, value)| i128::from(*value)).sum();
            let fits = exact.clamp(i64::MIN.into(), i64::MAX.into()) as i64;
            prop_assert_eq!(result(&Sum, values(&split)), fits);
        }

        /// The values are whole numbers times a power of two, so their exact sum is one of integers.
        #[test]
        fn floats_are_rounded_about_once(split in split((any::<i32>(), 0u32..60), 0..100)) {
            let exact: i128 = split.iter().map(|(_, (n, shift))| i128::from(*n) << shift).sum();
            let floats: Vec<(usize, f64)> =
                split.iter().map(|(part, (n, shift))| (*part, f64::from(*n) * 2f64.powi(*shift as i32))).collect();
            let magnitudes: f64 = floats.iter().map(|(_, value)| value.abs()).sum();
            let error_max = 2.0 * f64::EPSILON * (exact as f64).abs() + 200.0 * f64::EPSILON.powi(2) * magnitudes;
            prop_assert!((result(&Sum, values(&floats)) - exact as f64).abs() <= error_max);
            check_groupings(&Sum, &floats, |_, got| (got - exact as f64).abs() <= error_max);
            check_roundtrip_and_zero(&Sum, &floats);
        }
    }
}
