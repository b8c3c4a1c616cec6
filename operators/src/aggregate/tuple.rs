//! Several aggregates of the same values in one pass.

use super::Aggregate;

/// `values.clone()` for all but the last, which takes the value itself.
macro_rules! tuple {
    ($($name:ident $place:tt),* ; $last:ident $last_place:tt) => {
        /// Each aggregate sees every value; accumulators and results are tuples in the same order.
        impl<V: Clone, $($name: Aggregate<V>,)* $last: Aggregate<V>> Aggregate<V> for ($($name,)* $last) {
            type Acc = ($($name::Acc,)* $last::Acc);
            type Out = ($($name::Out,)* $last::Out);

            fn zero(&self) -> Self::Acc {
                ($(self.$place.zero(),)* self.$last_place.zero())
            }

            #[inline]
            fn add(&self, acc: &mut Self::Acc, value: V) {
                $(self.$place.add(&mut acc.$place, value.clone());)*
                self.$last_place.add(&mut acc.$last_place, value);
            }

            fn merge(&self, acc: &mut Self::Acc, other: &Self::Acc) {
                $(self.$place.merge(&mut acc.$place, &other.$place);)*
                self.$last_place.merge(&mut acc.$last_place, &other.$last_place);
            }

            fn finish(&self, acc: &Self::Acc) -> Self::Out {
                ($(self.$place.finish(&acc.$place),)* self.$last_place.finish(&acc.$last_place))
            }
        }
    };
}

tuple!(A 0; B 1);
tuple!(A 0, B 1; C 2);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_exact, result, split, values};
    use super::super::{Count, DistinctHll, Max, Min, Sum, TopK};

    proptest! {
        #[test]
        fn each_gives_what_it_gives_alone(split in split(any::<i16>(), 0..50)) {
            let of = || values(&split);
            check_exact(&(Sum, Max), &split);
            prop_assert_eq!(result(&(Sum, Max), of()), (result(&Sum, of()), result(&Max, of())));
            let three = (Count, TopK::new(3), (Min, DistinctHll::default()));
            check_exact(&three, &split);
            let (count, top, (min, distinct)) = result(&three, of());
            prop_assert_eq!((count, top), (result(&Count, of()), result(&TopK::new(3), of())));
            prop_assert_eq!((min, distinct), (result(&Min, of()), result(&DistinctHll::default(), of())));
        }
    }
}
