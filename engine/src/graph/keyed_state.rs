//! Streams of keyed state.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::DStream;
use super::node::{AnyNode, Node};
use super::sequenced::Feed;
use super::stateful::Stateful;
use crate::rdd::{BoxRdd, Data, Key, Rdd, Stored};
use crate::recovery::Persist;
use crate::sequence::{Sequence, Sequential, StepRdd};
use crate::shuffle::{Exchange, Wide};
use crate::state::{AllKeys, Arriving, Emitted, MapState, StateSpec, States, UpdateSpec, UpdateState, span};
use crate::storage::Tables;
use crate::{Result, Time};

/// The way of a stream of pairs into a stateful operator.
type KeyedFeed<K, V, S> = Arc<Feed<Wide<(K, V)>, S>>;

/// What [`map_state`](DStream::map_state) gives: the records that the function has given, and, on demand, all states.
pub struct MapWithStateStream<K: Data, S: Data, E: Data> {
    mapped: DStream<BoxRdd<E>>,
    states_at: Arc<StatesAt<K, S>>,
    shows_states: Arc<AtomicBool>,
}

type StatesAt<K, S> = dyn Fn(Time) -> Result<Option<BoxRdd<(K, S)>>> + Send + Sync;

impl<K: Data, S: Data, E: Data> MapWithStateStream<K, S, E> {
    /// The records that the function has given.
    pub fn mapped(&self) -> &DStream<BoxRdd<E>> {
        &self.mapped
    }

    /// Names the operator; see [`DStream::named`].
    #[track_caller]
    pub fn named(&self, name: &str) -> Self {
        self.mapped.named(name);
        self.clone()
    }

    /// All keys with their states, after every batch.
    ///
    /// The states are not copied for it, unless they change while a batch's snapshot is still being read or remembered.
    #[track_caller]
    pub fn state_snapshots(&self) -> DStream<BoxRdd<(K, S)>> {
        let graph = &self.mapped.graph;
        let info = graph.info("state_snapshots", Location::caller(), self.mapped.slide(), true);
        let states_at = Arc::clone(&self.states_at);
        let parents = vec![Arc::clone(&self.mapped.node) as Arc<dyn AnyNode>];
        let stream = graph.add(Node::new(info, parents, Box::new(move |time| states_at(time))));
        self.shows_states.store(true, Ordering::Release);
        stream
    }
}

impl<K: Data, S: Data, E: Data> Clone for MapWithStateStream<K, S, E> {
    fn clone(&self) -> Self {
        MapWithStateStream {
            mapped: self.mapped.clone(),
            states_at: Arc::clone(&self.states_at),
            shows_states: Arc::clone(&self.shows_states),
        }
    }
}

impl<K: Data, S: Data, E: Data> std::fmt::Debug for MapWithStateStream<K, S, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.mapped.fmt(f)
    }
}

impl<R: Rdd> DStream<R> {
    /// Calls the function of `spec` for every record, with the state of the record's key, which it may change. The mechanism of
    /// `map_with_state`.
    ///
    /// A batch without an RDD counts as empty. A timeout of 0 is a mistake that `start` reports.
    #[track_caller]
    pub fn map_state<K: Key + Stored, V: Data, S: Stored, E: Data>(
        &self,
        spec: StateSpec<K, V, S, E>,
    ) -> MapWithStateStream<K, S, E>
    where
        R: Rdd<Item = (K, V)>,
    {
        const NAME: &str = "map_with_state";
        let span = self.timeout_span(spec.timeout);
        let by_key = self.by_key(NAME, spec.partitions);
        let operator = MapState::new(NAME, self.executor(), by_key.partitions, spec, span);
        let (tables, shows_states) = (operator.tables(), operator.shows_states());
        let feed = by_key.feed(operator, |_| ());
        let mapped_at = {
            let feed = Arc::clone(&feed);
            move |time| {
                let step = feed.step_at(time)?;
                Ok(step.map(|step| StepRdd::<_, Emitted>::new(Arc::clone(&feed.sequence), step).boxed()))
            }
        };
        let states_at = {
            let feed = Arc::clone(&feed);
            move |time| {
                let step = feed.step_at(time)?;
                Ok(step.map(|step| StepRdd::<_, States>::new(Arc::clone(&feed.sequence), step).boxed()))
            }
        };
        let mapped = by_key.stream.stateful(NAME, &feed, tables, mapped_at);
        MapWithStateStream { mapped, states_at: Arc::new(states_at), shows_states }
    }

