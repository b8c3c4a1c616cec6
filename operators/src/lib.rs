//! The vocabulary of Millstream: one operator, one small file, for RDDs and for streams.
//!
//! The methods are in extension traits, all of which come with the [`prelude`]: for RDDs [`RddOps`], [`PairRddOps`],
//! [`JoinRddOps`] and the [`Actions`] and [`PairActions`] that make them run; for streams [`StreamOps`], [`PairStreamOps`],
//! [`JoinStreamOps`], [`TransformOps`], [`StreamsOps`] and the [`OutputOps`] that make them run.
//!
//! What is collected per key over a window, exact or as a bounded sketch, is in [`aggregate`].

#[macro_use]
mod narrow;

pub mod aggregate;

mod coalesce;
mod filter;
mod filter_map;
mod flat_map;
mod flat_map_values;
mod glom;
mod inspect;
mod key_by;
mod keys;
mod map;
mod map_partitions;
mod map_partitions_with_index;
mod map_values;
mod sample;
mod union;
mod values;
mod zip_with_index;

mod combine_by_key;
mod distinct;
mod fold;
mod group_by_key;
mod reduce_by_key;
mod repartition;
mod sort;
mod top;

mod cogroup;
mod join;
mod join_rdd;
mod subtract_by_key;

mod actions;
mod number;
mod pair_actions;
mod print;
mod run;
mod show;

mod join_rdd_ops;
mod pair_rdd_ops;
mod rdd_ops;

mod aggregate_windows;
mod join_stream_ops;
mod output_ops;
mod pair_stream_ops;
mod pair_window_ops;
mod state_ops;
mod stream;
mod stream_ops;
mod transform_ops;
mod try_map;
mod window_ops;
mod window_panes;

#[cfg(test)]
mod testing;

pub use actions::Actions;
pub use coalesce::Coalesce;
pub use cogroup::Cogroup;
pub use distinct::{Distinct, StreamDistinct};
pub use filter::Filter;
pub use filter_map::FilterMap;
pub use flat_map::FlatMap;
pub use flat_map_values::FlatMapValues;
pub use glom::Glom;
pub use inspect::Inspect;
pub use join::{FullOuter, Inner, Join, JoinKind, LeftOuter, RightOuter};
pub use join_rdd::{JoinRdd, Lookup};
pub use join_rdd_ops::{JoinRddOps, RddCogroup};
pub use join_stream_ops::{JoinStreamOps, StreamCogroup, StreamJoin, StreamSubtract};
pub use key_by::KeyBy;
pub use keys::Keys;
pub use map::Map;
pub use map_partitions::MapPartitions;
pub use map_partitions_with_index::MapPartitionsWithIndex;
pub use map_values::MapValues;
pub use number::Number;
pub use output_ops::OutputOps;
pub use pair_actions::PairActions;
pub use pair_rdd_ops::PairRddOps;
pub use pair_stream_ops::PairStreamOps;
pub use pair_window_ops::PairWindowOps;
pub use rdd_ops::RddOps;
pub use sample::Sample;
pub use show::{Show, shown};
pub use state_ops::StateOps;
pub use stream::{ItemOf, SharedOf, Stream};
pub use stream_ops::StreamOps;
pub use subtract_by_key::SubtractByKey;
pub use transform_ops::{StreamsOps, TransformOps};
pub use try_map::{DeadLetter, Failed, Tried, TryMap};
pub use union::Union;
pub use values::Values;
pub use window_ops::WindowOps;
pub use zip_with_index::ZipWithIndex;

/// The traits whose methods are the vocabulary, and what describes keyed state.
pub mod prelude {
    pub use millstream_engine::state::{State, StateSpec, UpdateSpec};

    pub use crate::{
        Actions, JoinRddOps, JoinStreamOps, OutputOps, PairActions, PairRddOps, PairStreamOps, PairWindowOps,
        RddOps, Show, StateOps, StreamOps, StreamsOps, TransformOps, WindowOps,
    };
}
