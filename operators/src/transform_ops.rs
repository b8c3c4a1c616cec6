use millstream_engine::rdd::{Rdd, Shared, UnionAll};
use millstream_engine::{DStream, Time};

use crate::Union;
use crate::stream::{ItemOf, SharedOf, Stream};

/// Operators that make a stream from whole RDDs, of one stream or of two. A batch that a stream does not have counts as empty.
///
/// A function that is given here runs once per batch, on the thread that makes the batches; it should only describe what is to
/// be done. Streams of different slides or contexts are a mistake that `start` reports.
pub trait TransformOps: Stream {
    /// What `op` makes of each RDD.
    #[track_caller]
    fn transform<R: Rdd>(&self, op: impl Fn(SharedOf<Self>) -> R + Send + Sync + 'static) -> DStream<R> {
        self.stream().transform_at("transform", move |rdd, _| Ok(op(rdd)))
    }

    /// What `op` makes of each RDD and the time of its batch.
    #[track_caller]
    fn transform_with_time<R: Rdd>(
        &self,
        op: impl Fn(SharedOf<Self>, Time) -> R + Send + Sync + 'static,
    ) -> DStream<R> {
        self.stream().transform_at("transform_with_time", move |rdd, time| Ok(op(rdd, time)))
    }

    /// What `op` makes of the RDDs of this stream and of `other` in each batch.
    #[track_caller]
    fn transform_with<S: Stream, R: Rdd>(
        &self,
        other: &S,
        op: impl Fn(SharedOf<Self>, SharedOf<S>) -> R + Send + Sync + 'static,
    ) -> DStream<R> {
        self.stream().combine_with("transform_with", other.stream(), move |a, b, _| Ok(op(a, b)))
    }

    /// The same with the time of the batch.
    #[track_caller]
    fn transform_with_at<S: Stream, R: Rdd>(
        &self,
        other: &S,
        op: impl Fn(SharedOf<Self>, SharedOf<S>, Time) -> R + Send + Sync + 'static,
    ) -> DStream<R> {
        self.stream().combine_with("transform_with_at", other.stream(), move |a, b, time| Ok(op(a, b, time)))
    }

    /// The records of both streams, those of `other` behind.
    #[track_caller]
    fn union<S>(&self, other: &S) -> DStream<Union<SharedOf<Self>, SharedOf<S>>>
    where
        S: Stream<Rdd: Rdd<Item = ItemOf<Self>>>,
    {
        self.stream().combine_with("union", other.stream(), |a, b, _| Ok(Union::new(a, b)))
    }
}

impl<S: Stream> TransformOps for S {}

/// Operators on any number of streams of one type; [`boxed`](crate::StreamOps::boxed) makes different types the same.
pub trait StreamsOps {
    /// What a batch of each stream is.
    type Rdd: Rdd;

    /// The records of all streams, in order.
    ///
    /// # Panics
    /// When there are no streams.
    fn union_all(&self) -> DStream<UnionAll<Shared<Self::Rdd>>>;

    /// What `op` makes of the RDDs of all streams in each batch, and its time.
    ///
    /// # Panics
    /// When there are no streams.
    fn transform_all<R: Rdd>(
        &self,
        op: impl Fn(Vec<Shared<Self::Rdd>>, Time) -> R + Send + Sync + 'static,
    ) -> DStream<R>;
}

impl<P: Rdd> StreamsOps for [DStream<P>] {
    type Rdd = P;

    #[track_caller]
    fn union_all(&self) -> DStream<UnionAll<Shared<P>>> {
        let (first, others) = split(self);
        let executor = first.executor().clone();
        first.combine_all("union", others, move |rdds, _| Ok(UnionAll::new(executor.clone(), rdds)))
    }

    #[track_caller]
    fn transform_all<R: Rdd>(
        &self,
        op: impl Fn(Vec<Shared<P>>, Time) -> R + Send + Sync + 'static,
    ) -> DStream<R> {
        let (first, others) = split(self);
        first.combine_all("transform_all", others, move |rdds, time| Ok(op(rdds, time)))
    }
}

#[track_caller]
fn split<P: Rdd>(streams: &[DStream<P>]) -> (&DStream<P>, &[DStream<P>]) {
    match streams.split_first() {
        Some(split) => split,
        None => panic!("there is no stream to make a stream of"),
    }
}
