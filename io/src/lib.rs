//! The outside world of Millstream: sources, sinks and formats.
//!
//! [`Sources`] gives a context its streams, [`Sinks`] writes what a stream holds. Each connector has a folder: `source.rs` is
//! the way in, `sink.rs` the way out, `config.rs` what can be set.

pub mod acknowledged;
pub mod file;
pub mod format;
mod lines;
#[cfg(feature = "object-store")]
pub mod object_store;
pub mod queue;
mod reader;
mod sinks;
pub mod socket;
mod sources;

pub use sinks::Sinks;
pub use sources::{LineStream, Sources};
