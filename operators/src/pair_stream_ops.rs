use millstream_engine::DStream;
use millstream_engine::rdd::{Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::reduce_by_key::reduce_by_key;
use crate::stream::Stream;

/// The operators of streams of pairs.
pub trait PairStreamOps<K: Key, V: Data>: Stream<Rdd: Rdd<Item = (K, V)>> {
    /// The values of each key brought together by `f`, which must be associative and commutative.
    #[track_caller]
    fn reduce_by_key(&self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> DStream<Wide<(K, V)>> {
        self.reduce_by_key_in(0, f)
    }

    /// The same in `partitions` partitions (0: the default parallelism).
    #[track_caller]
    fn reduce_by_key_in(
        &self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> DStream<Wide<(K, V)>> {
        let stream = self.stream();
        stream.shuffled(reduce_by_key(stream.executor(), partitions, f), false)
    }
}

impl<K: Key, V: Data, S: Stream<Rdd: Rdd<Item = (K, V)>>> PairStreamOps<K, V> for S {}
