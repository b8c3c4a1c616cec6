use millstream_engine::job::Executor;
use millstream_engine::rdd::{Data, Key};
use millstream_engine::shuffle::{Exchange, Shuffle};

/// Every worker deals its records out to the partitions in turn: `repartition`.
pub(crate) fn repartition<T: Data>(executor: &Executor, partitions: usize) -> impl Shuffle<T, Out = T> {
    let deal = |_: &T, sent: usize, partitions: usize| sent % partitions;
    Exchange::new("repartition", executor, partitions, deal)
}

/// Every pair goes to the partition of its key's hash: `partition_by`.
pub(crate) fn partition_by<K: Key, V: Data>(
    executor: &Executor,
    partitions: usize,
) -> impl Shuffle<(K, V), Out = (K, V)> {
    Exchange::by_key("partition_by", executor, partitions)
}
