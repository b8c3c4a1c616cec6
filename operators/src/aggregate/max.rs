use millstream_engine::rdd::Data;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aggregate, kept};

/// The greatest value; `None` of no values. Floats go in as [`Ordered`](super::Ordered).
///
/// Of values that compare as equal it is the first.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, Max, Ordered};
///
/// let mut acc = Max.zero();
/// [3.5, -1.0].map(Ordered).into_iter().for_each(|value| Max.add(&mut acc, value));
/// assert_eq!(Max.finish(&acc), Some(Ordered(3.5)));
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Max;

impl<V: Data + Ord + Serialize + DeserializeOwned> Aggregate<V> for Max {
    type Acc = Option<V>;
    type Out = Option<V>;

    fn zero(&self) -> Option<V> {
        None
    }

    #[inline]
    fn add(&self, acc: &mut Option<V>, value: V) {
        if acc.as_ref().is_none_or(|so_far| value > *so_far) {
            *acc = Some(kept(&value));
        }
    }

    fn merge(&self, acc: &mut Option<V>, other: &Option<V>) {
        if let Some(value) = other
            && acc.as_ref().is_none_or(|so_far| value > so_far)
        {
            acc.clone_from(other);
        }
    }

    fn finish(&self, acc: &Option<V>) -> Option<V> {
        acc.clone()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_exact, result, split, values};
    use super::super::{Aggregate, Ordered};
    use super::Max;

    #[test]
    fn follows_the_total_order_of_floats() {
        let values = [0.0, -0.0, f64::INFINITY, f64::NEG_INFINITY];
        assert_eq!(result(&Max, values.map(Ordered)), Some(Ordered(f64::INFINITY)));
        assert_eq!(result(&Max, values[..2].iter().copied().map(Ordered)), Some(Ordered(0.0)));
    }

    #[test]
    fn a_kept_text_is_detached() {
        use millstream_engine::text::{ChunkPool, release_credits, validate};
        let pool = ChunkPool::new(1024, 1);
        let mut chunk = pool.take();
        chunk.extend_from_slice(b"a text that is too long to be inline");
        let block = validate(&chunk.freeze(), 0..36).unwrap().block;
        let mut acc = Max.zero();
        Max.add(&mut acc, block.get(0..36).unwrap());
        drop(block);
        release_credits();
        assert_eq!(pool.bytes_in_use(), 0);
        assert_eq!(acc.unwrap(), "a text that is too long to be inline");
    }

    proptest! {
        #[test]
        fn is_that_of_the_standard_library(split in split(any::<i32>(), 0..50)) {
            check_exact(&Max, &split);
            prop_assert_eq!(result(&Max, values(&split)), values(&split).into_iter().max());
        }

        #[test]
        fn of_texts(split in split("[ab]{0,3}", 0..20)) {
            check_exact(&Max, &split);
        }
    }
}
