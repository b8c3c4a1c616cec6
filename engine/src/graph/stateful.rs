//! The operators that carry something from batch to batch, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::node::AnyNode;
use super::sequenced::AnyFeed;
use crate::storage::Tables;

/// An operator that carries something from batch to batch.
pub(crate) struct Stateful {
    pub(crate) node: Arc<dyn AnyNode>,
    /// How much it holds.
    pub(crate) tables: Arc<Tables>,
    pub(crate) feed: Arc<dyn AnyFeed>,
}

/// What an operator holds that carries something from batch to batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatorInfo {
    /// The name that the program gave with [`named`](crate::DStream::named), or one made of the operator and its place among
    /// those of its kind in the program (`map_with_state-2`).
    pub id: String,
    /// The operator and where in the program it was defined.
    pub description: String,
    /// The keys that it held at the end of the last batch.
    pub keys: usize,
    /// The bytes of its tables then; what keys and values own elsewhere (long texts, lists) is not counted.
    pub bytes: usize,
}

/// The name that the program gave to two of the operators.
pub(super) fn twice_named(operators: &[Stateful]) -> Option<String> {
    let mut seen = BTreeSet::new();
    let mut ids = infos(operators).into_iter().map(|info| info.id);
    ids.find(|id| !seen.insert(id.clone()))
}

/// Has each operator's refusals say which it is.
pub(super) fn label(operators: &[Stateful]) {
    for (operator, info) in operators.iter().zip(infos(operators)) {
        let location = operator.node.info().location;
        operator.tables.set_label(format!("{} ({}:{})", info.id, location.file(), location.line()));
    }
}

pub(super) fn infos(operators: &[Stateful]) -> Vec<OperatorInfo> {
    let mut counts = BTreeMap::new();
    let mut info = |operator: &Stateful| {
        let node = operator.node.info();
        let count = counts.entry(node.operator).or_insert(0);
        *count += 1;
        OperatorInfo {
            id: node.name().map_or_else(|| format!("{}-{count}", node.operator), str::to_owned),
            description: node.to_string(),
            keys: operator.tables.keys(),
            bytes: operator.tables.bytes(),
        }
    };
    operators.iter().map(&mut info).collect()
}
