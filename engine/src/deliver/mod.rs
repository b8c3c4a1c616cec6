//! Exactly-once outputs: a [`Sink`] takes each batch in two phases.
//!
//! ```text
//! begin           forget what an earlier attempt at the batch has left
//! prepare         each partition, in parallel: its records become durable and are not seen     (delivery.rs)
//! -- the log:     "output n has prepared batch T", with what prepare gave, is durable           (commits.rs)
//! commit          all partitions become seen
//! -- the log:     "output n has done batch T"
//! ```
//!
//! Before the first word, a crash means that the batch is made and prepared again. Behind it, the next run does not
//! make the output's batch again: it commits what was prepared. Behind the second word, nothing is left to be done. So
//! whatever the moment of the crash, the batch is prepared by one run and committed by one or two, which is why a
//! commit must bear to be repeated.
//!
//! Without a checkpoint directory there is no log, and nobody goes on after a crash: a batch is there whole or not at
//! all.

mod commits;
mod delivery;
mod sink;

pub(crate) use commits::Commits;
pub(crate) use delivery::Delivery;
pub use sink::{Guarantee, PartitionRecords, Sink};
