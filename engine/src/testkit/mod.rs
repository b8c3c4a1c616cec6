//! For testing pipelines: time that moves by hand, input given batch by batch, results collected batch by batch.
//!
//! A [`TestContext`] runs the real engine, with a [`ManualClock`](crate::clock::ManualClock): `run(n)` makes `n` batches in
//! milliseconds and never sleeps. Any number of test contexts may be active in one process.
//!
//! ```
//! use millstream_engine::testkit::TestContext;
//! use std::time::Duration;
//!
//! let test = TestContext::new(Duration::from_secs(1))?;
//! let numbers = test.input([vec![1, 2, 3], vec![], vec![4]], 2)?;
//! let seen = test.collect(&numbers);
//! test.run(3)?;
//! assert_eq!(seen.batches(), [vec![1, 2, 3], vec![], vec![4]]);
//! # Ok::<(), millstream_engine::Error>(())
//! ```
//!
//! What writes files is tested against a [`SimFs`], which a power cut takes back to what was synced, and a [`FaultyFs`], whose n-th
//! call fails. Checkpoints in a store are tested with a [`MemoryStore`], which fails and comes late on request.

mod collected;
mod memory_store;
mod test_context;
mod test_input;

pub use crate::fs::{Call, Errno, Fault, FaultyFs, Gate, PowerCut, SimFs};
pub use collected::Collected;
pub use memory_store::{MemoryStore, StoreCall, StoreFault};
pub use test_context::TestContext;
pub use test_input::TestInput;
