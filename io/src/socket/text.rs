use std::io;

use millstream_engine::BoxError;
use millstream_engine::receive::{Lines, ReceiverContext};
use mio::Registry;
use mio::net::TcpStream;

use super::line_reader::ReadSizes;
use super::source::{Protocol, Turn};
use super::{LineCounters, LineReader, Taken};

/// Lines of text.
pub(crate) struct TextLines {
    reader: LineReader,
    sizes: ReadSizes,
    counters: LineCounters,
}

impl TextLines {
    pub(crate) fn new(sizes: ReadSizes, counters: LineCounters) -> Self {
        TextLines { reader: LineReader::new(sizes), sizes, counters }
    }
}

impl Protocol for TextLines {
    type Format = Lines;
    const NAME: &'static str = "Socket stream";

    fn begin(
        &mut self,
        stream: TcpStream,
        _registry: &Registry,
        cx: &ReceiverContext<Lines>,
    ) -> Result<Option<TcpStream>, BoxError> {
        self.counters.follow(cx);
        self.reader = LineReader::new(self.sizes);
        Ok(Some(stream))
    }

    fn read(&mut self, stream: &mut TcpStream, cx: &ReceiverContext<Lines>) -> Result<Turn, BoxError> {
        Ok(match self.reader.read(stream, cx, &self.counters)? {
            Taken::Bytes { wait, .. } => Turn::Again(wait),
            Taken::Nothing => Turn::Wait,
            Taken::NoRoom => Turn::NoRoom,
            Taken::End => Turn::End,
            Taken::Broken(error) => return Err(broken(&error)),
        })
    }

    fn end(&mut self) {
        self.reader = LineReader::new(self.sizes);
    }
}

fn broken(error: &io::Error) -> BoxError {
    format!("the connection broke: {error}").into()
}
