//! Windows of mergeable aggregates.

use std::sync::Arc;

use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Key};
use millstream_engine::shuffle::{Combine, Fold, Shuffle};
use millstream_engine::window::{Merge, Sliding, Span, TwoStacks};

use crate::aggregate::Aggregate;

/// One accumulator per key and batch.
pub(crate) fn aggregated<K: Key, V: Data, A: Aggregate<V>>(
    executor: &Executor,
    partitions: usize,
    aggregate: &Arc<A>,
) -> impl Shuffle<(K, V), Out = (K, A::Acc)> {
    let (first, next, both) = (Arc::clone(aggregate), Arc::clone(aggregate), Arc::clone(aggregate));
    let create = move |value| {
        let mut acc = first.zero();
        first.add(&mut acc, value);
        acc
    };
    let update = move |mut acc, value| {
        next.add(&mut acc, value);
        acc
    };
    let merge = move |mut acc, other| {
        both.merge(&mut acc, &other);
        acc
    };
    Combine::new("aggregate_by_key", executor, partitions, create, update, merge)
}

/// One accumulator per batch that has any records.
pub(crate) fn aggregated_whole<V: Data, A: Aggregate<V>>(
    aggregate: &Arc<A>,
) -> impl Shuffle<V, Out = ((), A::Acc)> {
    let (next, both) = (Arc::clone(aggregate), Arc::clone(aggregate));
    let add = move |acc: &mut Option<A::Acc>, value| next.add(acc.get_or_insert_with(|| next.zero()), value);
    let merge = move |acc: Option<A::Acc>, other: Option<A::Acc>| match (acc, other) {
        (Some(mut acc), Some(other)) => {
            both.merge(&mut acc, &other);
            Some(acc)
        }
        (acc, other) => acc.or(other),
    };
    Fold::new("aggregate", || None, add, merge, |acc: Option<A::Acc>| acc.map(|acc| ((), acc)))
}

/// How accumulators follow a window.
pub(crate) fn sliding<V: Data, A: Aggregate<V>>(
    aggregate: Arc<A>,
    span: Span,
) -> impl Sliding<A::Acc, Out = A::Out> {
    let finish = Arc::clone(&aggregate);
    TwoStacks::new(
        Merging { aggregate, values: std::marker::PhantomData::<fn(V)> },
        move |acc: &A::Acc| finish.finish(acc),
        span.panes(),
    )
}

struct Merging<V, A> {
    aggregate: Arc<A>,
    values: std::marker::PhantomData<fn(V)>,
}

impl<V: Data, A: Aggregate<V>> Merge<A::Acc> for Merging<V, A> {
    fn merge(&self, all: &mut A::Acc, other: &A::Acc) {
        self.aggregate.merge(all, other);
    }
}
