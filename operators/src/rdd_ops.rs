use std::sync::Arc;

use millstream_engine::rdd::{Data, Rdd};

use crate::{Filter, FilterMap, FlatMap, Map};

/// The operators of every [`Rdd`]. They are lazy and fuse with each other; nothing runs before an [action](crate::Actions).
pub trait RddOps: Rdd {
    /// Every record changed by `f`.
    fn map<U: Data, F: Fn(Self::Item) -> U + Send + Sync + 'static>(self, f: F) -> Map<Self, F> {
        Map::new(self, Arc::new(f))
    }

    /// Every record turned into any number of records by `f`.
    fn flat_map<I, F>(self, f: F) -> FlatMap<Self, F>
    where
        I: IntoIterator,
        I::Item: Data,
        F: Fn(Self::Item) -> I + Send + Sync + 'static,
    {
        FlatMap::new(self, Arc::new(f))
    }

    /// The records for which `f` holds.
    fn filter<F: Fn(&Self::Item) -> bool + Send + Sync + 'static>(self, f: F) -> Filter<Self, F> {
        Filter::new(self, Arc::new(f))
    }

    /// What `f` makes of the records, where it makes anything.
    fn filter_map<U: Data, F: Fn(Self::Item) -> Option<U> + Send + Sync + 'static>(
        self,
        f: F,
    ) -> FilterMap<Self, F> {
        FilterMap::new(self, Arc::new(f))
    }
}

impl<R: Rdd> RddOps for R {}
