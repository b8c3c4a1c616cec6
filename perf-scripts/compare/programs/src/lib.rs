//! What the Rust programs of the comparison share: their arguments, how they tell their times, and their input and output.

pub mod arguments;
pub mod batches;
pub mod output;
pub mod report;
pub mod ysb;

/// What can go wrong in a program of the comparison; it ends with a message and exit code 1.
pub type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
