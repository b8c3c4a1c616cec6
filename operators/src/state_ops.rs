use millstream_engine::DStream;
use millstream_engine::graph::MapWithStateStream;
use millstream_engine::rdd::{BoxRdd, Data, Key, Rdd, Stored};
use millstream_engine::state::{StateSpec, UpdateSpec};

use crate::stream::Stream;

/// Operators that keep a state for every key, from batch to batch.
///
/// [`map_with_state`](Self::map_with_state) looks at the keys of the batch, [`update_state_by_key`](Self::update_state_by_key)
/// at all keys in every batch. Where both will do, the first is the faster by the number of keys that do not come.
///
/// A batch is taken in as a whole or not at all: when a function panics, no state has changed, and the task is tried again. The
/// keys of one operator can be limited (`state.max_keys`); a batch that would go beyond fails, and changes nothing.
pub trait StateOps<K: Key + Stored, V: Data>: Stream<Rdd: Rdd<Item = (K, V)>> {
    /// Calls the function of `spec` for every record, with the state of the record's key: it may read, set and remove it. What
    /// the function gives are the records of the stream that is returned.
    ///
    /// A batch without an RDD counts as empty. Without [`partitions`](StateSpec::partitions) there are as many as the default
    /// parallelism says.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let words = test.input([vec!["a"], vec!["a", "b", "a"], vec!["b"]], 1)?.map(|word| (word.to_owned(), 1));
    /// let spec = StateSpec::function(|word: &String, one: Option<i64>, count: &mut State<i64>| {
    ///     let sum = count.get().unwrap_or(&0) + one.unwrap_or(0);
    ///     count.update(sum);
    ///     (word.clone(), sum)
    /// });
    /// let counts = words.map_with_state(spec.partitions(1));
    /// let seen = test.collect(&counts.map(|(word, count)| format!("{word}{count}")));
    /// let all = test.collect(&counts.state_snapshots());
    /// test.run(3)?;
    /// assert_eq!(seen.batches(), [vec!["a1"], vec!["a2", "b1", "a3"], vec!["b2"]]);
    /// assert_eq!(all.sorted()[2], [("a".to_owned(), 3), ("b".to_owned(), 2)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn map_with_state<S: Stored, E: Data>(&self, spec: StateSpec<K, V, S, E>) -> MapWithStateStream<K, S, E> {
        self.stream().map_state(spec)
    }

    /// The state of all keys after every batch: what `f` makes of the values that a key has in the batch (there may be none) and
    /// of its state. It is called once for every key that has a state or values; where it returns `None`, the key is forgotten.
    ///
    /// A batch without an RDD counts as empty; before the first one with an RDD there is nothing.
    ///
    /// ```
    /// use millstream_engine::testkit::TestContext;
    /// use millstream_operators::prelude::*;
    /// use std::time::Duration;
    ///
    /// let test = TestContext::new(Duration::from_secs(1))?;
    /// let clicks = test.input([vec![("ann", 1)], vec![("ann", 2), ("bob", 5)], vec![]], 2)?;
    /// let clicks = clicks.map(|(user, n)| (user.to_owned(), n));
    /// let sums = clicks.update_state_by_key(|new: &[i64], sum| Some(sum.unwrap_or(0) + new.iter().sum::<i64>()));
    /// let seen = test.collect(&sums);
    /// test.run(3)?;
    /// let (ann, bob) = ("ann".to_owned(), "bob".to_owned());
    /// let both = vec![(ann.clone(), 3), (bob, 5)];
    /// assert_eq!(seen.sorted(), [vec![(ann, 1)], both.clone(), both]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    #[track_caller]
    fn update_state_by_key<S: Stored>(
        &self,
        f: impl Fn(&[V], Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<BoxRdd<(K, S)>> {
        self.update_state_by_key_in(0, f)
    }

    /// [`update_state_by_key`](Self::update_state_by_key) in `partitions` partitions (0: the default parallelism).
    #[track_caller]
    fn update_state_by_key_in<S: Stored>(
        &self,
        partitions: usize,
        f: impl Fn(&[V], Option<S>) -> Option<S> + Send + Sync + 'static,
    ) -> DStream<BoxRdd<(K, S)>> {
        self.update_state_by_key_with(UpdateSpec::values(f).partitions(partitions))
    }

    /// [`update_state_by_key`](Self::update_state_by_key) with an initial state, or with a function that is told the time and the
    /// key, or that sees a partition at a time: see [`UpdateSpec`].
    #[track_caller]
    fn update_state_by_key_with<S: Stored>(&self, spec: UpdateSpec<K, V, S>) -> DStream<BoxRdd<(K, S)>> {
        self.stream().update_state(spec)
    }
}

impl<K: Key + Stored, V: Data, S: Stream<Rdd: Rdd<Item = (K, V)>>> StateOps<K, V> for S {}

impl<K: Data, S: Data, E: Data> Stream for MapWithStateStream<K, S, E> {
    type Rdd = BoxRdd<E>;

    fn stream(&self) -> &DStream<BoxRdd<E>> {
        self.mapped()
    }
}
