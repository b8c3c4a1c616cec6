use std::cmp::Reverse;
use std::collections::BinaryHeap;

use millstream_engine::rdd::Data;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Aggregate, kept};

/// The `n` largest values, the largest first; for the smallest wrap them in [`Reverse`]. Floats go in as
/// [`Ordered`](super::Ordered).
///
/// Equal values count each. A key holds at most `n` values.
///
/// ```
/// use millstream_operators::aggregate::{Aggregate, TopN};
///
/// let top = TopN::new(2);
/// let mut acc = top.zero();
/// [3, 1, 4, 1, 5].into_iter().for_each(|value| top.add(&mut acc, value));
/// assert_eq!(top.finish(&acc), [5, 4]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TopN {
    n: usize,
}

impl TopN {
    /// The `n` largest; all values if there are fewer.
    pub fn new(n: usize) -> Self {
        TopN { n }
    }

    /// Takes a value in that is among the largest so far.
    #[inline]
    fn offer<V: Data + Ord>(&self, heap: &mut BinaryHeap<Reverse<V>>, value: &V) {
        // A heap of an earlier program may hold more.
        while heap.len() > self.n {
            heap.pop();
        }
        if heap.len() < self.n {
            heap.push(Reverse(kept(value)));
        } else if let Some(mut least) = heap.peek_mut().filter(|least| *value > least.0) {
            *least = Reverse(kept(value));
        }
    }
}

impl<V: Data + Ord + Serialize + DeserializeOwned> Aggregate<V> for TopN {
    /// The least of the largest on top.
    type Acc = BinaryHeap<Reverse<V>>;
    type Out = Vec<V>;

    fn zero(&self) -> Self::Acc {
        BinaryHeap::new()
    }

    #[inline]
    fn add(&self, acc: &mut Self::Acc, value: V) {
        self.offer(acc, &value);
    }

    fn merge(&self, acc: &mut Self::Acc, other: &Self::Acc) {
        other.iter().for_each(|value| self.offer(acc, &value.0));
    }

    fn finish(&self, acc: &Self::Acc) -> Vec<V> {
        let descending = acc.clone().into_sorted_vec();
        descending.into_iter().take(self.n).map(|value| value.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{check_exact, collect, encoded, result, split, values};
    use super::super::{Aggregate, Ordered};
    use super::TopN;

    #[test]
    fn none_all_and_floats() {
        assert_eq!(result(&TopN::new(0), [1, 2]), []);
        assert_eq!(result(&TopN::new(usize::MAX), [2, 1, 2]), [2, 2, 1]);
        let floats = [-0.0, f64::NEG_INFINITY, 0.0].map(Ordered);
        assert_eq!(result(&TopN::new(2), floats), [Ordered(0.0), Ordered(-0.0)]);
    }

    #[test]
    fn stays_small() {
        let acc = collect(&TopN::new(10), 0..1_000_000u32);
        assert!(acc.len() == 10 && encoded(&acc).len() <= 51);
    }

    #[test]
    fn a_heap_of_a_larger_n_is_cut() {
        let (many, few) = (TopN::new(5), TopN::new(2));
        let mut acc = collect(&many, 0..5);
        assert_eq!(few.finish(&acc), [4, 3]);
        few.add(&mut acc, 0);
        assert_eq!(acc.len(), 2);
        assert_eq!(few.finish(&acc), [4, 3]);
    }

    proptest! {
        #[test]
        fn is_that_of_sorting(split in split("[ab]{0,4}", 0..60), n in 0usize..10) {
            check_exact(&TopN::new(n), &split);
            let mut reference = values(&split);
            reference.sort_by(|a, b| b.cmp(a));
            reference.truncate(n);
            prop_assert_eq!(result(&TopN::new(n), values(&split)), reference);
        }
    }
}
