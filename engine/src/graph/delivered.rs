//! Outputs that go into a sink.

use std::any::type_name;
use std::panic::Location;
use std::sync::Arc;

use super::node::AnyNode;
use super::{DStream, Output, OutputBody};
use crate::deliver::{Delivery, Sink};
use crate::job::Job;
use crate::rdd::Rdd;

impl<R: Rdd> DStream<R> {
    /// Delivers each batch that has an RDD to `sink`, in two phases, so that it is there once, whatever happens: see
    /// [`Sink`].
    ///
    /// The output operation's description says what the sink [guarantees](crate::deliver::Guarantee). For that, the
    /// program needs a checkpoint directory, and inputs that can be read again.
    #[track_caller]
    pub fn save_to<S: Sink<R::Item>>(&self, sink: S) {
        self.output_to("save_to", type_name::<S>(), sink);
    }

    /// The same for a connector whose output operation has a name of its own.
    #[track_caller]
    pub fn deliver<S: Sink<R::Item>>(&self, name: &'static str, sink: S) {
        self.output_to(name, "", sink);
    }

    #[track_caller]
    fn output_to<S: Sink<R::Item>>(&self, name: &'static str, to: &str, sink: S) {
        let location = Location::caller();
        let comma = if to.is_empty() { "" } else { ", " };
        let (guarantee, file, line) = (sink.guarantee(), location.file(), location.line());
        let place = sink.place();
        let description = format!("{name}({to}{comma}{guarantee}) at {file}:{line}");
        let (node, sink, origin) = (Arc::clone(&self.node), Arc::new(sink), Arc::clone(&self.graph.origin));
        let parent = Arc::clone(&self.node) as Arc<dyn AnyNode>;
        self.graph.add_output(|id| {
            let generate = move |time| {
                let (sink, origin) = (Arc::clone(&sink), Arc::clone(&origin));
                let (delivery, rdd) = match origin.commits.of(time, id) {
                    Some(staged) => (Delivery::prepared(sink, time, id, &staged)?, None),
                    None => match node.at(time)? {
                        Some(rdd) => (Delivery::new(sink, time, id), Some(rdd)),
                        None => return Ok(None),
                    },
                };
                let policy = origin.executor.config().on_batch_failure;
                let body: OutputBody =
                    Box::new(move |job: &Job| delivery.attempt(job, rdd.as_ref(), &origin.commits, policy));
                Ok(Some(body))
            };
            let generate = Box::new(generate);
            Output {
                id,
                name,
                description: description.into(),
                parent,
                sink: Some(type_name::<S>()),
                place,
                generate,
            }
        });
    }
}
