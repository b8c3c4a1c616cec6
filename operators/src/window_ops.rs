use std::fmt::Debug;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use millstream_engine::DStream;
use millstream_engine::rdd::{BoxRdd, Data, Key, Rdd, Stored};
use millstream_engine::window::{Invertible, MergeByValue, Span, TwoStacks};

use crate::Values;
use crate::aggregate::Aggregate;
use crate::aggregate_windows::{aggregated_whole, sliding};
use crate::combine_by_key::count_by_value;
use crate::distinct::Single;
use crate::stream::{ItemOf, Stream};
use crate::window_panes::{counts, reduced};

/// Operators over the last while: a window of length `window` is put out every `slide`.
///
/// The window at time T holds the batches in (T - `window`, T]. Both durations must be multiples of this stream's slide; if not,
/// `start` says so. The first windows are not full. With a slide larger than the window, what lies between two windows is in
/// none.
///
/// Each batch is brought down to a *pane* once, when it comes; a window is made of panes. So the cost of a window does not grow
/// with its length, except for [`window`](Self::window), which gives all records again.
pub trait WindowOps: Stream {
    /// The records of the last `window`, in every batch. They are kept in memory, once.
    #[track_caller]
    fn window(&self, window: Duration) -> DStream<BoxRdd<ItemOf<Self>>> {
        self.stream().windowed(window, self.stream().slide())
    }

    /// The records of the last `window`, every `slide`.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let numbers = test.input([vec![1], vec![2], vec![3], vec![4]], 1)?;
    /// let seen = test.collect(&numbers.window_sliding(Duration::from_secs(3), Duration::from_secs(2)));
    /// test.run(4)?;
    /// assert_eq!(seen.batches(), [vec![1, 2], vec![2, 3, 4]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn window_sliding(&self, window: Duration, slide: Duration) -> DStream<BoxRdd<ItemOf<Self>>> {
        self.stream().windowed(window, slide)
    }

    /// The number of records in the window: nothing before the first record ever, then a number, which may be 0.
    #[track_caller]
    fn count_by_window(&self, window: Duration, slide: Duration) -> DStream<BoxRdd<u64>> {
        let location = Location::caller();
        let sums = |_| Invertible::new(|a: u64, b| a + b, |a: u64, b| a - b, location);
        counts(self.stream()).keyed_window_shown("count_by_window", (window, slide), 1, true, sums, values)
    }

    /// All records in the window brought together by `f`, which must be associative; nothing for an empty window.
    #[track_caller]
    fn reduce_by_window<F>(&self, f: F, window: Duration, slide: Duration) -> DStream<BoxRdd<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Stored>,
        F: Fn(ItemOf<Self>, ItemOf<Self>) -> ItemOf<Self> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        let panes = reduced(self.stream(), &f);
        let merge = MergeByValue(move |a, b| f(a, b));
        let stacks = |span: Span| TwoStacks::new(merge, ItemOf::<Self>::clone, span.panes());
        panes.keyed_window_shown("reduce_by_window", (window, slide), 1, false, stacks, values)
    }

    /// The same for a function with an inverse: `inverse(f(a, b), b)` is `a`. It costs less; once there has been a record, an
    /// empty window gives what is left when everything has been taken back.
    #[track_caller]
    fn reduce_by_window_inv<F, I>(
        &self,
        f: F,
        inverse: I,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<ItemOf<Self>>>
    where
        Self::Rdd: Rdd<Item: Stored + Debug>,
        F: Fn(ItemOf<Self>, ItemOf<Self>) -> ItemOf<Self> + Send + Sync + 'static,
        I: Fn(ItemOf<Self>, ItemOf<Self>) -> ItemOf<Self> + Send + Sync + 'static,
    {
        let (f, location) = (Arc::new(f), Location::caller());
        let panes = reduced(self.stream(), &f);
        let sums = |_| Invertible::new(move |a, b| f(a, b), inverse, location);
        panes.keyed_window_shown("reduce_by_window_inv", (window, slide), 1, true, sums, values)
    }

    /// What `aggregate` makes of all records in the window (see [`aggregate`](crate::aggregate)); nothing for an empty window.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::aggregate::{Count, Max};
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let numbers = test.input([vec![3, 9], vec![4], vec![5]], 1)?;
    /// let (window, slide) = (Duration::from_secs(2), Duration::from_secs(1));
    /// let seen = test.collect(&numbers.aggregate_by_window((Count, Max), window, slide));
    /// test.run(3)?;
    /// assert_eq!(seen.batches(), [[(2, Some(9))], [(3, Some(9))], [(2, Some(5))]]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn aggregate_by_window<A: Aggregate<ItemOf<Self>>>(
        &self,
        aggregate: A,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<A::Out>> {
        let aggregate = Arc::new(aggregate);
        let panes = self.stream().shuffled(aggregated_whole(&aggregate), false);
        let stacks = |span| sliding(aggregate, span);
        panes.keyed_window_shown("aggregate_by_window", (window, slide), 1, false, stacks, values)
    }

    /// How often each record occurs in the window.
    #[track_caller]
    fn count_by_value_and_window(
        &self,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(ItemOf<Self>, u64)>>
    where
        Self::Rdd: Rdd<Item: Key + Stored>,
    {
        self.count_by_value_and_window_in(0, window, slide)
    }

    /// [`count_by_value_and_window`](Self::count_by_value_and_window) in `partitions` partitions.
    #[track_caller]
    fn count_by_value_and_window_in(
        &self,
        partitions: usize,
        window: Duration,
        slide: Duration,
    ) -> DStream<BoxRdd<(ItemOf<Self>, u64)>>
    where
        Self::Rdd: Rdd<Item: Key + Stored>,
    {
        let (stream, location) = (self.stream(), Location::caller());
        let partitions = if partitions == 0 { stream.executor().default_parallelism() } else { partitions };
        let keys = stream.lift_by_record("count_by_value_and_window", Single::new);
        let panes = keys.shuffled(count_by_value(stream.executor(), partitions), false);
        panes.keyed_window("count_by_value_and_window", (window, slide), partitions, false, |_| {
            Invertible::new(|a: u64, b| a + b, |a: u64, b| a - b, location)
        })
    }
}

/// What a window over one key gives, without the key.
fn values<T: Data>(pairs: BoxRdd<((), T)>) -> BoxRdd<T> {
    Values::new(pairs).boxed()
}

impl<S: Stream> WindowOps for S {}
