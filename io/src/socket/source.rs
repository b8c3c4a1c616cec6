use std::io::{self, ErrorKind};
use std::time::Duration;

use millstream_engine::BoxError;
use millstream_engine::receive::{BlockFormat, Receiver, ReceiverContext};
use mio::net::TcpStream;
use mio::{Events, Poll, Registry, Token, Waker};

use super::dial::{CONNECTION, Dial};
use super::gate::{Gate, LOOK_AGAIN};

/// What a client makes of the bytes that it is sent.
pub(crate) trait Protocol: Send + 'static {
    type Format: BlockFormat;

    /// What the stream is called.
    const NAME: &'static str;

    /// A connection is made. Gives it back to have it read, or keeps it.
    fn begin(
        &mut self,
        stream: TcpStream,
        registry: &Registry,
        cx: &ReceiverContext<Self::Format>,
    ) -> Result<Option<TcpStream>, BoxError>;

    /// Reads once.
    fn read(&mut self, stream: &mut TcpStream, cx: &ReceiverContext<Self::Format>) -> Result<Turn, BoxError>;

    /// The connection is over.
    fn end(&mut self) {}
}

/// What follows from one read.
#[derive(Debug)]
pub(crate) enum Turn {
    /// Read on, after the time.
    Again(Duration),
    /// There is nothing to read at the moment.
    Wait,
    /// There is no room at the moment.
    NoRoom,
    /// The sender is done.
    End,
}

/// Connects to a server that sends data, for ever anew.
pub(crate) struct SocketClient<P> {
    host: String,
    port: u16,
    protocol: P,
    life: Option<Life>,
}

struct Life {
    poll: Poll,
    events: Events,
    link: Link,
    gate: Gate,
}

enum Link {
    Dialing(Dial),
    Open {
        stream: TcpStream,
        readable: bool,
    },
    /// Kept by the protocol, or at its end.
    Away,
}

/// Why a client that was served well connects again: Spark's words.
pub(super) const NO_MORE_DATA: &str = "Socket data stream had no more data";
pub(super) const WAKER: Token = Token(usize::MAX);

impl<P: Protocol> SocketClient<P> {
    pub(crate) fn new(host: &str, port: u16, protocol: P) -> Self {
        SocketClient { host: host.to_owned(), port, protocol, life: None }
    }
}

impl<P: Protocol> Receiver for SocketClient<P> {
    type Format = P::Format;

    fn name(&self) -> String {
        P::NAME.to_owned()
    }

    fn on_start(&mut self, cx: &ReceiverContext<P::Format>) -> Result<(), BoxError> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        cx.set_waker(move || {
            let _ = waker.wake();
        });
        let link = Link::Dialing(Dial::start(&self.host, self.port, poll.registry())?);
        self.life = Some(Life { poll, events: Events::with_capacity(16), link, gate: Gate::default() });
        Ok(())
    }

    fn on_stop(&mut self) {
        self.protocol.end();
        self.life = None;
    }

    fn poll(&mut self, cx: &ReceiverContext<P::Format>, timeout: Duration) -> Result<(), BoxError> {
        let Some(life) = &mut self.life else { return Err("the client is not started".into()) };
        life.wait(timeout)?;
        match std::mem::replace(&mut life.link, Link::Away) {
            Link::Dialing(dial) => life.dial(dial, &mut self.protocol, cx),
            Link::Open { stream, readable } if readable && life.gate.is_open() => {
                life.read(stream, &mut self.protocol, cx)
            }
            link => {
                life.link = link;
                Ok(())
            }
        }
    }
}

impl Life {
    /// Waits until there is something to do, for `timeout` at the most.
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let is_readable = matches!(self.link, Link::Open { readable: true, .. });
        let wait = if is_readable { self.gate.rest().min(timeout) } else { timeout };
        if wait.is_zero() {
            return Ok(());
        }
        poll_events(&mut self.poll, &mut self.events, wait)?;
        if self.events.iter().any(|event| event.token() == CONNECTION)
            && let Link::Open { readable, .. } = &mut self.link
        {
            *readable = true;
        }
        Ok(())
    }

    fn dial<P: Protocol>(
        &mut self,
        dial: Dial,
        protocol: &mut P,
        cx: &ReceiverContext<P::Format>,
    ) -> Result<(), BoxError> {
        self.link = match dial.check(self.poll.registry())? {
            Err(dial) => Link::Dialing(dial),
            Ok(stream) => match protocol.begin(stream, self.poll.registry(), cx)? {
                Some(stream) => Link::Open { stream, readable: true },
                None => Link::Away,
            },
        };
        Ok(())
    }

    fn read<P: Protocol>(
        &mut self,
        mut stream: TcpStream,
        protocol: &mut P,
        cx: &ReceiverContext<P::Format>,
    ) -> Result<(), BoxError> {
        let readable = match protocol.read(&mut stream, cx)? {
            Turn::Wait => false,
            Turn::Again(wait) => {
                self.gate.close_for(wait);
                true
            }
            Turn::NoRoom => {
                self.gate.close_for(LOOK_AGAIN);
                true
            }
            Turn::End => {
                cx.restart(NO_MORE_DATA);
                return Ok(());
            }
        };
        self.link = Link::Open { stream, readable };
        Ok(())
    }
}

/// Waits for events; a signal is none.
pub(super) fn poll_events(poll: &mut Poll, events: &mut Events, timeout: Duration) -> io::Result<()> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() == ErrorKind::Interrupted => {
            events.clear();
            Ok(())
        }
        polled => polled,
    }
}
