use std::cmp::Ordering;
use std::fmt::Display;
use std::sync::Arc;
use std::vec::IntoIter;

use millstream_engine::DStream;
use millstream_engine::rdd::{BoxRdd, Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::combine_by_key::count_by_value;
use crate::distinct::{Single, StreamDistinct, distinct};
use crate::repartition::repartition;
use crate::sample::mix;
use crate::sort::{Places, Sort};
use crate::stream::{ItemOf, SharedOf, Stream};
use crate::top::Top;
use crate::{
    Coalesce, Filter, FilterMap, FlatMap, Glom, Inspect, KeyBy, Keys, Map, MapPartitions,
    MapPartitionsWithIndex, Sample, Tried, TryMap, fold,
};

/// The operators of every [`DStream`]: those of [`RddOps`](crate::RddOps), applied to the RDD of each batch.
///
/// A method that ends in `_in` takes the number of partitions of its result; the others use the default parallelism, as does 0.
pub trait StreamOps: Stream {
    /// Every record changed by `f`.
    #[track_caller]
    fn map<U: Data, F>(&self, f: F) -> DStream<Map<SharedOf<Self>, F>>
    where
        F: Fn(ItemOf<Self>) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("map", move |rdd| Map::new(rdd, Arc::clone(&f)))
    }

    /// Every record turned into any number of records by `f`.
    #[track_caller]
    fn flat_map<I, F>(&self, f: F) -> DStream<FlatMap<SharedOf<Self>, F>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: Fn(ItemOf<Self>) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("flat_map", move |rdd| FlatMap::new(rdd, Arc::clone(&f)))
    }

    /// The records for which `f` holds.
    #[track_caller]
    fn filter<F>(&self, f: F) -> DStream<Filter<SharedOf<Self>, F>>
    where
        F: Fn(&ItemOf<Self>) -> bool + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("filter", move |rdd| Filter::new(rdd, Arc::clone(&f)))
    }

    /// What `f` makes of the records, where it makes anything.
    #[track_caller]
    fn filter_map<U: Data, F>(&self, f: F) -> DStream<FilterMap<SharedOf<Self>, F>>
    where
        F: Fn(ItemOf<Self>) -> Option<U> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("filter_map", move |rdd| FilterMap::new(rdd, Arc::clone(&f)))
    }

    /// What `f` makes of the records; those for which it fails become [dead letters](crate::DeadLetter), and the batch goes on. Only
    /// an `Err` is a failure of the record: a panic fails the task, as everywhere.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let tried = test.input([vec!["1", "two", "3"]], 1)?.try_map(|word: &&str| word.parse::<u64>());
    /// let numbers = test.collect(&tried.succeeded());
    /// // In a program: dead_letter(BatchFolders::text("dead/letters", "txt")), or any other sink.
    /// let letters = test.collect(&tried.failed().map(|letter| letter.to_string()));
    /// test.run(1)?;
    /// assert_eq!(numbers.all(), [1, 3]);
    /// assert_eq!(letters.all(), ["batch 1000 ms, partition 0: invalid digit found in string: two"]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn try_map<U: Data, E: Display, F>(&self, f: F) -> Tried<TryMap<SharedOf<Self>, F>>
    where
        F: Fn(&ItemOf<Self>) -> Result<U, E> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        Tried::new(self.stream().lift("try_map", move |rdd| TryMap::new(rdd, Arc::clone(&f))))
    }

    /// Every record shown to `f` and passed on. A record that is computed again is shown again.
    #[track_caller]
    fn inspect<F>(&self, f: F) -> DStream<Inspect<SharedOf<Self>, F>>
    where
        F: Fn(&ItemOf<Self>) + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("inspect", move |rdd| Inspect::new(rdd, Arc::clone(&f)))
    }

    /// Every record with the key that `f` makes of it.
    #[track_caller]
    fn key_by<K: Data, F>(&self, f: F) -> DStream<KeyBy<SharedOf<Self>, F>>
    where
        F: Fn(&ItemOf<Self>) -> K + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("key_by", move |rdd| KeyBy::new(rdd, Arc::clone(&f)))
    }

    /// The same stream with its type erased: for struct fields, and to put streams of different kinds in one list.
    #[track_caller]
    fn boxed(&self) -> DStream<BoxRdd<ItemOf<Self>>> {
        self.stream().lift_by_record("boxed", Rdd::boxed)
    }

    /// Every partition changed as a whole by `f`, which gets its records in order. They are held in memory meanwhile.
    #[track_caller]
    fn map_partitions<I, F>(&self, f: F) -> DStream<MapPartitions<SharedOf<Self>, F>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: Fn(IntoIter<ItemOf<Self>>) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift("map_partitions", move |rdd| MapPartitions::new(rdd, Arc::clone(&f)))
    }

    /// The same with the number of the partition.
    #[track_caller]
    fn map_partitions_with_index<I, F>(&self, f: F) -> DStream<MapPartitionsWithIndex<SharedOf<Self>, F>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: Fn(usize, IntoIter<ItemOf<Self>>) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let operator = "map_partitions_with_index";
        self.stream().lift(operator, move |rdd| MapPartitionsWithIndex::new(rdd, Arc::clone(&f)))
    }

    /// All records of a partition as one.
    #[track_caller]
    fn glom(&self) -> DStream<Glom<SharedOf<Self>>> {
        self.stream().lift("glom", Glom::new)
    }

    /// At most `partitions` partitions (at least one), each made of neighbours; no record is moved.
    #[track_caller]
    fn coalesce(&self, partitions: usize) -> DStream<Coalesce<SharedOf<Self>>> {
        self.stream().lift("coalesce", move |rdd| Coalesce::new(rdd, partitions))
    }

    /// The records dealt out evenly to `partitions` partitions (0: the default parallelism), in no particular order.
    #[track_caller]
    fn repartition(&self, partitions: usize) -> DStream<Wide<ItemOf<Self>>> {
        let stream = self.stream();
        stream.shuffled(repartition(stream.executor(), partitions), true)
    }

    /// About `fraction` of the records of each batch (between 0 and 1), chosen by a generator that begins with `seed` and the
    /// time of the batch.
    #[track_caller]
    fn sample(&self, fraction: f64, seed: u64) -> DStream<Sample<SharedOf<Self>>> {
        let seed_at = move |millis: i64| mix(seed, millis.cast_unsigned());
        self.stream().transform_at("sample", move |rdd, time| {
            Ok(Sample::new(rdd, fraction, seed_at(time.as_millis())))
        })
    }

    /// The number of records of each batch, 0 for an empty one.
    #[track_caller]
    fn count(&self) -> DStream<Wide<u64>> {
        self.stream().shuffled(fold::count(), true)
    }

    /// All records of each batch brought together by `f`, which must be associative and commutative; nothing for an empty batch.
    #[track_caller]
    fn reduce<F>(&self, f: F) -> DStream<Wide<ItemOf<Self>>>
    where
        F: Fn(ItemOf<Self>, ItemOf<Self>) -> ItemOf<Self> + Send + Sync + 'static,
    {
        self.stream().shuffled(fold::reduce(f), false)
    }

    /// The same beginning with a neutral `zero`, which is what an empty batch gives.
    #[track_caller]
    fn fold<F>(&self, zero: ItemOf<Self>, f: F) -> DStream<Wide<ItemOf<Self>>>
    where
        F: Fn(ItemOf<Self>, ItemOf<Self>) -> ItemOf<Self> + Send + Sync + 'static,
    {
        let add = Arc::new(f);
        let merge = Arc::clone(&add);
        let shuffle = fold::aggregate("fold", zero, move |all, item| add(all, item), move |a, b| merge(a, b));
        self.stream().shuffled(shuffle, true)
    }

    /// All records of each batch taken in by `add`, beginning with a neutral `zero` on every worker; `merge` brings the workers'
    /// results together. An empty batch gives `zero`.
    #[track_caller]
    fn aggregate<A: Data>(
        &self,
        zero: A,
        add: impl Fn(A, ItemOf<Self>) -> A + Send + Sync + 'static,
        merge: impl Fn(A, A) -> A + Send + Sync + 'static,
    ) -> DStream<Wide<A>> {
        self.stream().shuffled(fold::aggregate("aggregate", zero, add, merge), true)
    }

    /// Every different record of each batch once.
    #[track_caller]
    fn distinct(&self) -> DStream<StreamDistinct<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Key>,
    {
        self.distinct_in(0)
    }

    /// [`distinct`](Self::distinct) in `partitions` partitions.
    #[track_caller]
    fn distinct_in(&self, partitions: usize) -> DStream<StreamDistinct<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Key>,
    {
        let stream = self.stream();
        let keys = stream.lift_by_record("distinct", Single::new);
        keys.shuffled(distinct(stream.executor(), partitions), false).lift("distinct", Keys::new)
    }

    /// Every different record of each batch with how often it occurs.
    #[track_caller]
    fn count_by_value(&self) -> DStream<Wide<(ItemOf<Self>, u64)>>
    where
        Self::Rdd: Rdd<Item: Key>,
    {
        self.count_by_value_in(0)
    }

    /// [`count_by_value`](Self::count_by_value) in `partitions` partitions.
    #[track_caller]
    fn count_by_value_in(&self, partitions: usize) -> DStream<Wide<(ItemOf<Self>, u64)>>
    where
        Self::Rdd: Rdd<Item: Key>,
    {
        let stream = self.stream();
        let keys = stream.lift_by_record("count_by_value", Single::new);
        keys.shuffled(count_by_value(stream.executor(), partitions), false)
    }

    /// The records of each batch in the order of `compare`, through all partitions. The sort is stable.
    #[track_caller]
    fn sort_by<F>(&self, compare: F) -> DStream<Wide<ItemOf<Self>>>
    where
        F: Fn(&ItemOf<Self>, &ItemOf<Self>) -> Ordering + Send + Sync + 'static,
    {
        self.sort_by_in(0, compare)
    }

    /// [`sort_by`](Self::sort_by) in `partitions` partitions.
    #[track_caller]
    fn sort_by_in<F>(&self, partitions: usize, compare: F) -> DStream<Wide<ItemOf<Self>>>
    where
        F: Fn(&ItemOf<Self>, &ItemOf<Self>) -> Ordering + Send + Sync + 'static,
    {
        let stream = self.stream();
        let sort = Sort::new("sort_by", stream.executor(), partitions, compare);
        stream.lift("sort_by", Places::new).shuffled(sort, false)
    }

    /// The `n` largest records of each batch in descending order, in one partition.
    #[track_caller]
    fn top(&self, n: usize) -> DStream<Wide<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Ord>,
    {
        self.stream().shuffled(Top::new("top", n, |a: &ItemOf<Self>, b: &ItemOf<Self>| b.cmp(a)), false)
    }

    /// The `n` records of each batch with the largest keys, in descending order, in one partition.
    #[track_caller]
    fn top_by<K: Ord>(
        &self,
        n: usize,
        key: impl Fn(&ItemOf<Self>) -> K + Send + Sync + 'static,
    ) -> DStream<Wide<ItemOf<Self>>> {
        let compare = move |a: &ItemOf<Self>, b: &ItemOf<Self>| key(b).cmp(&key(a));
        self.stream().shuffled(Top::new("top_by", n, compare), false)
    }

    /// The `n` smallest records of each batch in ascending order, in one partition.
    #[track_caller]
    fn take_ordered(&self, n: usize) -> DStream<Wide<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Ord>,
    {
        self.stream().shuffled(Top::new("take_ordered", n, <ItemOf<Self> as Ord>::cmp), false)
    }
}

impl<S: Stream> StreamOps for S {}
