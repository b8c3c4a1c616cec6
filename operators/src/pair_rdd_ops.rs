use std::sync::Arc;

use millstream_engine::rdd::{Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::combine_by_key::{aggregate_by_key, combine_by_key, fold_by_key};
use crate::group_by_key::group_by_key;
use crate::reduce_by_key::reduce_by_key;
use crate::repartition::partition_by;
use crate::sort::{Places, Sort, by_key};
use crate::{FlatMapValues, Keys, MapValues, Values};

/// The operators of RDDs of pairs. A method that ends in `_in` takes the number of partitions of its result; the others use the
/// default parallelism, as does 0. The order of a shuffle's results is not defined.
pub trait PairRddOps<K: Key, V: Data>: Rdd<Item = (K, V)> {
    /// The keys.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// assert_eq!(rdd.keys().collect()?, ["a", "b"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn keys(self) -> Keys<Self> {
        Keys::new(self)
    }

    /// The values.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// assert_eq!(rdd.values().collect()?, [1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn values(self) -> Values<Self> {
        Values::new(self)
    }

    /// Every value changed by `f`, with its key.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// assert_eq!(rdd.map_values(|v| v * 10).collect()?, [("a", 10), ("b", 20)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn map_values<W: Data, F: Fn(V) -> W + Send + Sync + 'static>(self, f: F) -> MapValues<Self, F> {
        MapValues::new(self, Arc::new(f))
    }

    /// Every value turned into any number of values by `f`, each with the key.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2)], 2);
    /// assert_eq!(rdd.flat_map_values(|v| 0..v).collect()?, [("a", 0), ("b", 0), ("b", 1)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn flat_map_values<I, F>(self, f: F) -> FlatMapValues<Self, F>
    where
        I: IntoIterator,
        I::Item: Data,
        F: Fn(V) -> I + Send + Sync + 'static,
    {
        FlatMapValues::new(self, Arc::new(f))
    }

    /// The values of each key brought together by `f`, which must be associative and commutative.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2), ("a", 3)], 2);
    /// assert_eq!(rdd.reduce_by_key(|a, b| a + b).collect_as_map()?["a"], 4);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn reduce_by_key(self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Wide<(K, V)> {
        self.reduce_by_key_in(0, f)
    }

    /// [`reduce_by_key`](Self::reduce_by_key) in `partitions` partitions.
    fn reduce_by_key_in(
        self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Wide<(K, V)> {
        let shuffle = reduce_by_key(self.executor(), partitions, f);
        Wide::new(self, shuffle)
    }

    /// The values of each key combined: `create` begins with the first one, `update` takes in a further one, `merge` brings two
    /// results together.
    fn combine_by_key<C: Data>(
        self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        update: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Wide<(K, C)> {
        self.combine_by_key_in(0, create, update, merge)
    }

    /// [`combine_by_key`](Self::combine_by_key) in `partitions` partitions.
    fn combine_by_key_in<C: Data>(
        self,
        partitions: usize,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        update: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Wide<(K, C)> {
        let shuffle = combine_by_key(self.executor(), partitions, create, update, merge);
        Wide::new(self, shuffle)
    }

    /// The values of each key taken in by `add`, beginning with `zero`; `merge` brings two results together. `zero` must be
    /// neutral: it is taken once per key and worker.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("a", 2)], 2);
    /// let sums = rdd.aggregate_by_key(0.0, |sum, v| sum + f64::from(v), |a, b| a + b);
    /// assert_eq!(sums.collect()?, [("a", 3.0)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn aggregate_by_key<C: Data>(
        self,
        zero: C,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Wide<(K, C)> {
        self.aggregate_by_key_in(0, zero, add, merge)
    }

    /// [`aggregate_by_key`](Self::aggregate_by_key) in `partitions` partitions.
    fn aggregate_by_key_in<C: Data>(
        self,
        partitions: usize,
        zero: C,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> Wide<(K, C)> {
        let shuffle = aggregate_by_key(self.executor(), partitions, zero, add, merge);
        Wide::new(self, shuffle)
    }

    /// The values of each key brought together by `f`, beginning with a neutral `zero`.
    fn fold_by_key(self, zero: V, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Wide<(K, V)> {
        self.fold_by_key_in(0, zero, f)
    }

    /// [`fold_by_key`](Self::fold_by_key) in `partitions` partitions.
    fn fold_by_key_in(
        self,
        partitions: usize,
        zero: V,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Wide<(K, V)> {
        let shuffle = fold_by_key(self.executor(), partitions, zero, f);
        Wide::new(self, shuffle)
    }

    /// The values of each key, in no particular order. Where they are only summed up, `reduce_by_key` holds far less in memory.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("a", 1)], 2);
    /// assert_eq!(rdd.group_by_key().collect()?, [("a", vec![1, 1])]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn group_by_key(self) -> Wide<(K, Vec<V>)> {
        self.group_by_key_in(0)
    }

    /// [`group_by_key`](Self::group_by_key) in `partitions` partitions.
    fn group_by_key_in(self, partitions: usize) -> Wide<(K, Vec<V>)> {
        let shuffle = group_by_key("group_by_key", self.executor(), partitions);
        Wide::new(self, shuffle)
    }

    /// Every pair in the partition of its key's hash, one of `partitions`.
    fn partition_by(self, partitions: usize) -> Wide<(K, V)> {
        let shuffle = partition_by(self.executor(), partitions);
        Wide::new(self, shuffle)
    }

    /// All pairs in the order of their keys, through all partitions; descending unless `ascending`. The sort is stable, and
    /// pairs of one key are in one partition.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("b", 1), ("a", 2), ("c", 3)], 2);
    /// assert_eq!(rdd.clone().sort_by_key(true).keys().collect()?, ["a", "b", "c"]);
    /// assert_eq!(rdd.sort_by_key(false).keys().collect()?, ["c", "b", "a"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn sort_by_key(self, ascending: bool) -> Wide<(K, V)>
    where
        K: Ord,
    {
        self.sort_by_key_in(0, ascending)
    }

    /// [`sort_by_key`](Self::sort_by_key) in `partitions` partitions.
    fn sort_by_key_in(self, partitions: usize, ascending: bool) -> Wide<(K, V)>
    where
        K: Ord,
    {
        let sort = Sort::new("sort_by_key", self.executor(), partitions, by_key(ascending));
        Wide::new(Places::new(self), sort)
    }
}

impl<K: Key, V: Data, R: Rdd<Item = (K, V)>> PairRddOps<K, V> for R {}
