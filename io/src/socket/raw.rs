use std::io::{ErrorKind, Read};
use std::time::Duration;

use millstream_engine::BoxError;
use millstream_engine::rdd::Data;
use millstream_engine::receive::{ReceiverContext, Records};
use mio::Registry;
use mio::net::TcpStream;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::RawSocketConfig;
use super::source::{Protocol, Turn};

/// Frames of records: four bytes of length, the highest first, then the postcard encoding of a `Vec<T>`.
pub(crate) struct Frames<T> {
    config: RawSocketConfig,
    /// The length of the frame that is being read, when it is known.
    frame: Option<usize>,
    /// What has been read of the length or of the frame.
    bytes: Vec<u8>,
    records: std::marker::PhantomData<fn() -> T>,
}

const LENGTH_BYTES: usize = 4;

impl<T: Data + DeserializeOwned> Frames<T> {
    pub(crate) fn new(config: RawSocketConfig) -> Self {
        Frames { config, frame: None, bytes: Vec::new(), records: std::marker::PhantomData }
    }

    /// Goes on when the length, or the frame, has been read to its end.
    fn take(&mut self) -> Result<Option<Vec<T>>, BoxError> {
        if self.frame.take().is_some() {
            let records = decode(&self.bytes);
            self.bytes.clear();
            return records.map(Some);
        }
        let length = self.bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        self.bytes.clear();
        let max = self.config.max_frame_bytes;
        if length > max {
            return Err(format!(
                "a frame of {length} bytes, where {max} are allowed: the connection is closed and its data after this point \
                 lost. Send smaller frames, or set max_frame_bytes higher; a sender that is no raw sender looks like this too"
            )
            .into());
        }
        self.frame = Some(length);
        Ok(None)
    }
}

fn decode<T: DeserializeOwned>(frame: &[u8]) -> Result<Vec<T>, BoxError> {
    let what = std::any::type_name::<T>();
    match postcard::take_from_bytes(frame) {
        Ok((records, [])) => Ok(records),
        Ok((_, rest)) => {
            Err(format!("a frame has {} bytes behind its records of type {what}", rest.len()).into())
        }
        Err(error) => {
            Err(format!("a frame of {} bytes holds no records of type {what}: {error}", frame.len()).into())
        }
    }
}

impl<T: Data + Serialize + DeserializeOwned> Protocol for Frames<T> {
    type Format = Records<T>;
    const NAME: &'static str = "Raw socket stream";

    fn begin(
        &mut self,
        stream: TcpStream,
        _registry: &Registry,
        _cx: &ReceiverContext<Records<T>>,
    ) -> Result<Option<TcpStream>, BoxError> {
        self.end();
        Ok(Some(stream))
    }

    fn read(&mut self, stream: &mut TcpStream, cx: &ReceiverContext<Records<T>>) -> Result<Turn, BoxError> {
        if !cx.builder().has_room() {
            return Ok(Turn::NoRoom);
        }
        let missing = self.frame.unwrap_or(LENGTH_BYTES) - self.bytes.len();
        match stream.take(missing as u64).read_to_end(&mut self.bytes) {
            Ok(read) if read == missing => (),
            Ok(_) if self.frame.is_none() && self.bytes.is_empty() => return Ok(Turn::End),
            Ok(_) => return Err("the sender ended inside a frame, whose records are lost".into()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Turn::Wait),
            Err(error) => return Err(format!("the connection broke: {error}").into()),
        }
        if let Some(records) = self.take()? {
            cx.store_block(records)?;
        }
        Ok(Turn::Again(Duration::ZERO))
    }

    fn end(&mut self) {
        self.frame = None;
        self.bytes = Vec::new();
    }
}
