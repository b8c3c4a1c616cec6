//! The mechanism of Millstream. The modules stand in the order in which a record meets them; `ARCHITECTURE.md` beside this crate
//! walks one record through them.

mod error;
mod time;

pub mod clock;
pub mod config;

pub mod text;

pub mod rdd;

pub mod graph;

pub mod receive;

pub mod batch;

pub mod job;

pub mod shuffle;

pub mod observe;

pub mod context;

pub mod testkit;

pub use config::Config;
pub use context::{ContextState, StreamingContext};
pub use error::{Error, Result};
pub use graph::{BoxError, DStream, InputStream};
pub use text::Text;
pub use time::Time;
