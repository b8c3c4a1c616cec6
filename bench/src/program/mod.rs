//! The programs beside the engine: plain and expert, on one thread, each in one file per workload.

pub mod access_log;
pub mod filter;
pub mod word_count;
pub mod word_count_expert;
