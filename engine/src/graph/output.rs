use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::AnyNode;
use crate::job::Job;
use crate::recovery::without_modules;
use crate::{BoxError, Result, Time};

/// What an output operation does with one batch. It may be called again when the batch is retried.
pub(crate) type OutputBody = Box<dyn Fn(&Job) -> Result<(), BoxError> + Send + Sync>;

/// An output operation: it asks its stream for the batch's RDD and says what to do with it, or that there is nothing to do.
pub(crate) struct Output {
    pub(crate) id: usize,
    /// The operation, with the place in the user's program.
    pub(crate) description: Arc<str>,
    pub(crate) name: &'static str,
    pub(crate) parent: Arc<dyn AnyNode>,
    /// The type of the sink that it delivers to, if it does.
    pub(crate) sink: Option<&'static str>,
    /// Where that puts the batches, if it says so.
    pub(crate) place: Option<String>,
    pub(crate) generate: Box<dyn Fn(Time) -> Result<Option<OutputBody>> + Send + Sync>,
}

/// What later runs of the program know the outputs by, wherever they stand in it: the operation and where it puts out to, or else the
/// operation and the name of its stream; and a number, for those that are alike, in the order of the program.
pub(super) fn names(outputs: &[Arc<Output>]) -> Arc<[String]> {
    let mut counts = BTreeMap::new();
    let mut name = |output: &Arc<Output>| {
        let kind = kind_of(output);
        let count = counts.entry(kind.clone()).or_insert(0);
        *count += 1;
        format!("{kind} #{count}")
    };
    outputs.iter().map(&mut name).collect()
}

fn kind_of(output: &Output) -> String {
    let Output { name, sink, place, parent, .. } = output;
    let stream = parent.info().name().unwrap_or(parent.info().operator);
    let kind = match (place, sink) {
        (Some(place), _) => format!("{name}({place})"),
        (None, Some(sink)) => format!("{name}({}) of {stream}", without_modules(sink)),
        (None, None) => format!("{name} of {stream}"),
    };
    // Names are listed with commas between where they are to be given up.
    kind.replace(',', ";")
}
