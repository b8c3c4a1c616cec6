//! Millstream: Spark Streaming's model of discretized streams as a native engine for one multicore machine.

pub use millstream_engine::{
    BoxError, Config, ContextState, DStream, Error, InputStream, Result, StreamingContext, Text, Time, batch,
    block, clock, config, context, deliver, fs, graph, job, observe, rdd, receive, recovery, shuffle, state,
    storage, testkit, text, wal, window,
};
pub use millstream_io as io;
pub use millstream_operators as operators;

/// Everything that a streaming program uses.
pub mod prelude {
    pub use std::time::Duration;

    pub use millstream_engine::config::Master;
    pub use millstream_engine::rdd::{BoxRdd, Rdd};
    pub use millstream_engine::receive::{Lines, Receiver, ReceiverContext, Records};
    pub use millstream_engine::{BoxError, Config, DStream, Error, Result, StreamingContext, Text, Time};
    pub use millstream_io::file::TextFiles;
    pub use millstream_io::queue::RddQueue;
    pub use millstream_io::{Sinks, Sources};
    pub use millstream_operators::prelude::*;
}

/// The programs of the README compile and run with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
