//! What the benches of Millstream share: workloads with their answers, and the programs that the engine is measured beside.
//!
//! A [`workload`] is made from a seed and says what the right answer is, from how it was made, not from reading it. A
//! [`program`] is what one would write without the engine: a *plain* one with the standard library and a fast hasher, an *expert*
//! one with everything a single thread can do. A bench takes all of them through [`check`] before it measures any.

pub mod check;
pub mod input;
pub mod latency;
pub mod line_source;
pub mod open_loop;
pub mod process;
pub mod program;
pub mod settings;
pub mod socket;
pub mod stamped;
pub mod workload;
