use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::DStream;
use millstream_engine::rdd::{BoxRdd, Data, Key, Rdd, Stored};
use millstream_engine::window::{Gather, Invertible, MergeByValue, TwoStacks};

use crate::RddOps;
use crate::aggregate::{Aggregate, TopN};
use crate::aggregate_windows::{aggregated, sliding};
use crate::group_by_key::group_by_key;
use crate::reduce_by_key::reduce_by_key;
use crate::stream::Stream;

/// Keyed operators over the last while: a window of length `window` is put out every `slide`; see [`WindowOps`](crate::WindowOps).
///
/// Each batch is brought down to one value per key, which is its *pane*. From then on a window costs what its entering and its
/// leaving pane cost, however long it is and however many keys it holds. A key is in the result exactly as long as a batch of the
/// window has it.
///
/// A method that ends in `_in` takes the number of partitions of its result; the others use the default parallelism, as does 0.
pub trait PairWindowOps<K: Key + Stored, V: Data>: Stream<Rdd: Rdd<Item = (K, V)>> {
    /// The values of each key brought together by `f`, which must be associative and commutative. Any such function will do, the
    /// maximum for one; where there is an inverse, [`reduce_by_key_and_window_inv`](Self::reduce_by_key_and_window_inv) costs
    /// less.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let sizes = test.input([vec![('a', 5)], vec![('a', 3)], vec![('a', 4)]], 1)?;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// let largest = test.collect(&sizes.reduce_by_key_and_window(|a, b| a.max(b), window, slide));
    /// test.run(3)?;
    /// assert_eq!(largest.batches(), [[('a', 5)], [('a', 5)], [('a', 4)]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn reduce_by_key_and_window(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, V)>>
    where
        V: Stored,
    {
        self.reduce_by_key_and_window_in(0, f, window, slide)
    }

    /// [`reduce_by_key_and_window`](Self::reduce_by_key_and_window) in `partitions` partitions.
    #[track_caller]
    fn reduce_by_key_and_window_in(
        &self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, V)>>
    where
        V: Stored,
    {
        let (stream, partitions) = (self.stream(), self.partitions_or_default(partitions));
        let f = Arc::new(f);
        let reduce = Arc::clone(&f);
        let panes =
            stream.shuffled(reduce_by_key(stream.executor(), partitions, move |a, b| reduce(a, b)), false);
        let merge = MergeByValue(move |a, b| f(a, b));
        panes.keyed_window("reduce_by_key_and_window", (window, slide), partitions, false, |span| {
            TwoStacks::new(merge, V::clone, span.panes())
        })
    }

