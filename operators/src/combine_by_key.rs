use std::sync::Arc;

use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Key};
use millstream_engine::shuffle::{Combine, Shuffle};

/// The values of each key combined: `create` begins with the first, `update` takes in a further one, `merge` brings two workers'
/// results together: `combine_by_key`.
pub(crate) fn combine_by_key<K: Key, V: Data, C: Data>(
    executor: &Executor,
    partitions: usize,
    create: impl Fn(V) -> C + Send + Sync + 'static,
    update: impl Fn(C, V) -> C + Send + Sync + 'static,
    merge: impl Fn(C, C) -> C + Send + Sync + 'static,
) -> impl Shuffle<(K, V), Out = (K, C)> {
    Combine::new("combine_by_key", executor, partitions, create, update, merge)
}

/// The same, beginning with `zero`: `aggregate_by_key`.
pub(crate) fn aggregate_by_key<K: Key, V: Data, C: Data>(
    executor: &Executor,
    partitions: usize,
    zero: C,
    add: impl Fn(C, V) -> C + Send + Sync + 'static,
    merge: impl Fn(C, C) -> C + Send + Sync + 'static,
) -> impl Shuffle<(K, V), Out = (K, C)> {
    let add = Arc::new(add);
    let first = Arc::clone(&add);
    let create = move |value| first(zero.clone(), value);
    Combine::new("aggregate_by_key", executor, partitions, create, move |all, value| add(all, value), merge)
}

/// The same with one function for both: `fold_by_key`.
pub(crate) fn fold_by_key<K: Key, V: Data>(
    executor: &Executor,
    partitions: usize,
    zero: V,
    f: impl Fn(V, V) -> V + Send + Sync + 'static,
) -> impl Shuffle<(K, V), Out = (K, V)> {
    let f = Arc::new(f);
    let (first, merge) = (Arc::clone(&f), Arc::clone(&f));
    let create = move |value| first(zero.clone(), value);
    Combine::new("fold_by_key", executor, partitions, create, move |a, v| f(a, v), move |a, b| merge(a, b))
}

/// How often each key occurs: `count_by_value`.
pub(crate) fn count_by_value<T: Key>(
    executor: &Executor,
    partitions: usize,
) -> impl Shuffle<(T, ()), Out = (T, u64)> {
    Combine::new("count_by_value", executor, partitions, |()| 1u64, |n, ()| n + 1, |a, b| a + b)
}
