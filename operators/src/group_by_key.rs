use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Key};
use millstream_engine::shuffle::{Combine, Shuffle};

/// The values of each key in a list, for the operator `name`: `group_by_key`, `cogroup` and the joins.
pub(crate) fn group_by_key<K: Key, V: Data>(
    name: &'static str,
    executor: &Executor,
    partitions: usize,
) -> impl Shuffle<(K, V), Out = (K, Vec<V>)> {
    let append = |mut all: Vec<V>, mut more: Vec<V>| {
        all.append(&mut more);
        all
    };
    let push = |mut all: Vec<V>, value| {
        all.push(value);
        all
    };
    Combine::new(name, executor, partitions, |value| vec![value], push, append)
}