    /// The same for a function with an inverse: `inverse(f(a, b), b)` is `a`. What enters the window is added, what leaves is
    /// taken back. Floating-point sums are added up anew now and then, so that their rounding errors stay small.
    ///
    /// A program that is compiled for debugging checks samples and logs an error when `inverse` is not the inverse of `f`.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let hits = test.input([vec![('a', 1)], vec![('a', 1), ('b', 1)], vec![('b', 1)], vec![]], 1)?;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// let counts = test.collect(&hits.reduce_by_key_and_window_inv(|a, b| a + b, |a, b| a - b, window, slide));
    /// test.run(5)?;
    /// let expected = [vec![('a', 1)], vec![('a', 2), ('b', 1)], vec![('a', 1), ('b', 2)], vec![('b', 1)], vec![]];
    /// assert_eq!(counts.sorted(), expected);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn reduce_by_key_and_window_inv(
        &self,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, V)>>
    where
        V: Stored + Debug,
    {
        self.reduce_by_key_and_window_inv_in(0, f, inverse, window, slide)
    }

    /// [`reduce_by_key_and_window_inv`](Self::reduce_by_key_and_window_inv) in `partitions` partitions.
    #[track_caller]
    fn reduce_by_key_and_window_inv_in(
        &self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, V)>>
    where
        V: Stored + Debug,
    {
        self.reduce_by_key_and_window_inv_filtered(partitions, f, inverse, (window, slide), |_| true)
    }

    /// The same, where only pairs that `filter` accepts are put out. It hides pairs of the result and changes nothing else: keys
    /// that are in no batch of the window are gone without it.
    #[track_caller]
    fn reduce_by_key_and_window_inv_filtered(
        &self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
        inverse: impl Fn(V, V) -> V + Send + Sync + 'static,
        (window, slide): (Duration, Duration),
        filter: impl Fn(&(K, V)) -> bool + Send + Sync + 'static,
    ) -> DStream<BoxRdd<(K, V)>>
    where
        V: Stored + Debug,
    {
        let (stream, partitions) = (self.stream(), self.partitions_or_default(partitions));
        let (f, filter, location) = (Arc::new(f), Arc::new(filter), Location::caller());
        let reduce = Arc::clone(&f);
        let panes =
            stream.shuffled(reduce_by_key(stream.executor(), partitions, move |a, b| reduce(a, b)), false);
        let sums = |_| Invertible::new(move |a, b| f(a, b), inverse, location);
        let show = move |pairs: BoxRdd<(K, V)>| {
            let filter = Arc::clone(&filter);
            pairs.filter(move |pair| filter(pair)).boxed()
        };
        panes.keyed_window_shown(
            "reduce_by_key_and_window_inv",
            (window, slide),
            partitions,
            false,
            sums,
            show,
        )
    }

    /// The values of each key, oldest batch first. Where they are only added up, the reducing forms hold far less in memory.
    #[track_caller]
    fn group_by_key_and_window(&self, window: Duration, slide: Duration) -> DStream<BoxRdd<(K, Vec<V>)>>
    where
        V: Stored,
    {
        self.group_by_key_and_window_in(0, window, slide)
    }

    /// [`group_by_key_and_window`](Self::group_by_key_and_window) in `partitions` partitions.
    #[track_caller]
    fn group_by_key_and_window_in(
        &self,
        partitions: usize,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, Vec<V>)>>
    where
        V: Stored,
    {
        let (stream, partitions) = (self.stream(), self.partitions_or_default(partitions));
        let panes = stream.shuffled(group_by_key("group_by_key", stream.executor(), partitions), false);
        panes.keyed_window("group_by_key_and_window", (window, slide), partitions, false, |_| Gather)
    }

    /// What `aggregate` makes of the values of each key: counts, means, distinct counts, quantiles, or several at once; see
    /// [`aggregate`](crate::aggregate).
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::aggregate::{DistinctExact, Mean};
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let sizes = test.input([vec![('a', 5), ('a', 3)], vec![('a', 4)], vec![('a', 4)]], 1)?;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// let seen = test.collect(&sizes.aggregate_by_key_and_window((DistinctExact, Mean), window, slide));
    /// test.run(3)?;
    /// assert_eq!(seen.batches(), [[('a', (2, Some(4.0)))], [('a', (3, Some(4.0)))], [('a', (1, Some(4.0)))]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn aggregate_by_key_and_window<A: Aggregate<V>>(
        &self,
        aggregate: A,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, A::Out)>> {
        self.aggregate_by_key_and_window_in(0, aggregate, window, slide)
    }

    /// [`aggregate_by_key_and_window`](Self::aggregate_by_key_and_window) in `partitions` partitions.
    #[track_caller]
    fn aggregate_by_key_and_window_in<A: Aggregate<V>>(
        &self,
        partitions: usize,
        aggregate: A,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, A::Out)>> {
        let (stream, partitions) = (self.stream(), self.partitions_or_default(partitions));
        let aggregate = Arc::new(aggregate);
        let panes = stream.shuffled(aggregated(stream.executor(), partitions, &aggregate), false);
        panes.keyed_window("aggregate_by_key_and_window", (window, slide), partitions, false, |span| {
            sliding(aggregate, span)
        })
    }

    /// The `n` largest values of each key, the largest first.
    #[track_caller]
    fn top_by_key_and_window(
        &self,
        n: usize,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(K, Vec<V>)>>
    where
        V: Stored + Ord,
    {
        self.aggregate_by_key_and_window(TopN::new(n), window, slide)
    }

    /// `partitions`, or the default parallelism for 0.
    #[doc(hidden)]
    fn partitions_or_default(&self, partitions: usize) -> usize {
        if partitions == 0 { self.stream().executor().default_parallelism() } else { partitions }
    }
}

impl<K: Key + Stored, V: Data, S: Stream<Rdd: Rdd<Item = (K, V)>>> PairWindowOps<K, V> for S {}
