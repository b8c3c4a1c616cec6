//! The outside world of Millstream: sources, sinks and formats.

pub mod file;
pub mod format;
mod lines;