    /// Makes, in every batch, the new state of every key with the function of `spec`; the stream has all keys with their states,
    /// in every batch. The mechanism of `update_state_by_key`.
    ///
    /// A batch without an RDD counts as empty; those before the first one with an RDD have no RDD here either, unless there is an
    /// initial state.
    #[track_caller]
    pub fn update_state<K: Key + Stored, V: Data, S: Stored>(
        &self,
        spec: UpdateSpec<K, V, S>,
    ) -> DStream<BoxRdd<(K, S)>>
    where
        R: Rdd<Item = (K, V)>,
    {
        const NAME: &str = "update_state_by_key";
        let by_key = self.by_key(NAME, spec.partitions);
        let has_initial = spec.has_initial();
        let operator = UpdateState::new(NAME, self.executor(), by_key.partitions, spec);
        let (tables, begin) = (operator.tables(), operator.begin());
        let begins = Arc::clone(&begin);
        let feed = by_key.feed(operator, move |time| {
            let _ = begins.set(time);
        });
        let states_at = {
            let feed = Arc::clone(&feed);
            move |time| {
                let step = feed.step_at(time)?;
                let step = step.filter(|_| has_initial || begin.get().is_some_and(|begin| *begin <= time));
                Ok(step.map(|step| StepRdd::<_, AllKeys>::new(Arc::clone(&feed.sequence), step).boxed()))
            }
        };
        by_key.stream.stateful(NAME, &feed, tables, states_at)
    }

    /// In so many batches without a record a key times out.
    #[track_caller]
    fn timeout_span(&self, timeout: Option<Duration>) -> Option<u32> {
        if timeout.is_some_and(|timeout| timeout.as_millis() == 0) {
            let what = "The timeout of map_with_state must be at least 1 ms: leave it out if keys are not to time out";
            self.graph.mistake(Location::caller(), what);
        }
        timeout.map(|timeout| span(timeout, self.slide()))
    }

    /// The records by key, in `partitions` partitions.
    #[track_caller]
    fn by_key<K: Key, V: Data>(&self, name: &'static str, partitions: usize) -> ByKey<K, V>
    where
        R: Rdd<Item = (K, V)>,
    {
        let partitions = if partitions == 0 { self.executor().default_parallelism() } else { partitions };
        let exchange = Exchange::by_key(name, self.executor(), partitions);
        ByKey { stream: self.shuffled(exchange, false), partitions }
    }

    /// The node of a stateful operator that is fed from this stream.
    #[track_caller]
    fn stateful<S: Sequential + Persist, T: Data>(
        &self,
        name: &'static str,
        feed: &Arc<Feed<R, S>>,
        tables: Arc<Tables>,
        rdd_at: impl Fn(Time) -> Result<Option<BoxRdd<T>>> + Send + Sync + 'static,
    ) -> DStream<BoxRdd<T>> {
        let info = self.graph.info(name, Location::caller(), self.slide(), true);
        let (parents, forgets) = (vec![Arc::clone(&self.node) as _], Arc::clone(feed));
        let node = Node::new(info, parents, Box::new(rdd_at)).with_forget(move |time| forgets.forget(time));
        let stream = self.graph.add(node);
        let (node, feed) = (Arc::clone(&stream.node) as _, Arc::clone(feed) as _);
        self.graph.add_stateful(Stateful { node, tables, feed });
        stream
    }
}

/// A stream whose records are in the partitions of their keys.
struct ByKey<K: Key, V: Data> {
    stream: DStream<Wide<(K, V)>>,
    partitions: usize,
}

impl<K: Key, V: Data> ByKey<K, V> {
    /// Feeds every batch to `operator`; `arrives` is told the times of those that have an RDD.
    fn feed<S: Sequential<In = Arriving<K, V>>>(
        &self,
        operator: S,
        arrives: impl Fn(Time) + Send + Sync + 'static,
    ) -> KeyedFeed<K, V, S> {
        let (origin, slide) = (Arc::clone(&self.stream.node.info().origin), self.stream.slide());
        let number = move |time| origin.batches_until(time, slide);
        Arc::new(Feed {
            node: Arc::clone(&self.stream.node),
            sequence: Sequence::new(operator, self.stream.executor().clone()),
            wants: Box::new(|_| true),
            input: Box::new(move |records, time| {
                if records.is_some() {
                    arrives(time);
                }
                Arriving { records, number: number(time) }
            }),
            steps: Mutex::default(),
        })
    }
}
