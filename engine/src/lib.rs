//! The mechanism of Millstream. Each module uses only modules above it; `ARCHITECTURE.md` beside this crate walks a record
//! through them.

mod codec;
mod error;
mod time;

pub mod fs;

pub mod wal;

pub mod clock;
pub mod config;

pub mod text;

pub mod storage;

pub mod observe;

pub mod job;

pub mod rdd;

pub mod block;

pub mod shuffle;

pub mod recovery;

pub mod deliver;

mod sequence;

pub mod state;

pub mod window;

pub mod batch;

pub mod receive;

pub mod graph;

pub mod context;

pub mod testkit;

pub use config::Config;
pub use context::{ContextState, StreamingContext};
pub use error::{BoxError, Error, Result};
pub use graph::{DStream, InputStream};
pub use text::Text;
pub use time::Time;
