//! The configuration: one typed value per knob, from code, command line, environment or file.
//!
//! The way of a value, one file per hop:
//!
//! - `keys.rs`: the table of every key, with its meaning and allowed range. Listings, file keys and
//!   environment names all come from it;
//! - `kind.rs` and `parse.rs`: how the text of a value becomes typed, and back;
//! - `layers.rs`: which of several places wins, and what is said of a key that nobody knows;
//! - `settings.rs`: the typed values with their defaults, which the engine reads;
//! - `setters.rs`: the same values, set in code;
//! - `validate.rs`: the ranges of what code has set, and the relations between keys.
//!
//! From weakest to strongest the places are: default, file, environment, arguments, code. A stronger
//! place wins in whatever order the calls are written:
//!
//! ```
//! use millstream_engine::config::Config;
//! use std::time::Duration;
//!
//! let config = Config::new()
//!     .batch_interval(Duration::from_millis(500))
//!     .with_env([("MILLSTREAM_RECEIVER_BLOCK_INTERVAL", "50ms"), ("MILLSTREAM_BATCH_INTERVAL", "9s")])?
//!     .with_args(["receiver.block_interval=100ms"])?;
//! config.validate()?;
//! assert_eq!(config.batch_interval, Duration::from_millis(500));
//! assert_eq!(config.effective_block_interval(), Duration::from_millis(100));
//! # Ok::<(), millstream_engine::Error>(())
//! ```

mod keys;
mod kind;
mod layers;
mod master;
mod on_batch_failure;
mod parse;
mod setters;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

pub use keys::Key;
pub use layers::{Config, Place};
pub use master::Master;
pub use on_batch_failure::OnBatchFailure;
pub use settings::Settings;
