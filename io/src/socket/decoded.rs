use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;

use millstream_engine::rdd::Data;
use millstream_engine::receive::{ReceiverContext, Records};
use millstream_engine::{BoxError, Error};
use mio::Registry;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::source::{NO_MORE_DATA, Protocol, Turn};

/// What the user's decoder makes of a connection, on a thread of its own.
pub(crate) struct Decoded<T, F> {
    decoder: Arc<F>,
    thread: Option<(TcpStream, JoinHandle<()>)>,
    records: std::marker::PhantomData<fn() -> T>,
}

impl<T, F> Decoded<T, F> {
    pub(crate) fn new(decoder: F) -> Self {
        Decoded { decoder: Arc::new(decoder), thread: None, records: std::marker::PhantomData }
    }
}

impl<T, F, I> Protocol for Decoded<T, F>
where
    T: Data + Serialize + DeserializeOwned,
    F: Fn(TcpStream) -> I + Send + Sync + 'static,
    I: Iterator<Item = Result<T, BoxError>>,
{
    type Format = Records<T>;
    const NAME: &'static str = "Socket stream";

    fn begin(
        &mut self,
        mut stream: mio::net::TcpStream,
        registry: &Registry,
        cx: &ReceiverContext<Records<T>>,
    ) -> Result<Option<mio::net::TcpStream>, BoxError> {
        registry.deregister(&mut stream)?;
        let stream = TcpStream::from(stream);
        stream.set_nonblocking(false)?;
        let line = stream.try_clone()?;
        let (decoder, cx) = (Arc::clone(&self.decoder), cx.clone());
        let name = format!("decoder-{}", cx.stream_id());
        let thread = std::thread::Builder::new().name(name).spawn(move || {
            if let Some(reason) = deliver(|| decoder(stream), &cx) {
                cx.restart(reason);
            }
        })?;
        self.thread = Some((line, thread));
        Ok(None)
    }

    fn read(
        &mut self,
        _stream: &mut mio::net::TcpStream,
        _cx: &ReceiverContext<Records<T>>,
    ) -> Result<Turn, BoxError> {
        Ok(Turn::Wait)
    }

    /// Breaks the connection, so that a decoder that waits for data sees its end.
    fn end(&mut self) {
        if let Some((line, thread)) = self.thread.take() {
            let _ = line.shutdown(Shutdown::Both);
            let _ = thread.join();
        }
    }
}

/// Stores what the decoder gives; says why it must be started again, if it must.
fn deliver<T, I>(decode: impl FnOnce() -> I, cx: &ReceiverContext<Records<T>>) -> Option<String>
where
    T: Data + Serialize + DeserializeOwned,
    I: Iterator<Item = Result<T, BoxError>>,
{
    let stored = catch_unwind(AssertUnwindSafe(|| {
        for record in decode() {
            match record.map(|record| cx.store(&record)) {
                Ok(Ok(())) => (),
                Ok(Err(Error::Stopped(_))) => return None,
                Ok(Err(error)) => {
                    cx.report_error("a record could not be stored and is left out", error.to_string())
                }
                Err(error) => return Some(format!("the decoder failed: {error}")),
            }
        }
        Some(NO_MORE_DATA.to_owned())
    }));
    stored.unwrap_or_else(|_| Some("the decoder panicked".to_owned()))
}
