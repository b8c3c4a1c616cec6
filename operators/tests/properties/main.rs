//! Every operator against a plain reference, at any partitioning.

mod common;
mod rdds;
mod streams;
mod window_aggregates;
mod window_joins;
mod windows;
