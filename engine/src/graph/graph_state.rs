use std::collections::{BTreeMap, BTreeSet};
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::ReceiverStream;
use super::claims::Claims;
use super::gaps::Gaps;
use super::input::{AnyInput, TypedInput};
use super::node::{AnyNode, Node, NodeInfo, Origin};
use super::stateful::{self, OperatorInfo, Stateful};
use super::windowed::Upkeep;
use super::{DStream, InputStream, Output, OutputBody, StartInfo, output};
use crate::batch::{BlockTracker, InputInfoTracker};
use crate::deliver::Commits;
use crate::job::{Executor, catch};
use crate::rdd::Rdd;
use crate::{Error, Result, Time};

/// Whether streams may still be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The program is building.
    Open,
    /// The context has started: the graph is fixed.
    Started,
    /// The context was stopped.
    Stopped,
}

/// The streams, inputs and output operations of one context.
pub struct Graph {
    pub(super) origin: Arc<Origin>,
    infos: Arc<InputInfoTracker>,
    next_input: AtomicUsize,
    next_node: AtomicUsize,
    parts: Mutex<Parts>,
}

pub(super) struct Parts {
    phase: Phase,
    pub(super) nodes: Vec<Arc<dyn AnyNode>>,
    /// The nodes from which an output is reached; known once the context has started.
    pub(super) reached: BTreeSet<usize>,
    /// How far back windows over whole records reach; known with it.
    reach: Duration,
    pub(super) inputs: Vec<Arc<dyn AnyInput>>,
    receivers: Vec<Arc<dyn ReceiverStream>>,
    outputs: Vec<Arc<Output>>,
    pub(super) stateful: Vec<Stateful>,
    upkeeps: Vec<Upkeep>,
    mistakes: Vec<String>,
    remember: Option<Duration>,
}

impl Graph {
    pub(crate) fn new(executor: Executor, batch_interval: Duration) -> Self {
        Graph {
            origin: Arc::new(Origin {
                executor,
                batch_interval,
                zero: OnceLock::new(),
                claims: Claims::default(),
                gaps: Gaps::default(),
                commits: Commits::default(),
            }),
            infos: Arc::default(),
            next_input: AtomicUsize::new(0),
            next_node: AtomicUsize::new(0),
            parts: Mutex::new(Parts {
                phase: Phase::Open,
                nodes: Vec::new(),
                reached: BTreeSet::new(),
                reach: Duration::ZERO,
                inputs: Vec::new(),
                receivers: Vec::new(),
                outputs: Vec::new(),
                stateful: Vec::new(),
                upkeeps: Vec::new(),
                mistakes: Vec::new(),
                remember: None,
            }),
        }
    }

    pub(super) fn parts(&self) -> MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The compute cores and limits.
    pub fn executor(&self) -> &Executor {
        &self.origin.executor
    }

    /// The time between two batches.
    pub fn batch_interval(&self) -> Duration {
        self.origin.batch_interval
    }

    pub(crate) fn infos(&self) -> &Arc<InputInfoTracker> {
        &self.infos
    }

    /// The number of input streams made so far, which is the id of the next one.
    pub(crate) fn num_inputs(&self) -> usize {
        self.next_input.load(Ordering::Relaxed)
    }

    /// An error when streams cannot be added any more.
    pub(crate) fn ensure_open(&self) -> Result<()> {
        let when = match self.parts().phase {
            Phase::Open => return Ok(()),
            Phase::Started => "starting",
            Phase::Stopped => "stopping",
        };
        Err(Error::State(format!(
            "Adding new inputs, transformations, and output operations after {when} a context is not supported"
        )))
    }

    pub(crate) fn info(
        &self,
        operator: &'static str,
        location: &'static Location<'static>,
        slide: Duration,
        is_stored: bool,
    ) -> NodeInfo {
        let id = self.next_node.fetch_add(1, Ordering::Relaxed);
        NodeInfo::new(id, operator, location, slide, Arc::clone(&self.origin), is_stored)
    }

    /// Adds a node.
    ///
    /// # Panics
    /// After the context has started: the program's mistake, told at its place.
    #[track_caller]
    pub(crate) fn add<R: Rdd>(self: &Arc<Self>, node: Node<R>) -> DStream<R> {
        if let Err(error) = self.ensure_open() {
            panic!("{error}");
        }
        let node = Arc::new(node);
        self.parts().nodes.push(Arc::clone(&node) as Arc<dyn AnyNode>);
        DStream::new(node, Arc::clone(self))
    }

