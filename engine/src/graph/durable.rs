//! The graph as checkpoints and recovery see it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::Graph;
use super::input::AnyInput;
use super::node::AnyNode;
use super::output::OutputBody;
use super::sequenced::AnyFeed;
use super::stateful;
use crate::{Error, Result, Time};

/// An operator that carries something from batch to batch, from which an output is reached.
pub(crate) struct DurableOperator {
    pub(crate) id: String,
    pub(crate) description: String,
    pub(crate) keys: usize,
    pub(crate) feed: Arc<dyn AnyFeed>,
}

impl Graph {
    /// The operators that checkpoints hold.
    pub(crate) fn durable_operators(&self) -> Vec<DurableOperator> {
        let parts = self.parts();
        let infos = stateful::infos(&parts.stateful);
        let operators = parts.stateful.iter().zip(infos);
        let reached = operators.filter(|(operator, _)| parts.reached.contains(&operator.node.info().id));
        let durable = |(operator, info): (&stateful::Stateful, stateful::OperatorInfo)| DurableOperator {
            id: info.id,
            description: info.description,
            keys: operator.tables.keys(),
            feed: Arc::clone(&operator.feed),
        };
        reached.map(durable).collect()
    }

    pub(crate) fn inputs(&self) -> Vec<Arc<dyn AnyInput>> {
        self.parts().inputs.clone()
    }

    /// Work that takes the batch at `time` into all operators that carry something on.
    pub(crate) fn step_through(&self, time: Time) -> Result<Vec<OutputBody>> {
        let operators = self.durable_operators();
        operators.iter().filter_map(|operator| operator.feed.step_through(time).transpose()).collect()
    }

    /// The least time that every stream's slide divides: at its multiples every window that has begun has ended, or goes on.
    pub(crate) fn common_slide(&self) -> Duration {
        let parts = self.parts();
        let reached = parts.nodes.iter().filter(|node| parts.reached.contains(&node.info().id));
        reached.fold(self.batch_interval(), |common, node| common_multiple(common, node.info().slide))
    }

    /// How far back windows over whole records reach. They are in no checkpoint: their batches are made again.
    ///
    /// # Errors
    /// When there is such a window over what cannot be made again.
    pub(crate) fn reach(&self) -> Result<Duration> {
        let parts = self.parts();
        let mut reaches = Reaches {
            stateful: parts.stateful.iter().map(|operator| operator.node.info().id).collect(),
            known: BTreeMap::new(),
        };
        let mut reached = parts.nodes.iter().filter(|node| parts.reached.contains(&node.info().id));
        reached.try_fold(Duration::ZERO, |most, node| Ok(most.max(reaches.of(&**node)?)))
    }
}

/// The least common multiple; as long as can be where that is longer.
fn common_multiple(a: Duration, b: Duration) -> Duration {
    let (a, b) = (a.as_millis().max(1), b.as_millis().max(1));
    let (mut divisor, mut rest) = (a, b);
    while rest > 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    Duration::from_millis(u64::try_from(a / divisor * b).unwrap_or(u64::MAX))
}

/// How far back each node reaches, with those above it.
struct Reaches {
    stateful: BTreeSet<usize>,
    known: BTreeMap<usize, Duration>,
}

impl Reaches {
    fn of(&mut self, node: &dyn AnyNode) -> Result<Duration> {
        let info = node.info();
        if let Some(known) = self.known.get(&info.id) {
            return Ok(*known);
        }
        if !info.reaches_back.is_zero()
            && let Some(operator) = stateful_above(node, &self.stateful)
        {
            return Err(Error::Definition(format!(
                "{info} keeps the records of {operator}, whose earlier batches cannot be made again after a crash, so a program \
                 with a checkpoint directory cannot have it: use a window by key (reduce_by_key_and_window, \
                 aggregate_by_key_and_window), which is in the checkpoint"
            )));
        }
        let mut parents = node.parents().iter();
        let above =
            parents.try_fold(Duration::ZERO, |most, parent| Ok::<_, Error>(most.max(self.of(&**parent)?)))?;
        self.known.insert(info.id, info.reaches_back + above);
        Ok(info.reaches_back + above)
    }
}

/// A stateful operator that a node's records come from.
fn stateful_above(node: &dyn AnyNode, stateful: &BTreeSet<usize>) -> Option<String> {
    node.parents().iter().find_map(|parent| {
        let info = parent.info();
        if stateful.contains(&info.id) { Some(info.to_string()) } else { stateful_above(&**parent, stateful) }
    })
}
