use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream_engine::receive::{Lines, Receiver, ReceiverContext};
use millstream_engine::{BoxError, Result};

use crate::socket::{LineCounters, LineReader, ReadSizes, Taken};

/// Reads lines on a thread of its own, as a read may block for ever, and stops at the end.
pub(crate) struct LineSource<R> {
    source: Option<R>,
    sizes: ReadSizes,
    counters: LineCounters,
    is_stopped: Arc<AtomicBool>,
}

const BUFFER_BYTES: usize = 128 << 10;
/// The longest wait before the thread looks whether it is stopped.
const NAP: Duration = Duration::from_millis(1);

impl<R: Read + Send + 'static> LineSource<R> {
    pub(crate) fn new(source: R, sizes: ReadSizes, counters: LineCounters) -> Self {
        LineSource { source: Some(source), sizes, counters, is_stopped: Arc::default() }
    }
}

impl<R: Read + Send + 'static> Receiver for LineSource<R> {
    type Format = Lines;

    fn name(&self) -> String {
        "Reader stream".to_owned()
    }

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        let Some(source) = self.source.take() else {
            cx.stop("a reader can be read only once");
            return Ok(());
        };
        self.counters.follow(cx);
        let pump = Pump {
            reader: LineReader::new(self.sizes),
            counters: self.counters.clone(),
            cx: cx.clone(),
            is_stopped: Arc::clone(&self.is_stopped),
        };
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || pump.run(source))?;
        Ok(())
    }

    /// The thread may be in a read that nothing can end, so nobody waits for it.
    fn on_stop(&mut self) {
        self.is_stopped.store(true, Ordering::Release);
    }
}

struct Pump {
    reader: LineReader,
    counters: LineCounters,
    cx: ReceiverContext<Lines>,
    is_stopped: Arc<AtomicBool>,
}

impl Pump {
    fn run(mut self, source: impl Read) {
        let reason = match self.copy(source) {
            Ok(()) => "the input has come to its end".to_owned(),
            Err(error) => {
                self.cx.report_error("the input cannot be read any further", error.to_string());
                format!("the input broke: {error}")
            }
        };
        self.cx.stop(reason);
    }

    fn copy(&mut self, mut source: impl Read) -> Result<(), BoxError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        let end = loop {
            match source.read(&mut buffer) {
                Ok(0) => break Ok(()),
                Ok(n) => self.take(&buffer[..n])?,
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => break Err(error.into()),
            }
        };
        while !self.reader.finish(&self.cx, &self.counters)? && !self.is_stopped() {
            std::thread::sleep(NAP);
        }
        end
    }

    fn take(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() && !self.is_stopped() {
            match self.reader.read(&mut bytes, &self.cx, &self.counters)? {
                Taken::NoRoom => std::thread::sleep(NAP),
                Taken::Bytes { wait, .. } => self.pause(wait),
                _ => (),
            }
        }
        Ok(())
    }

    fn pause(&self, mut wait: Duration) {
        while !wait.is_zero() && !self.is_stopped() {
            let nap = wait.min(NAP * 10);
            std::thread::sleep(nap);
            wait -= nap;
        }
    }

    fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Acquire)
    }
}
