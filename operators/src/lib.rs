//! The vocabulary of Millstream: one operator, one small file, for RDDs and for streams.

#[macro_use]
mod narrow;

mod filter;
mod filter_map;
mod flat_map;
mod map;

mod reduce_by_key;

mod actions;
mod pair_rdd_ops;
mod pair_stream_ops;
mod rdd_ops;
mod stream;
mod stream_ops;

pub use actions::Actions;
pub use filter::Filter;
pub use filter_map::FilterMap;
pub use flat_map::FlatMap;
pub use map::Map;
pub use pair_rdd_ops::PairRddOps;
pub use pair_stream_ops::PairStreamOps;
pub use rdd_ops::RddOps;
pub use stream::{ItemOf, SharedOf, Stream};
pub use stream_ops::StreamOps;
