use std::sync::Arc;

use super::node::AnyNode;
use crate::job::Job;
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
    pub(crate) generate: Box<dyn Fn(Time) -> Result<Option<OutputBody>> + Send + Sync>,
}
