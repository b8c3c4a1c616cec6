use std::collections::BTreeMap;
use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use super::claims::Claims;
use super::eager::EagerPath;
use super::gaps::Gaps;
use crate::deliver::Commits;
use crate::job::Executor;
use crate::rdd::{Keep, Rdd, Shared};
use crate::{Result, Time};

/// What all nodes of one graph have in common.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) executor: Executor,
    pub(crate) batch_interval: Duration,
    /// The time before the first batch; every slide is counted from it. Set when the context starts.
    pub(crate) zero: OnceLock<Time>,
    /// What the inputs' batches are made of.
    pub(crate) claims: Claims,
    /// The batches that are not made.
    pub(crate) gaps: Gaps,
    /// What the outputs with a sink have prepared.
    pub(crate) commits: Commits,
}

impl Origin {
    /// The last batch that was made, or is, before the one at `time`.
    pub(super) fn batch_before(&self, time: Time) -> Time {
        self.gaps.before(time).unwrap_or(time - self.batch_interval)
    }

    /// How many batches, one every `slide`, there are up to and including `time`.
    pub(crate) fn batches_until(&self, time: Time, slide: Duration) -> u32 {
        let zero = *self.zero.get().unwrap_or(&Time::default());
        u32::try_from(time.since(zero).as_millis() / slide.as_millis().max(1)).unwrap_or(u32::MAX)
    }
}

/// What is known of a node without its type.
pub(crate) struct NodeInfo {
    pub(crate) id: usize,
    pub(crate) operator: &'static str,
    pub(crate) location: &'static Location<'static>,
    pub(crate) slide: Duration,
    pub(crate) origin: Arc<Origin>,
    /// True when reading the node twice costs nothing but memory traffic: blocks that were received.
    pub(crate) is_stored: bool,
    /// How far back it asks its parents, whose batches it keeps.
    pub(crate) reaches_back: Duration,
    keep: AtomicBool,
    /// The name that the program gave.
    name: OnceLock<String>,
}

impl NodeInfo {
    pub(crate) fn new(
        id: usize,
        operator: &'static str,
        location: &'static Location<'static>,
        slide: Duration,
        origin: Arc<Origin>,
        is_stored: bool,
    ) -> Self {
        NodeInfo {
            id,
            operator,
            location,
            slide,
            origin,
            is_stored,
            reaches_back: Duration::ZERO,
            keep: AtomicBool::new(false),
            name: OnceLock::new(),
        }
    }

    pub(crate) fn reaching_back(mut self, window: Duration) -> Self {
        self.reaches_back = window;
        self
    }

    /// A stream has data at the times `zero + k * slide`, k > 0.
    fn is_valid(&self, time: Time) -> bool {
        self.origin.zero.get().is_some_and(|&zero| time > zero && time.is_multiple_of(self.slide, zero))
    }

    /// Gives the node a name; false when it has another one.
    pub(crate) fn set_name(&self, name: &str) -> bool {
        self.name.get_or_init(|| name.to_owned()) == name
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.name.get().map(String::as_str)
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.keep.load(Ordering::Acquire)
    }
}

impl fmt::Display for NodeInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{})", self.operator, self.location.file(), self.location.line())
    }
}

/// A node as the graph sees it.
pub(crate) trait AnyNode: Send + Sync {
    fn info(&self) -> &NodeInfo;
    fn parents(&self) -> &[Arc<dyn AnyNode>];

    /// Called once per node before the first batch, with the number of streams and outputs that read it.
    fn settle(&self, consumers: usize) {
        let is_read_twice = consumers > 1 && !self.info().is_stored;
        self.info().keep.fetch_or(is_read_twice, Ordering::AcqRel);
    }

    /// Called after every node has been settled.
    fn begin(&self) {}

    /// Forgets what was made for batches up to and including `time`.
    fn forget(&self, time: Time);
}

/// How a node's RDD for a batch is made; `None` when it has none.
pub(crate) type Compute<R> = Box<dyn Fn(Time) -> Result<Option<R>> + Send + Sync>;

type OnPersist<R> = dyn Fn(Keep<<R as Rdd>::Item>) + Send + Sync;

