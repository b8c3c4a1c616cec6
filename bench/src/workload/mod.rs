//! Workloads: the same bytes for the same seed and size on every machine, with their answers.

pub mod access_log;
pub mod cycle;
pub mod keys;
pub mod log_lines;
pub mod random;
pub mod text;
