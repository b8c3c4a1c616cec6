use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::eager::{EagerMapSide, EagerPath};
use super::node::{AnyNode, Compute, Node};
use super::{Graph, Output, OutputBody};
use crate::batch::BlockTracker;
use crate::block::Segment;
use crate::job::{Executor, Job};
use crate::rdd::{Keep, Rdd, Shared, Stored};
use crate::shuffle::{Shuffle, Wide};
use crate::storage::StorageLevel;
use crate::{BoxError, Error, Result, Time};

/// A discretized stream: one RDD per batch, `Time -> Option<Rdd>`.
///
/// It is a description. Nothing runs before an output operation is added and the context is started. Clones are the same
/// stream; a stream that is read by several consumers is computed once.
///
/// The methods here are the mechanism; the vocabulary (`map`, `reduce_by_key`, `print`, ...) comes with the prelude.
pub struct DStream<R: Rdd> {
    pub(super) node: Arc<Node<R>>,
    pub(super) graph: Arc<Graph>,
}

impl<R: Rdd> Clone for DStream<R> {
    fn clone(&self) -> Self {
        DStream { node: Arc::clone(&self.node), graph: Arc::clone(&self.graph) }
    }
}

impl<R: Rdd> std::fmt::Debug for DStream<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DStream {}", self.node.info())
    }
}

impl<R: Rdd> DStream<R> {
    pub(crate) fn new(node: Arc<Node<R>>, graph: Arc<Graph>) -> Self {
        DStream { node, graph }
    }

    /// The time between two RDDs of this stream.
    pub fn slide(&self) -> Duration {
        self.node.info().slide
    }

    /// Names the operator that this stream comes from. The name says, when a program is changed and started again, which
    /// state is whose, and which output has done which batch; two stateful operators of one name are a mistake that `start` reports.
    #[track_caller]
    pub fn named(&self, name: &str) -> Self {
        if !self.node.info().set_name(name) {
            self.graph.mistake(
                Location::caller(),
                &format!("{self:?} has a name already: it cannot be named {name:?}, too"),
            );
        }
        self.clone()
    }

    /// Has the records of every batch kept at `level` until the batch is forgotten, however many read them. The last call holds.
    ///
    /// Of a stream of windows, the panes are kept so. Of a receiver's stream, it is where its blocks may stand, instead of
    /// `receiver.storage_level`; they are encoded always. State is kept in memory, whatever the level.
    ///
    /// # Panics
    /// After the context has started.
    #[track_caller]
    pub fn persist(&self, level: StorageLevel) -> Self
    where
        R::Item: Stored,
    {
        let is_open = self.graph.ensure_open().is_ok();
        assert!(is_open, "Cannot change storage level of a DStream after streaming context has started");
        if self.executor().config().lacks_replica(level) {
            tracing::warn!(stream = ?self, %level, "there is one copy only: set storage.replica_dir for a second one");
        }
        self.node.persist(Keep::at(level));
        self.clone()
    }

    /// [`persist`](Self::persist) at `MEMORY_ONLY_SER`.
    ///
    /// # Panics
    /// After the context has started.
    #[track_caller]
    pub fn cache(&self) -> Self
    where
        R::Item: Stored,
    {
        self.persist(StorageLevel::MEMORY_ONLY_SER)
    }

    /// The RDDs of this stream from `from` to `to`, both included. Those that are forgotten or not there yet are made for the
    /// purpose, if the stream can: a receiver's blocks cannot be had again. Ends that are no batch times of this stream are
    /// taken back to the last one before.
    ///
    /// # Errors
    /// Before the context has started, and when a batch cannot be put together.
    pub fn slice(&self, from: Time, to: Time) -> Result<Vec<Shared<R>>> {
        let Some(&zero) = self.node.info().origin.zero.get() else {
            return Err(Error::State(format!("{self:?} has not been initialized: start the context first")));
        };
        let aligned = |time: Time| {
            let floor = time.floor_from(self.slide(), zero);
            if floor != time {
                tracing::warn!(%time, %floor, stream = ?self, "the end of a slice is no batch time of the stream");
            }
            floor
        };
        let times = aligned(from).to(aligned(to), self.slide());
        times.filter_map(|time| self.at(time).transpose()).collect()
    }

