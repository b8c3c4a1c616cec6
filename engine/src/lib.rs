//! The mechanism of Millstream. The modules stand in the order in which a record meets them.

mod error;
mod time;

pub mod config;

pub mod text;

pub mod clock;

pub mod receive;

pub mod batch;

pub mod observe;

pub use error::{Error, Result};
pub use time::Time;