    /// Adds an output operation.
    ///
    /// # Panics
    /// After the context has started.
    #[track_caller]
    pub(crate) fn add_output(&self, make: impl FnOnce(usize) -> Output) {
        if let Err(error) = self.ensure_open() {
            panic!("{error}");
        }
        let mut parts = self.parts();
        let id = parts.outputs.len();
        parts.outputs.push(Arc::new(make(id)));
    }

    /// Adds an operator that carries something from batch to batch.
    pub(crate) fn add_stateful(&self, stateful: Stateful) {
        self.parts().stateful.push(stateful);
    }

    /// What the operators hold that carry something from batch to batch.
    pub(crate) fn operators(&self) -> Vec<OperatorInfo> {
        stateful::infos(&self.parts().stateful)
    }

    /// Adds work that is to be done in batches in which no output asks for it.
    pub(crate) fn add_upkeep(&self, upkeep: Upkeep) {
        self.parts().upkeeps.push(upkeep);
    }

    /// The work of the batch at `time` that no output asks for.
    pub(crate) fn upkeep(&self, time: Time) -> Result<Vec<OutputBody>> {
        let generate: Vec<_> =
            self.parts().upkeeps.iter().map(|upkeep| Arc::clone(&upkeep.generate)).collect();
        generate.iter().filter_map(|generate| generate(time).transpose()).collect()
    }

    /// Notes a mistake of the program that `start` will report: it is told with all others, at the place of each.
    pub(crate) fn mistake(&self, location: &Location<'_>, what: &str) {
        self.parts().mistakes.push(format!("{what} (at {}:{})", location.file(), location.line()));
    }

    pub(crate) fn remember(&self, duration: Duration) -> Result<()> {
        self.ensure_open()?;
        let mut parts = self.parts();
        if let Some(set) = parts.remember {
            return Err(Error::State(format!("Remember duration already set as {} ms", set.as_millis())));
        }
        parts.remember = Some(duration);
        Ok(())
    }

    /// How long batches are remembered beyond what the program needs.
    pub(crate) fn remembered(&self) -> Duration {
        self.parts().remember.unwrap_or_default()
    }

    /// Adds a stream whose batches `input` makes.
    #[track_caller]
    pub(crate) fn add_input<I: InputStream>(
        self: &Arc<Self>,
        name: &str,
        input: I,
    ) -> Result<DStream<I::Rdd>> {
        self.ensure_open()?;
        let stream = self.next_input_id();
        let input = Arc::new(TypedInput { stream, name: format!("{name} [{stream}]"), input });
        self.parts().inputs.push(Arc::clone(&input) as _);
        let (infos, origin) = (Arc::clone(&self.infos), Arc::clone(&self.origin));
        let compute = move |time| input.rdd_at(time, &origin, &infos);
        let info = self.info("input stream", Location::caller(), self.batch_interval(), false);
        Ok(self.add(Node::new(info, Vec::new(), Box::new(compute))))
    }

    pub(crate) fn add_receiver(&self, receiver: Arc<dyn ReceiverStream>) {
        self.parts().receivers.push(receiver);
    }