    /// The compute cores and limits.
    pub fn executor(&self) -> &Executor {
        self.graph.executor()
    }

    /// The RDD of the batch at `time`; `None` when the stream has none.
    ///
    /// # Errors
    /// When the batch cannot be put together.
    pub fn at(&self, time: Time) -> Result<Option<Shared<R>>> {
        self.node.at(time)
    }

    /// A stream of `op` applied to each RDD. A batch without an RDD stays without one.
    #[track_caller]
    pub fn lift<R2: Rdd>(
        &self,
        operator: &'static str,
        op: impl Fn(Shared<R>) -> R2 + Send + Sync + 'static,
    ) -> DStream<R2> {
        let node = Arc::clone(&self.node);
        self.child(operator, Box::new(move |time| Ok(node.at(time)?.map(&op))), None)
    }

    /// The same for an operator that takes each record by itself, whatever partition it is in (`map`, `filter`): a shuffle
    /// behind it may run on parts of a batch that is still being received. Such an operator has nothing to
    /// [prepare](Rdd::prepare).
    #[track_caller]
    pub fn lift_by_record<R2: Rdd>(
        &self,
        operator: &'static str,
        op: impl Fn(Shared<R>) -> R2 + Clone + Send + Sync + 'static,
    ) -> DStream<R2> {
        let eager = EagerPath::then(&self.node, op.clone());
        let node = Arc::clone(&self.node);
        self.child(operator, Box::new(move |time| Ok(node.at(time)?.map(&op))), eager)
    }

    /// A stream of `op` applied to each RDD and its time; a batch without an RDD counts as empty. `op` runs once per batch on
    /// the thread that makes the batches.
    #[track_caller]
    pub fn transform_at<R2: Rdd>(
        &self,
        operator: &'static str,
        op: impl Fn(Shared<R>, Time) -> Result<R2> + Send + Sync + 'static,
    ) -> DStream<R2> {
        let node = Arc::clone(&self.node);
        self.child(operator, Box::new(move |time| Ok(Some(op(node.at_or_empty(time)?, time)?))), None)
    }

    /// A stream of `op` applied to the RDDs of two streams of one batch; a missing RDD counts as empty.
    ///
    /// Streams of different slides or contexts are a mistake that `start` reports.
    #[track_caller]
    pub fn combine_with<R2: Rdd, R3: Rdd>(
        &self,
        operator: &'static str,
        other: &DStream<R2>,
        op: impl Fn(Shared<R>, Shared<R2>, Time) -> Result<R3> + Send + Sync + 'static,
    ) -> DStream<R3> {
        self.check_same(other, Location::caller());
        let (left, right) = (Arc::clone(&self.node), Arc::clone(&other.node));
        let parents: Vec<Arc<dyn AnyNode>> = vec![Arc::clone(&self.node) as _, Arc::clone(&other.node) as _];
        let compute: Compute<R3> =
            Box::new(move |time| op(left.at_or_empty(time)?, right.at_or_empty(time)?, time).map(Some));
        let info = self.graph.info(operator, Location::caller(), self.slide(), false);
        self.graph.add(Node::new(info, parents, compute))
    }

    /// A stream of `op` applied to the RDDs of this and `others`, all of one type; a missing RDD counts as empty.
    #[track_caller]
    pub fn combine_all<R2: Rdd>(
        &self,
        operator: &'static str,
        others: &[DStream<R>],
        op: impl Fn(Vec<Shared<R>>, Time) -> Result<R2> + Send + Sync + 'static,
    ) -> DStream<R2> {
        others.iter().for_each(|other| self.check_same(other, Location::caller()));
        let nodes: Vec<_> = std::iter::once(self).chain(others).map(|s| Arc::clone(&s.node)).collect();
        let parents = nodes.iter().map(|node| Arc::clone(node) as Arc<dyn AnyNode>).collect();
        let compute: Compute<R2> = Box::new(move |time| {
            let rdds = nodes.iter().map(|node| node.at_or_empty(time)).collect::<Result<_>>()?;
            op(rdds, time).map(Some)
        });
        let info = self.graph.info(operator, Location::caller(), self.slide(), false);
        self.graph.add(Node::new(info, parents, compute))
    }

