//! Sockets: a client that is sent lines, records or frames, and a server that thousands of senders connect to.
//!
//! All of them are *unreliable* sources, as in Spark: what is under way while a connection breaks or the context stops is lost,
//! because a plain socket has nothing to ask again with. Nothing else is: when the engine has no room, reading stops and TCP
//! slows the sender down.
//!
//! - `source.rs`: the client, which connects, reads, and connects again for ever; `dial.rs` makes its connections;
//! - `text.rs`, `raw.rs`, `decoded.rs`: what it reads: lines, frames of encoded records, anything a decoder understands;
//! - `server.rs`: the server for lines; `listener.rs` binds, `connections.rs` keeps its connections;
//! - `line_reader.rs`: the way of the bytes of one connection into the current chunk.

mod config;
mod connections;
mod counters;
mod decoded;
mod dial;
mod gate;
mod line_reader;
mod listener;
mod raw;
mod server;
mod source;
mod text;

pub use config::{RawSocketConfig, SocketServerConfig};
pub use listener::ServerAddress;
pub use server::ServerHandle;

pub(crate) use counters::LineCounters;
pub(crate) use decoded::Decoded;
pub(crate) use line_reader::{LineReader, ReadSizes, Taken};
pub(crate) use raw::Frames;
pub(crate) use server::SocketServer;
pub(crate) use source::SocketClient;
pub(crate) use text::TextLines;
