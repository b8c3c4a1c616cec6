use std::sync::Arc;

use millstream_engine::DStream;
use millstream_engine::rdd::Data;

use crate::stream::{ItemOf, SharedOf, Stream};
use crate::{Filter, FilterMap, FlatMap, Map};

/// The operators of every [`DStream`]: those of [`RddOps`](crate::RddOps), applied to the RDD of each batch.
pub trait StreamOps: Stream {
    /// Every record changed by `f`.
    #[track_caller]
    fn map<U: Data, F>(&self, f: F) -> DStream<Map<SharedOf<Self>, F>>
    where
        F: Fn(ItemOf<Self>) -> U + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("map", move |rdd| Map::new(rdd, Arc::clone(&f)))
    }

    /// Every record turned into any number of records by `f`.
    #[track_caller]
    fn flat_map<I, F>(&self, f: F) -> DStream<FlatMap<SharedOf<Self>, F>>
    where
        I: IntoIterator<Item: Data> + 'static,
        F: Fn(ItemOf<Self>) -> I + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("flat_map", move |rdd| FlatMap::new(rdd, Arc::clone(&f)))
    }

    /// The records for which `f` holds.
    #[track_caller]
    fn filter<F>(&self, f: F) -> DStream<Filter<SharedOf<Self>, F>>
    where
        F: Fn(&ItemOf<Self>) -> bool + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("filter", move |rdd| Filter::new(rdd, Arc::clone(&f)))
    }

    /// What `f` makes of the records, where it makes anything.
    #[track_caller]
    fn filter_map<U: Data, F>(&self, f: F) -> DStream<FilterMap<SharedOf<Self>, F>>
    where
        F: Fn(ItemOf<Self>) -> Option<U> + Send + Sync + 'static,
    {
        let f = Arc::new(f);
        self.stream().lift_by_record("filter_map", move |rdd| FilterMap::new(rdd, Arc::clone(&f)))
    }
}

impl<S: Stream> StreamOps for S {}
