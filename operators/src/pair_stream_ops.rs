use std::sync::Arc;

use millstream_engine::DStream;
use millstream_engine::rdd::{Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::combine_by_key::{aggregate_by_key, combine_by_key, fold_by_key};
use crate::group_by_key::group_by_key;
use crate::reduce_by_key::reduce_by_key;
use crate::repartition::partition_by;
use crate::sort::{Places, Sort, by_key};
use crate::stream::{SharedOf, Stream};
use crate::{FlatMapValues, Keys, MapValues, Values};

/// The operators of streams of pairs: those of [`PairRddOps`](crate::PairRddOps), applied to the RDD of each batch.
///
/// A method that ends in `_in` takes the number of partitions of its result; the others use the default parallelism, as does 0.
/// The order of a shuffle's results is not defined.
pub trait PairStreamOps<K: Key, V: Data>: Stream<Rdd: Rdd<Item = (K, V)>> {
    /// The keys.
    #[track_caller]
    fn keys(&self) -> DStream<Keys<SharedOf<Self>>> {
        self.stream().lift_by_record("keys", Keys::new)
    }

    /// The values.
    #[track_caller]
    fn values(&self) -> DStream<Values<SharedOf<Self>>> {
        self.stream().lift_by_record("values", Values::new)
    }

    /// Every value changed by `f`, with its key.
    #[track_caller]
    fn map_values<W: Data, F>(&self, f: F) -> DStream<MapValues<SharedOf<Self>, F>>
    where
        F: Fn(V) -> W + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("map_values", move |rdd| MapValues::new(rdd, Arc::clone(&f)))
    }

    /// Every value turned into any number of values by `f`, each with the key.
    #[track_caller]
    fn flat_map_values<I, F>(&self, f: F) -> DStream<FlatMapValues<SharedOf<Self>, F>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: Fn(V) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("flat_map_values", move |rdd| FlatMapValues::new(rdd, Arc::clone(&f)))
    }

    /// The values of each key brought together by `f`, which must be associative and commutative.
    #[track_caller]
    fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> DStream<Wide<(K, V)>> {
        self.reduce_by_key_in(0, f)
    }

    /// [`reduce_by_key`](Self::reduce_by_key) in `partitions` partitions.
    #[track_caller]
    fn reduce_by_key_in(
        &self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> DStream<Wide<(K, V)>> {
        let stream = self.stream();
        stream.shuffled(reduce_by_key(stream.executor(), partitions, f), false)
    }

    /// The values of each key combined: `create` begins with the first one, `update` takes in a further one, `merge` brings two
    /// results together.
    #[track_caller]
    fn combine_by_key<C: Data>(
        &self,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        update: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<Wide<(K, C)>> {
        self.combine_by_key_in(0, create, update, merge)
    }

    /// [`combine_by_key`](Self::combine_by_key) in `partitions` partitions.
    #[track_caller]
    fn combine_by_key_in<C: Data>(
        &self,
        partitions: usize,
        create: impl Fn(V) -> C + Send + Sync + 'static,
        update: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<Wide<(K, C)>> {
        let stream = self.stream();
        stream.shuffled(combine_by_key(stream.executor(), partitions, create, update, merge), false)
    }

    /// The values of each key taken in by `add`, beginning with a neutral `zero`; `merge` brings two results together.
    #[track_caller]
    fn aggregate_by_key<C: Data>(
        &self,
        zero: C,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<Wide<(K, C)>> {
        self.aggregate_by_key_in(0, zero, add, merge)
    }

    /// [`aggregate_by_key`](Self::aggregate_by_key) in `partitions` partitions.
    #[track_caller]
    fn aggregate_by_key_in<C: Data>(
        &self,
        partitions: usize,
        zero: C,
        add: impl Fn(C, V) -> C + Send + Sync + 'static,
        merge: impl Fn(C, C) -> C + Send + Sync + 'static,
    ) -> DStream<Wide<(K, C)>> {
        let stream = self.stream();
        stream.shuffled(aggregate_by_key(stream.executor(), partitions, zero, add, merge), false)
    }

    /// The values of each key brought together by `f`, beginning with a neutral `zero`.
    #[track_caller]
    fn fold_by_key(&self, zero: V, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> DStream<Wide<(K, V)>> {
        self.fold_by_key_in(0, zero, f)
    }

    /// [`fold_by_key`](Self::fold_by_key) in `partitions` partitions.
    #[track_caller]
    fn fold_by_key_in(
        &self,
        partitions: usize,
        zero: V,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> DStream<Wide<(K, V)>> {
        let stream = self.stream();
        stream.shuffled(fold_by_key(stream.executor(), partitions, zero, f), false)
    }

    /// The values of each key, in no particular order. Where they are only summed up, `reduce_by_key` holds far less in memory.
    #[track_caller]
    fn group_by_key(&self) -> DStream<Wide<(K, Vec<V>)>> {
        self.group_by_key_in(0)
    }

    /// [`group_by_key`](Self::group_by_key) in `partitions` partitions.
    #[track_caller]
    fn group_by_key_in(&self, partitions: usize) -> DStream<Wide<(K, Vec<V>)>> {
        let stream = self.stream();
        stream.shuffled(group_by_key("group_by_key", stream.executor(), partitions), false)
    }

    /// Every pair in the partition of its key's hash, one of `partitions` (0: the default parallelism).
    #[track_caller]
    fn partition_by(&self, partitions: usize) -> DStream<Wide<(K, V)>> {
        let stream = self.stream();
        stream.shuffled(partition_by(stream.executor(), partitions), false)
    }

    /// The pairs of each batch in the order of their keys, through all partitions; descending unless `ascending`. The sort is
    /// stable, and pairs of one key are in one partition.
    #[track_caller]
    fn sort_by_key(&self, ascending: bool) -> DStream<Wide<(K, V)>>
    where
        K: Ord,
    {
        self.sort_by_key_in(0, ascending)
    }

    /// [`sort_by_key`](Self::sort_by_key) in `partitions` partitions.
    #[track_caller]
    fn sort_by_key_in(&self, partitions: usize, ascending: bool) -> DStream<Wide<(K, V)>>
    where
        K: Ord,
    {
        let stream = self.stream();
        let sort = Sort::new("sort_by_key", stream.executor(), partitions, by_key(ascending));
        stream.lift("sort_by_key", Places::new).shuffled(sort, false)
    }
}

impl<K: Key, V: Data, S: Stream<Rdd: Rdd<Item = (K, V)>>> PairStreamOps<K, V> for S {}