    /// A name for the next receiver: its id and "<Class words> [id]".
    pub(crate) fn next_input_id(&self) -> usize {
        self.next_input.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn receivers(&self) -> Vec<Arc<dyn ReceiverStream>> {
        self.parts().receivers.clone()
    }

    pub(crate) fn trackers(&self) -> Vec<Arc<BlockTracker>> {
        self.parts().receivers.iter().map(|receiver| receiver.tracker()).collect()
    }

    pub(crate) fn outputs(&self) -> Vec<Arc<Output>> {
        self.parts().outputs.clone()
    }

    /// What later runs know the outputs by, in their order.
    pub(crate) fn output_names(&self) -> Arc<[String]> {
        output::names(&self.parts().outputs)
    }

    /// Checks that the graph can run.
    ///
    /// # Errors
    /// All mistakes of the program at once, or that there is no output operation.
    pub(crate) fn validate(&self) -> Result<()> {
        let parts = self.parts();
        if !parts.mistakes.is_empty() {
            return Err(Error::Definition(parts.mistakes.join("; ")));
        }
        if let Some(name) = stateful::twice_named(&parts.stateful) {
            return Err(Error::Definition(format!(
                "two stateful operators are named {name:?}, but a name says which state is whose: give each its own"
            )));
        }
        if parts.outputs.is_empty() {
            return Err(Error::Definition(
                "No output operations registered, so nothing to execute. Add one, for example print() or foreach_rdd()."
                    .to_owned(),
            ));
        }
        Ok(())
    }

    /// Fixes the graph: finds what is shared, lets shuffles go ahead.
    pub(crate) fn fix(&self, zero: Time) {
        let (nodes, consumers) = {
            let mut parts = self.parts();
            parts.phase = Phase::Started;
            let consumers = count_consumers(&parts.outputs);
            parts.reached = consumers.keys().copied().collect();
            parts.upkeeps.retain(|upkeep| consumers.contains_key(&upkeep.node));
            stateful::label(&parts.stateful);
            (parts.nodes.clone(), consumers)
        };
        let _ = self.origin.zero.set(zero);
        for node in &nodes {
            node.settle(consumers.get(&node.info().id).copied().unwrap_or(0));
        }
        for node in nodes.iter().filter(|node| consumers.contains_key(&node.info().id)) {
            node.begin();
        }
        // What cannot be recovered is told where it matters: with a checkpoint directory.
        let reach = self.reach().unwrap_or_default();
        self.parts().reach = reach;
    }

    /// What the inputs' batches are made of.
    pub(crate) fn claims(&self) -> &Claims {
        &self.origin.claims
    }

    /// The batches that are not made.
    pub(crate) fn gaps(&self) -> &Gaps {
        &self.origin.gaps
    }

    /// What the outputs with a sink have prepared.
    pub(crate) fn commits(&self) -> &Commits {
        &self.origin.commits
    }

    /// Starts the inputs.
    pub(crate) fn start_inputs(&self) -> Result<()> {
        let inputs = self.inputs();
        let zero = self.origin.zero.get().copied().unwrap_or_default();
        let start = StartInfo { zero, executor: self.origin.executor.clone() };
        inputs.iter().try_for_each(|input| {
            catch(|| input.start(&start)).unwrap_or_else(|reason| {
                Err(Error::State(format!("an input could not be started: {reason}")))
            })
        })
    }

    /// True when all inputs have come to their end: the next batch holds what is left.
    pub(crate) fn is_finished(&self) -> bool {
        let (inputs, receivers) = {
            let parts = self.parts();
            (parts.inputs.clone(), parts.receivers.clone())
        };
        inputs.iter().all(|input| guarded("is_finished", || input.is_finished()).unwrap_or(false))
            && receivers.iter().all(|receiver| receiver.is_stopped())
    }

    pub(crate) fn stop(&self) {
        let inputs = {
            let mut parts = self.parts();
            match std::mem::replace(&mut parts.phase, Phase::Stopped) {
                Phase::Started => parts.inputs.clone(),
                Phase::Open | Phase::Stopped => return,
            }
        };
        for input in &inputs {
            guarded("stop", || input.stop());
        }
    }

    /// Forgets what no batch after `time` needs.
    pub(crate) fn completed(&self, time: Time) {
        let (nodes, inputs, trackers, remember, reach) = {
            let parts = self.parts();
            let trackers: Vec<_> = parts.receivers.iter().map(|receiver| receiver.tracker()).collect();
            (
                parts.nodes.clone(),
                parts.inputs.clone(),
                trackers,
                parts.remember.unwrap_or_default(),
                parts.reach,
            )
        };
        nodes.iter().for_each(|node| node.forget(time - remember));
        trackers.iter().for_each(|tracker| tracker.forget(time - remember));
        self.origin.claims.forget(time - remember.max(reach));
        self.origin.commits.forget(time);
        for input in &inputs {
            guarded("completed", || input.completed(time));
        }
        self.infos.cleanup(time - remember);
    }
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let parts = self.parts();
        f.debug_struct("Graph")
            .field("phase", &parts.phase)
            .field("nodes", &parts.nodes.len())
            .field("outputs", &parts.outputs.len())
            .finish_non_exhaustive()
    }
}

/// Runs a method of a user's input; the engine's thread outlives its panic.
fn guarded<T>(method: &str, f: impl FnOnce() -> T) -> Option<T> {
    catch(f).map_err(|reason| tracing::error!(method, %reason, "an input panicked")).ok()
}

/// How many streams and outputs read each node, counting only those from which an output is reached.
fn count_consumers(outputs: &[Arc<Output>]) -> BTreeMap<usize, usize> {
    let mut consumers = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut pending: Vec<Arc<dyn AnyNode>> = Vec::new();
    for output in outputs {
        *consumers.entry(output.parent.info().id).or_insert(0) += 1;
        pending.push(Arc::clone(&output.parent));
    }
    while let Some(node) = pending.pop() {
        if seen.insert(node.info().id) {
            for parent in node.parents() {
                *consumers.entry(parent.info().id).or_insert(0) += 1;
                pending.push(Arc::clone(parent));
            }
        }
    }
    consumers
}
