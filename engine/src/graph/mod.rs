//! The graph of streams that a program builds before it starts.
//!
//! A [`DStream`] is a node that gives `Time -> Option<Rdd>`. Nodes know their parents; the [`Graph`] knows the inputs, the nodes
//! and the output operations. When the context starts, the graph looks at itself once:
//!
//! - a stream that several consumers read is *kept*: computed once per batch and held in memory for it;
//! - a shuffle whose way from a receiver consists of record-wise operators only becomes *eager*: its map side runs on every
//!   segment as soon as that is received.

mod claims;
mod delivered;
mod dstream;
mod durable;
mod eager;
mod gaps;
mod graph_state;
mod input;
mod keyed_state;
mod node;
mod output;
mod receiver_stream;
mod sequenced;
mod stateful;
mod windowed;

pub use dstream::DStream;
pub(crate) use durable::DurableOperator;
pub(crate) use gaps::Gap;
pub use graph_state::Graph;
pub use input::{BatchInput, InputStream, StartInfo};
pub use keyed_state::MapWithStateStream;
pub(crate) use output::{Output, OutputBody};
pub(crate) use receiver_stream::{ReceiverStream, receiver_stream};
pub use stateful::OperatorInfo;
