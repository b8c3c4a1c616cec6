use std::collections::HashMap;

use millstream_engine::Result;
use millstream_engine::rdd::{Data, Key, Rdd};

use crate::combine_by_key::count_by_value;
use crate::distinct::Single;
use crate::{Actions, Keys};
use millstream_engine::shuffle::Wide;

/// The actions of RDDs of pairs.
pub trait PairActions<K: Key, V: Data>: Rdd<Item = (K, V)> {
    /// All pairs as a map; of several pairs with one key, the last stays.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2), ("a", 3)], 2);
    /// assert_eq!(rdd.collect_as_map()?["a"], 3);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn collect_as_map(&self) -> Result<HashMap<K, V>> {
        Ok(self.collect()?.into_iter().collect())
    }

    /// How many pairs each key has.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 2), ("a", 3)], 2);
    /// assert_eq!(rdd.count_by_key()?["a"], 2);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn count_by_key(&self) -> Result<HashMap<K, u64>> {
        let shuffle = count_by_value(self.executor(), 0);
        Wide::new(Single::new(Keys::new(self.clone())), shuffle).collect_as_map()
    }
}

impl<K: Key, V: Data, R: Rdd<Item = (K, V)>> PairActions<K, V> for R {}
