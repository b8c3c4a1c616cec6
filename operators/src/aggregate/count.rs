use super::Aggregate;

/// How many values there are.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Count};
///
/// let mut acc = Aggregate::<&str>::zero(&Count);
/// Count.add(&mut acc, "a");
/// Count.add(&mut acc, "b");
/// assert_eq!(Aggregate::<&str>::finish(&Count, &acc), 2);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Count;

impl<V> Aggregate<V> for Count {
    type Acc = u64;
    type Out = u64;

    fn zero(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, acc: &mut u64, _: V) {
        *acc = acc.saturating_add(1);
    }

    fn merge(&self, acc: &mut u64, other: &u64) {
        *acc = acc.saturating_add(*other);
    }

    fn finish(&self, acc: &u64) -> u64 {
        *acc
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_exact, result, split, values};
    use super::Count;

    proptest! {
        #[test]
        fn counts_every_value_once(split in split(any::<u8>(), 0..50)) {
            check_exact(&Count, &split);
            prop_assert_eq!(result(&Count, values(&split)), split.len() as u64);
        }
    }
}
