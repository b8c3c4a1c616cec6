use millstream_engine::rdd::{Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::group_by_key::group_by_key;
use crate::subtract_by_key::SubtractByKey;
use crate::{Cogroup, FullOuter, Inner, Join, LeftOuter, RightOuter};

/// What [`JoinRddOps::cogroup`] returns.
pub type RddCogroup<K, V, W> = Cogroup<Wide<(K, Vec<V>)>, Wide<(K, Vec<W>)>>;

/// The operators that bring two RDDs of pairs together by key. A method that ends in `_in` takes the number of partitions of its
/// result; the others use the default parallelism, as does 0. The order of the results is not defined.
pub trait JoinRddOps<K: Key, V: Data>: Rdd<Item = (K, V)> {
    /// The values that each key has here and in `other`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("a", 1)], 2);
    /// let other = rdd.clone().map_values(|v| v.to_string());
    /// assert_eq!(rdd.cogroup(other).collect()?, [("a", (vec![1, 1], vec!["1".into(), "1".into()]))]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn cogroup<W: Data, R: Rdd<Item = (K, W)>>(self, other: R) -> RddCogroup<K, V, W> {
        self.cogroup_in(0, other)
    }

    /// [`cogroup`](Self::cogroup) in `partitions` partitions.
    fn cogroup_in<W: Data, R: Rdd<Item = (K, W)>>(self, partitions: usize, other: R) -> RddCogroup<K, V, W> {
        cogroup("cogroup", self, other, partitions)
    }

    /// Every value with every value of its key in `other`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// let other = rdd.clone().filter(|pair| pair.0 == "a");
    /// assert_eq!(rdd.join(other).collect()?, [("a", (1, 1))]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn join<W: Data, R: Rdd<Item = (K, W)>>(self, other: R) -> Join<RddCogroup<K, V, W>, Inner> {
        self.join_in(0, other)
    }

    /// [`join`](Self::join) in `partitions` partitions.
    fn join_in<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        partitions: usize,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, Inner> {
        Join::new(cogroup("join", self, other, partitions))
    }

    /// The same with all pairs of this side: those whose key `other` lacks get `None`.
    fn left_outer_join<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, LeftOuter> {
        self.left_outer_join_in(0, other)
    }

    /// [`left_outer_join`](Self::left_outer_join) in `partitions` partitions.
    fn left_outer_join_in<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        partitions: usize,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, LeftOuter> {
        Join::new(cogroup("left_outer_join", self, other, partitions))
    }

    /// The same with all pairs of `other`: those whose key this side lacks get `None`.
    fn right_outer_join<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, RightOuter> {
        self.right_outer_join_in(0, other)
    }

    /// [`right_outer_join`](Self::right_outer_join) in `partitions` partitions.
    fn right_outer_join_in<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        partitions: usize,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, RightOuter> {
        Join::new(cogroup("right_outer_join", self, other, partitions))
    }

    /// The same with all pairs of both sides.
    fn full_outer_join<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, FullOuter> {
        self.full_outer_join_in(0, other)
    }

    /// [`full_outer_join`](Self::full_outer_join) in `partitions` partitions.
    fn full_outer_join_in<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        partitions: usize,
        other: R,
    ) -> Join<RddCogroup<K, V, W>, FullOuter> {
        Join::new(cogroup("full_outer_join", self, other, partitions))
    }

    /// The pairs whose key does not occur in `other`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// let other = rdd.clone().filter(|pair| pair.0 == "a");
    /// assert_eq!(rdd.subtract_by_key(other).collect()?, [("b", 2)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn subtract_by_key<W: Data, R: Rdd<Item = (K, W)>>(self, other: R) -> SubtractByKey<RddCogroup<K, V, W>> {
        self.subtract_by_key_in(0, other)
    }

    /// [`subtract_by_key`](Self::subtract_by_key) in `partitions` partitions.
    fn subtract_by_key_in<W: Data, R: Rdd<Item = (K, W)>>(
        self,
        partitions: usize,
        other: R,
    ) -> SubtractByKey<RddCogroup<K, V, W>> {
        SubtractByKey::new(cogroup("subtract_by_key", self, other, partitions))
    }
}

impl<K: Key, V: Data, R: Rdd<Item = (K, V)>> JoinRddOps<K, V> for R {}

/// Groups both sides with the hash function of the left one, so that they fit together.
fn cogroup<K: Key, V: Data, W: Data>(
    name: &'static str,
    left: impl Rdd<Item = (K, V)>,
    right: impl Rdd<Item = (K, W)>,
    partitions: usize,
) -> RddCogroup<K, V, W> {
    let (of_left, of_right) =
        (group_by_key(name, left.executor(), partitions), group_by_key(name, left.executor(), partitions));
    Cogroup::new(Wide::new(left, of_left), Wide::new(right, of_right))
}
