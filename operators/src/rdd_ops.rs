use std::cmp::Ordering;
use std::sync::Arc;
use std::vec::IntoIter;

use millstream_engine::rdd::{Data, Keep, Key, Rdd, Shared, Stored};
use millstream_engine::shuffle::Wide;
use millstream_engine::storage::StorageLevel;

use crate::combine_by_key::count_by_value;
use crate::distinct::{Distinct, Single, distinct};
use crate::repartition::repartition;
use crate::sort::{Places, Sort};
use crate::{
    Coalesce, Filter, FilterMap, FlatMap, Glom, Inspect, KeyBy, Map, MapPartitions, MapPartitionsWithIndex,
    Sample, Union, ZipWithIndex,
};

/// The operators of every [`Rdd`]. They are lazy and fuse with each other; nothing runs before an [action](crate::Actions).
pub trait RddOps: Rdd {
    /// Every record changed by `f`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.map(|x| x * 10).collect()?, [10, 20, 30]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn map<U: Data, F: Fn(Self::Item) -> U + Send + Sync + 'static>(self, f: F) -> Map<Self, F> {
        Map::new(self, Arc::new(f))
    }

    /// Every record turned into any number of records by `f`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.flat_map(|x| 0..x).collect()?, [0, 0, 1, 0, 1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn flat_map<I, F>(self, f: F) -> FlatMap<Self, F>
    where
        I: IntoIterator,
        I::Item: Data,
        F: Fn(Self::Item) -> I + Send + Sync + 'static,
    {
        FlatMap::new(self, Arc::new(f))
    }

    /// The records for which `f` holds.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.filter(|x| x % 2 == 1).collect()?, [1, 3]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn filter<F: Fn(&Self::Item) -> bool + Send + Sync + 'static>(self, f: F) -> Filter<Self, F> {
        Filter::new(self, Arc::new(f))
    }

    /// What `f` makes of the records, where it makes anything.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec!["1", "one", "2"], 2);
    /// assert_eq!(rdd.filter_map(|s| s.parse::<i32>().ok()).collect()?, [1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn filter_map<U: Data, F: Fn(Self::Item) -> Option<U> + Send + Sync + 'static>(
        self,
        f: F,
    ) -> FilterMap<Self, F> {
        FilterMap::new(self, Arc::new(f))
    }

    /// Every record shown to `f` and passed on. A record that is computed again is shown again.
    fn inspect<F: Fn(&Self::Item) + Send + Sync + 'static>(self, f: F) -> Inspect<Self, F> {
        Inspect::new(self, Arc::new(f))
    }

    /// Every record with the key that `f` makes of it.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec!["a", "bcd"], 2);
    /// assert_eq!(rdd.key_by(|s| s.len()).collect()?, [(1, "a"), (3, "bcd")]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn key_by<K: Data, F: Fn(&Self::Item) -> K + Send + Sync + 'static>(self, f: F) -> KeyBy<Self, F> {
        KeyBy::new(self, Arc::new(f))
    }

    /// Every partition changed as a whole by `f`, which gets its records in order. They are held in memory meanwhile.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3, 4], 2);
    /// assert_eq!(rdd.map_partitions(|part| [part.sum::<i32>()]).collect()?, [3, 7]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn map_partitions<I, F>(self, f: F) -> MapPartitions<Self, F>
    where
        I: IntoIterator,
        I::Item: Data,
        F: Fn(IntoIter<Self::Item>) -> I + Send + Sync + 'static,
    {
        MapPartitions::new(self, Arc::new(f))
    }

    /// The same with the number of the partition.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// let tagged = rdd.map_partitions_with_index(|p, part| part.map(move |x| (p, x)));
    /// assert_eq!(tagged.collect()?, [(0, 1), (1, 2), (1, 3)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn map_partitions_with_index<I, F>(self, f: F) -> MapPartitionsWithIndex<Self, F>
    where
        I: IntoIterator,
        I::Item: Data,
        F: Fn(usize, IntoIter<Self::Item>) -> I + Send + Sync + 'static,
    {
        MapPartitionsWithIndex::new(self, Arc::new(f))
    }

    /// All records of a partition as one.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3, 4], 2);
    /// assert_eq!(rdd.glom().collect()?, [[1, 2], [3, 4]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn glom(self) -> Glom<Self> {
        Glom::new(self)
    }

    /// At most `partitions` partitions (at least one), each made of neighbours; no record is moved.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3, 4], 2);
    /// assert_eq!(rdd.coalesce(1).glom().collect()?, [[1, 2, 3, 4]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn coalesce(self, partitions: usize) -> Coalesce<Self> {
        Coalesce::new(self, partitions)
    }

    /// The records dealt out evenly to `partitions` partitions (0: the default parallelism), in no particular order.
    fn repartition(self, partitions: usize) -> Wide<Self::Item> {
        let shuffle = repartition(self.executor(), partitions);
        Wide::new(self, shuffle)
    }

    /// The partitions of this and those of `other`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// let more = rdd.clone().map(|x| x + 3);
    /// assert_eq!(rdd.union(more).collect()?, [1, 2, 3, 4, 5, 6]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn union<R: Rdd<Item = Self::Item>>(self, other: R) -> Union<Self, R> {
        Union::new(self, other)
    }

    /// Every different record once.
    fn distinct(self) -> Distinct<Self::Item>
    where
        Self::Item: Key,
    {
        self.distinct_in(0)
    }

    /// The same in `partitions` partitions (0: the default parallelism).
    fn distinct_in(self, partitions: usize) -> Distinct<Self::Item>
    where
        Self::Item: Key,
    {
        let shuffle = distinct(self.executor(), partitions);
        Distinct::new(Wide::new(Single::new(self), shuffle))
    }

    /// Every different record with how often it occurs.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec!["a", "b", "a"], 2);
    /// assert_eq!(rdd.count_by_value().collect_as_map()?["a"], 2);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn count_by_value(self) -> Wide<(Self::Item, u64)>
    where
        Self::Item: Key,
    {
        self.count_by_value_in(0)
    }

    /// The same in `partitions` partitions (0: the default parallelism).
    fn count_by_value_in(self, partitions: usize) -> Wide<(Self::Item, u64)>
    where
        Self::Item: Key,
    {
        let shuffle = count_by_value(self.executor(), partitions);
        Wide::new(Single::new(self), shuffle)
    }

    /// About `fraction` of the records (between 0 and 1), chosen by a generator that begins with `seed`: the same choice for the
    /// same records in the same partitions.
    fn sample(self, fraction: f64, seed: u64) -> Sample<Self> {
        Sample::new(self, fraction, seed)
    }

    /// The same records, computed by the first who reads them and kept at `level` for all others, as long as a clone lives.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized, storage::StorageLevel};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// let kept = rdd.map(|x| x * 10).persist(StorageLevel::MEMORY_AND_DISK);
    /// assert_eq!((kept.clone().count()?, kept.collect()?), (3, vec![10, 20, 30]));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn persist(self, level: StorageLevel) -> Shared<Self>
    where
        Self::Item: Stored,
    {
        Shared::new(self, Some(Keep::at(level)))
    }

    /// [`persist`](Self::persist) in memory, as the records are.
    fn cache(self) -> Shared<Self>
    where
        Self::Item: Stored,
    {
        self.persist(StorageLevel::MEMORY_ONLY)
    }

    /// Every record with its number, in the order of the partitions. To count them, all partitions but the last are computed
    /// once more.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec!["a", "b", "c"], 2);
    /// assert_eq!(rdd.zip_with_index().collect()?, [("a", 0), ("b", 1), ("c", 2)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn zip_with_index(self) -> ZipWithIndex<Self> {
        ZipWithIndex::new(self)
    }

    /// All records in the order of `compare`, through all partitions. The sort is stable.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![3, 1, 2], 2);
    /// assert_eq!(rdd.sort_by(|a, b| b.cmp(a)).collect()?, [3, 2, 1]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    fn sort_by<F>(self, compare: F) -> Wide<Self::Item>
    where
        F: Fn(&Self::Item, &Self::Item) -> Ordering + Send + Sync + 'static,
    {
        self.sort_by_in(0, compare)
    }

    /// The same in `partitions` partitions (0: the default parallelism).
    fn sort_by_in<F>(self, partitions: usize, compare: F) -> Wide<Self::Item>
    where
        F: Fn(&Self::Item, &Self::Item) -> Ordering + Send + Sync + 'static,
    {
        let sort = Sort::new("sort_by", self.executor(), partitions, compare);
        Wide::new(Places::new(self), sort)
    }
}

impl<R: Rdd> RddOps for R {}