pub(crate) struct Node<R: Rdd> {
    info: NodeInfo,
    parents: Vec<Arc<dyn AnyNode>>,
    compute: Compute<R>,
    pub(crate) eager: Option<EagerPath<R>>,
    /// What to do once the graph is settled: a shuffle goes to its input to be eager.
    on_begin: Option<Box<dyn Fn() + Send + Sync>>,
    /// Told with the node itself what to forget.
    on_forget: Option<Box<dyn Fn(Time) + Send + Sync>>,
    /// Told how the program wants the records kept, where they are kept by somebody else: a receiver's blocks, a window's panes.
    on_persist: Option<Box<OnPersist<R>>>,
    /// How the program wants its records kept, if it says.
    keep: Mutex<Option<Keep<R::Item>>>,
    generated: Mutex<BTreeMap<Time, Option<Shared<R>>>>,
}

impl<R: Rdd> Node<R> {
    pub(crate) fn new(info: NodeInfo, parents: Vec<Arc<dyn AnyNode>>, compute: Compute<R>) -> Self {
        Node {
            info,
            parents,
            compute,
            eager: None,
            on_begin: None,
            on_forget: None,
            on_persist: None,
            keep: Mutex::default(),
            generated: Mutex::default(),
        }
    }

    pub(crate) fn with_eager(mut self, eager: Option<EagerPath<R>>) -> Self {
        self.eager = eager;
        self
    }

    pub(crate) fn with_begin(mut self, on_begin: Option<Box<dyn Fn() + Send + Sync>>) -> Self {
        self.on_begin = on_begin;
        self
    }

    pub(crate) fn with_persist(mut self, on_persist: impl Fn(Keep<R::Item>) + Send + Sync + 'static) -> Self {
        self.on_persist = Some(Box::new(on_persist));
        self
    }

    pub(crate) fn with_forget(mut self, on_forget: impl Fn(Time) + Send + Sync + 'static) -> Self {
        self.on_forget = Some(Box::new(on_forget));
        self
    }

    /// Has the records of every batch kept, however many consumers there are.
    pub(crate) fn persist(&self, keep: Keep<R::Item>) {
        if let Some(on_persist) = &self.on_persist {
            return on_persist(keep);
        }
        *self.keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(keep);
        self.info.keep.store(true, Ordering::Release);
    }

    fn keep(&self) -> Option<Keep<R::Item>> {
        let told = *self.keep.lock().unwrap_or_else(PoisonError::into_inner);
        self.info.is_kept().then(|| told.unwrap_or_else(Keep::in_memory))
    }

    /// The RDD of the batch at `time`, made on the first call.
    pub(crate) fn at(&self, time: Time) -> Result<Option<Shared<R>>> {
        if !self.info.is_valid(time) {
            return Ok(None);
        }
        let mut generated = self.generated.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rdd) = generated.get(&time) {
            return Ok(rdd.clone());
        }
        let rdd = (self.compute)(time)?.map(|rdd| Shared::new(rdd, self.keep()));
        generated.insert(time, rdd.clone());
        Ok(rdd)
    }

    /// The same, with "no RDD" read as "no records".
    pub(crate) fn at_or_empty(&self, time: Time) -> Result<Shared<R>> {
        Ok(self.at(time)?.unwrap_or_else(|| Shared::empty(self.info.origin.executor.clone())))
    }
}

impl<R: Rdd> AnyNode for Node<R> {
    fn info(&self) -> &NodeInfo {
        &self.info
    }

    fn parents(&self) -> &[Arc<dyn AnyNode>] {
        &self.parents
    }

    fn begin(&self) {
        if let Some(on_begin) = &self.on_begin {
            on_begin();
        }
    }

    fn forget(&self, time: Time) {
        if let Some(on_forget) = &self.on_forget {
            on_forget(time);
        }
        let mut generated = self.generated.lock().unwrap_or_else(PoisonError::into_inner);
        let later = generated.split_off(&(time + Duration::from_millis(1)));
        let old = std::mem::replace(&mut *generated, later);
        drop(generated);
        drop(old);
    }
}
