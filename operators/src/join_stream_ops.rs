use millstream_engine::DStream;
use millstream_engine::rdd::{Data, Key, Rdd, Shared};
use millstream_engine::shuffle::Wide;

use crate::group_by_key::group_by_key;
use crate::join_rdd::{JoinRdd, Lookup};
use crate::stream::{SharedOf, Stream};
use crate::subtract_by_key::SubtractByKey;
use crate::{Cogroup, FullOuter, Inner, Join, LeftOuter, RightOuter};

/// What [`JoinStreamOps::cogroup`] makes of each batch.
pub type StreamCogroup<K, V, W> = Cogroup<Shared<Wide<(K, Vec<V>)>>, Shared<Wide<(K, Vec<W>)>>>;

/// What the joins of [`JoinStreamOps`] make of each batch.
pub type StreamJoin<K, V, W, J> = Join<Shared<StreamCogroup<K, V, W>>, J>;

/// What [`JoinStreamOps::subtract_by_key`] makes of each batch.
pub type StreamSubtract<K, V, W> = SubtractByKey<Shared<StreamCogroup<K, V, W>>>;

/// The operators that bring two streams of pairs together by key, batch by batch: only values of the same batch meet. To join over
/// a time, put windows on both sides. A batch that one of the streams does not have counts as empty.
///
/// Streams of different slides or contexts are a mistake that `start` reports. A method that ends in `_in` takes the number of
/// partitions of its result; the others use the default parallelism, as does 0.
pub trait JoinStreamOps<K: Key, V: Data>: Stream<Rdd: Rdd<Item = (K, V)>> {
    /// The values that each key has here and in `other`.
    #[track_caller]
    fn cogroup<W: Data, S>(&self, other: &S) -> DStream<StreamCogroup<K, V, W>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.cogroup_in(0, other)
    }

    /// [`cogroup`](Self::cogroup) in `partitions` partitions.
    #[track_caller]
    fn cogroup_in<W: Data, S>(&self, partitions: usize, other: &S) -> DStream<StreamCogroup<K, V, W>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("cogroup", self.stream(), other.stream(), partitions)
    }

    /// Every value with every value of its key in `other`.
    #[track_caller]
    fn join<W: Data, S>(&self, other: &S) -> DStream<StreamJoin<K, V, W, Inner>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.join_in(0, other)
    }

    /// [`join`](Self::join) in `partitions` partitions.
    #[track_caller]
    fn join_in<W: Data, S>(&self, partitions: usize, other: &S) -> DStream<StreamJoin<K, V, W, Inner>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("join", self.stream(), other.stream(), partitions).lift("join", Join::new)
    }

    /// The same with all pairs of this side: those whose key `other` lacks get `None`.
    #[track_caller]
    fn left_outer_join<W: Data, S>(&self, other: &S) -> DStream<StreamJoin<K, V, W, LeftOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.left_outer_join_in(0, other)
    }

    /// [`left_outer_join`](Self::left_outer_join) in `partitions` partitions.
    #[track_caller]
    fn left_outer_join_in<W: Data, S>(
        &self,
        partitions: usize,
        other: &S,
    ) -> DStream<StreamJoin<K, V, W, LeftOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("left_outer_join", self.stream(), other.stream(), partitions)
            .lift("left_outer_join", Join::new)
    }

    /// The same with all pairs of `other`: those whose key this side lacks get `None`.
    #[track_caller]
    fn right_outer_join<W: Data, S>(&self, other: &S) -> DStream<StreamJoin<K, V, W, RightOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.right_outer_join_in(0, other)
    }

    /// [`right_outer_join`](Self::right_outer_join) in `partitions` partitions.
    #[track_caller]
    fn right_outer_join_in<W: Data, S>(
        &self,
        partitions: usize,
        other: &S,
    ) -> DStream<StreamJoin<K, V, W, RightOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("right_outer_join", self.stream(), other.stream(), partitions)
            .lift("right_outer_join", Join::new)
    }

    /// The same with all pairs of both sides.
    #[track_caller]
    fn full_outer_join<W: Data, S>(&self, other: &S) -> DStream<StreamJoin<K, V, W, FullOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.full_outer_join_in(0, other)
    }

    /// [`full_outer_join`](Self::full_outer_join) in `partitions` partitions.
    #[track_caller]
    fn full_outer_join_in<W: Data, S>(
        &self,
        partitions: usize,
        other: &S,
    ) -> DStream<StreamJoin<K, V, W, FullOuter>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("full_outer_join", self.stream(), other.stream(), partitions)
            .lift("full_outer_join", Join::new)
    }

    /// The pairs whose key does not occur in `other`.
    #[track_caller]
    fn subtract_by_key<W: Data, S>(&self, other: &S) -> DStream<StreamSubtract<K, V, W>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        self.subtract_by_key_in(0, other)
    }

    /// [`subtract_by_key`](Self::subtract_by_key) in `partitions` partitions.
    #[track_caller]
    fn subtract_by_key_in<W: Data, S>(&self, partitions: usize, other: &S) -> DStream<StreamSubtract<K, V, W>>
    where
        S: Stream<Rdd: Rdd<Item = (K, W)>>,
    {
        cogroup("subtract_by_key", self.stream(), other.stream(), partitions)
            .lift("subtract_by_key", SubtractByKey::new)
    }

    /// Every value with every value of its key in `table`, an RDD that does not change. It is computed once, when the first batch
    /// needs it, and held as a hash table; the stream itself is not shuffled.
    #[track_caller]
    fn join_rdd<W: Data, R>(&self, table: R) -> DStream<JoinRdd<SharedOf<Self>, R, K, W, Inner>>
    where
        R: Rdd<Item = (K, W)>,
    {
        let lookup = Lookup::new(table);
        self.stream().transform_at("join_rdd", move |rdd, _| Ok(JoinRdd::new(rdd, lookup.clone())))
    }

    /// The same with all pairs of the stream: those whose key `table` lacks get `None`.
    #[track_caller]
    fn left_outer_join_rdd<W: Data, R>(
        &self,
        table: R,
    ) -> DStream<JoinRdd<SharedOf<Self>, R, K, W, LeftOuter>>
    where
        R: Rdd<Item = (K, W)>,
    {
        let lookup = Lookup::new(table);
        self.stream().transform_at("left_outer_join_rdd", move |rdd, _| Ok(JoinRdd::new(rdd, lookup.clone())))
    }
}

impl<K: Key, V: Data, S: Stream<Rdd: Rdd<Item = (K, V)>>> JoinStreamOps<K, V> for S {}

/// Groups both sides in two shuffles, each of which may run ahead while its batch is received.
#[track_caller]
fn cogroup<K: Key, V: Data, W: Data>(
    name: &'static str,
    left: &DStream<impl Rdd<Item = (K, V)>>,
    right: &DStream<impl Rdd<Item = (K, W)>>,
    partitions: usize,
) -> DStream<StreamCogroup<K, V, W>> {
    let left_groups = left.shuffled(group_by_key(name, left.executor(), partitions), true);
    let right_groups = right.shuffled(group_by_key(name, left.executor(), partitions), true);
    left_groups.combine_with(name, &right_groups, |left, right, _| Ok(Cogroup::new(left, right)))
}
