use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Key};
use millstream_engine::shuffle::{Combine, Shuffle};

/// The values of each key brought together by `f`: `reduce_by_key`.
pub(crate) fn reduce_by_key<K: Key, V: Data, F>(
    executor: &Executor,
    partitions: usize,
    f: F,
) -> impl Shuffle<(K, V), Out = (K, V)>
where
    F: Fn(V, V) -> V + Send + Sync + 'static,
{
    let f = std::sync::Arc::new(f);
    let merge = std::sync::Arc::clone(&f);
    Combine::new("reduce_by_key", executor, partitions, |v| v, move |a, v| f(a, v), move |a, b| merge(a, b))
}
