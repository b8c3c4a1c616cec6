//! A server for senders that must know when their lines are safe: the reference of a *reliable* receiver.
//!
//! The protocol is lines in both directions; a sender may speak it with `nc`:
//!
//! ```text
//! sender   HELLO web-1          its name, first and once; it may be left out
//! server   ACK 1200             so many lines of this sender are durable, of this connection and of earlier ones
//! sender   a line               number 1201
//! sender   another line
//! server   ACK 1202             up to here
//! ```
//!
//! An `ACK` is sent when the lines are durable: in the write-ahead log of the checkpoint directory, on the disk. A sender keeps what is
//! not acknowledged; when it connects again, whether the connection had broken or either machine had crashed, it says its name and
//! goes on behind the number that the server answers with. So no line is lost, and none comes twice. A sender without a name is
//! counted from 0 by every connection: what it repeats comes twice.
//!
//! Without a checkpoint directory, or with `receiver.write_ahead_log` off, an `ACK` says that the lines are in memory.
//!
//! - `server.rs`: accepts; a thread for each sender, so that one fsync makes the lines of many durable;
//! - `sender.rs`: the way of one sender's lines;
//! - `senders.rs`: who is connected under which name: a sender that comes again replaces its old connection.

mod sender;
mod senders;
mod server;

pub use server::{AcknowledgedConfig, AcknowledgedHandle};

pub(crate) use server::AcknowledgedServer;
