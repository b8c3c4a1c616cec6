use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::node::{AnyNode, Node};
use crate::Time;
use crate::batch::{BatchBlocks, BlockTracker, EagerSide};
use crate::block::Segment;
use crate::job::{Job, Task, catch};
use crate::rdd::{Rdd, Shared};
use crate::shuffle::{Collected, Locals, Shuffle};

/// The way from a receiver to a node, when only record-wise operators lie on it: what the node makes of a single segment.
pub(crate) struct EagerPath<R> {
    pub(crate) tracker: Arc<BlockTracker>,
    pub(crate) of_segment: Arc<dyn Fn(&Segment) -> R + Send + Sync>,
    /// The nodes on the way, the receiver's own first.
    pub(crate) nodes: Vec<Arc<dyn AnyNode>>,
}

impl<R> Clone for EagerPath<R> {
    fn clone(&self) -> Self {
        EagerPath {
            tracker: Arc::clone(&self.tracker),
            of_segment: Arc::clone(&self.of_segment),
            nodes: self.nodes.clone(),
        }
    }
}

impl<R: Rdd> EagerPath<R> {
    /// The path to `node`'s consumer: `op` applied to what `node` makes of a segment.
    pub(crate) fn then<R2: Rdd>(
        node: &Arc<Node<R>>,
        op: impl Fn(Shared<R>) -> R2 + Send + Sync + 'static,
    ) -> Option<EagerPath<R2>> {
        let before = node.eager.clone()?;
        let of_segment = before.of_segment;
        let mut nodes = before.nodes;
        nodes.push(Arc::clone(node) as Arc<dyn AnyNode>);
        Some(EagerPath {
            tracker: before.tracker,
            of_segment: Arc::new(move |segment| op(Shared::new(of_segment(segment), None))),
            nodes,
        })
    }

    /// A kept stream on the way is computed once for all its consumers, so nobody may run ahead of it.
    pub(crate) fn is_open(&self) -> bool {
        self.nodes.iter().all(|node| !node.info().is_kept())
    }
}

/// The map side of one shuffle, fed with segments while their batch is still open.
pub(crate) struct EagerMapSide<R: Rdd, S: Shuffle<R::Item>> {
    path: EagerPath<R>,
    shuffle: Arc<S>,
    batches: Mutex<BTreeMap<u64, Arc<Locals<S::Local>>>>,
}

impl<R: Rdd, S: Shuffle<R::Item>> EagerMapSide<R, S> {
    pub(crate) fn new(path: EagerPath<R>, shuffle: Arc<S>) -> Self {
        EagerMapSide { path, shuffle, batches: Mutex::default() }
    }

    /// Asks the receiver's tracker for its segments, if the graph allows it.
    pub(crate) fn begin(self: &Arc<Self>) {
        if self.path.is_open() {
            let side: Arc<dyn EagerSide> = Arc::clone(self) as _;
            self.path.tracker.add_eager(Arc::downgrade(&side));
        }
    }

    /// What was collected for the batch at `time`; `None` when this map side is not eager.
    pub(crate) fn collected(&self, time: Time) -> Option<Arc<dyn Collected<S::Local>>> {
        if !self.path.is_open() {
            return None;
        }
        // What cannot be read is told by the node that reads the blocks in its turn.
        let blocks = self.path.tracker.blocks_of(time)?;
        let locals = self.locals(blocks.sequence());
        let tracker = Arc::clone(&self.path.tracker);
        Some(Arc::new(EagerBatch { tracker, blocks, locals: Mutex::new(Some(locals)) }))
    }

    fn locals(&self, batch: u64) -> Arc<Locals<S::Local>> {
        let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
        let workers = self.path.tracker.executor().threads();
        Arc::clone(batches.entry(batch).or_insert_with(|| Arc::new(Locals::new(workers))))
    }
}

impl<R: Rdd, S: Shuffle<R::Item>> EagerSide for EagerMapSide<R, S> {
    fn collect(&self, batch: &BatchBlocks, index: usize, segment: &Segment) {
        let locals = self.locals(batch.sequence());
        if locals.torn().is_none() {
            let task = Task::new(batch.time(), index, 0);
            let collected = catch(|| {
                let rdd = (self.path.of_segment)(segment);
                for partition in 0..rdd.num_partitions() {
                    crate::shuffle::collect_partition(&rdd, &*self.shuffle, partition, &task, &locals);
                }
            });
            if let Err(reason) = collected {
                locals.tear(index, reason);
            }
        }
    }

    fn forget(&self, batch: u64) {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner).remove(&batch);
    }
}

struct EagerBatch<L> {
    tracker: Arc<BlockTracker>,
    blocks: Arc<BatchBlocks>,
    /// Taken by the first run of the job; another run reads the blocks again.
    locals: Mutex<Option<Arc<Locals<L>>>>,
}

impl<L: Send + 'static> Collected<L> for EagerBatch<L> {
    fn finish(&self, _job: &Job) -> Option<Vec<L>> {
        let locals = self.locals.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        self.tracker.finish_eager(&self.blocks);
        locals.torn().is_none().then(|| locals.take())
    }
}
