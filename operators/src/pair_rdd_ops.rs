use millstream_engine::rdd::{Data, Key, Rdd};
use millstream_engine::shuffle::Wide;

use crate::reduce_by_key::reduce_by_key;

/// The operators of RDDs of pairs.
pub trait PairRddOps<K: Key, V: Data>: Rdd<Item = (K, V)> {
    /// The values of each key brought together by `f`, which must be associative and commutative.
    fn reduce_by_key(self, f: impl Fn(V, V) -> V + Send + Sync + 'static) -> Wide<(K, V)> {
        self.reduce_by_key_in(0, f)
    }

    /// The same in `partitions` partitions (0: the default parallelism).
    fn reduce_by_key_in(
        self,
        partitions: usize,
        f: impl Fn(V, V) -> V + Send + Sync + 'static,
    ) -> Wide<(K, V)> {
        let shuffle = reduce_by_key(self.executor(), partitions, f);
        Wide::new(self, shuffle)
    }
}

impl<K: Key, V: Data, R: Rdd<Item = (K, V)>> PairRddOps<K, V> for R {}