    /// A stream of each RDD brought together by `shuffle`. Where the graph allows it, the map side runs eagerly. With
    /// `also_empty` a batch without an RDD counts as empty (`count` gives 0), otherwise it stays without one.
    #[track_caller]
    pub fn shuffled<S: Shuffle<R::Item>>(&self, shuffle: S, also_empty: bool) -> DStream<Wide<S::Out>> {
        let operator = shuffle.name();
        let shuffle = Arc::new(shuffle);
        let side = EagerPath::then(&self.node, |rdd| rdd)
            .map(|path| Arc::new(EagerMapSide::new(path, Arc::clone(&shuffle))));
        let on_begin = side.clone().map(|side| Box::new(move || side.begin()) as Box<dyn Fn() + Send + Sync>);
        let node = Arc::clone(&self.node);
        let compute: Compute<Wide<S::Out>> = Box::new(move |time| {
            let rdd = if also_empty { Some(node.at_or_empty(time)?) } else { node.at(time)? };
            let collected = side.as_ref().and_then(|side| side.collected(time));
            Ok(rdd.map(|rdd| Wide::after(rdd, Arc::clone(&shuffle), collected)))
        });
        let info = self.graph.info(operator, Location::caller(), self.slide(), false);
        self.graph.add(Node::new(info, vec![Arc::clone(&self.node) as _], compute).with_begin(on_begin))
    }

    /// Registers an output operation: `run` is called with the RDD of each batch that has one, in the batch's job.
    #[track_caller]
    pub fn output(
        &self,
        name: &'static str,
        run: impl Fn(&Job, Shared<R>, Time) -> Result<(), BoxError> + Send + Sync + 'static,
    ) {
        let location = Location::caller();
        let (node, run) = (Arc::clone(&self.node), Arc::new(run));
        let generate = move |time| {
            let Some(rdd) = node.at(time)? else { return Ok(None) };
            let run = Arc::clone(&run);
            let body: OutputBody = Box::new(move |job: &Job| run(job, rdd.clone(), time));
            Ok(Some(body))
        };
        let description = format!("{name} at {}:{}", location.file(), location.line()).into();
        let parent = Arc::clone(&self.node) as Arc<dyn AnyNode>;
        let generate = Box::new(generate);
        self.graph.add_output(|id| Output {
            id,
            name,
            description,
            parent,
            sink: None,
            place: None,
            generate,
        });
    }

    #[track_caller]
    fn child<R2: Rdd>(
        &self,
        operator: &'static str,
        compute: Compute<R2>,
        eager: Option<EagerPath<R2>>,
    ) -> DStream<R2> {
        let info = self.graph.info(operator, Location::caller(), self.slide(), false);
        let node = Node::new(info, vec![Arc::clone(&self.node) as _], compute);
        self.graph.add(node.with_eager(eager))
    }

    fn check_same<R2: Rdd>(&self, other: &DStream<R2>, location: &Location<'_>) {
        if !Arc::ptr_eq(&self.graph, &other.graph) {
            self.graph.mistake(location, "Some of the DStreams have different contexts");
        } else if self.slide() != other.slide() {
            self.graph.mistake(location, "Some of the DStreams have different slide durations");
        }
    }
}

/// The stream of a receiver's blocks, where eager paths begin.
#[track_caller]
pub(crate) fn receiver_node<R: Rdd>(
    graph: &Arc<Graph>,
    tracker: Arc<BlockTracker>,
    of_segment: impl Fn(&Segment) -> R + Send + Sync + 'static,
    compute: Compute<R>,
) -> DStream<R> {
    let info = graph.info("receiver stream", Location::caller(), graph.batch_interval(), true);
    let blocks = Arc::clone(&tracker);
    let eager = EagerPath { tracker, of_segment: Arc::new(of_segment), nodes: Vec::new() };
    let node = Node::new(info, Vec::new(), compute).with_eager(Some(eager));
    graph.add(node.with_persist(move |keep| blocks.set_level(keep.level())))
}
