use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use millstream_engine::observe::LongAccumulator;
use millstream_engine::receive::{Lines, Receiver, ReceiverContext};
use millstream_engine::{BoxError, Error, Result, StreamingContext};
use mio::{Events, Poll, Token, Waker};
use rustix::io::Errno;

use super::connections::Connections;
use super::gate::{Gate, LOOK_AGAIN};
use super::line_reader::{ReadSizes, Taken};
use super::listener::{Listener, ServerAddress, Stream};
use super::source::{WAKER, poll_events};
use super::{LineCounters, SocketServerConfig};

/// Listens for senders of lines and reads them all on the receiver's one thread, one read per sender and turn.
pub(crate) struct SocketServer {
    handle: ServerHandle,
    config: SocketServerConfig,
    sizes: ReadSizes,
    counters: LineCounters,
    refused: LongAccumulator,
    /// Bound when the stream was defined, for the first start.
    bound: Option<Listener>,
    life: Option<Life>,
}

/// What a program knows of its server.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    address: ServerAddress,
    connections: Arc<AtomicUsize>,
}

impl ServerHandle {
    /// Where the server listens. It is bound when the stream is defined, so senders may connect from then on; they are read
    /// when the context has started.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The TCP address, with the port that was chosen when 0 was asked for; `None` for a Unix socket.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.address {
            ServerAddress::Tcp(address) => Some(*address),
            ServerAddress::Unix(_) => None,
        }
    }

    /// Senders that are connected now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

struct Life {
    poll: Poll,
    events: Events,
    listener: Listener,
    /// True while a sender may be waiting to be accepted.
    has_callers: bool,
    accept_gate: Gate,
    connections: Connections,
    gate: Gate,
    last_refusal: Option<Instant>,
}

const LISTENER: Token = Token(usize::MAX - 1);
const EVENTS_PER_TURN: usize = 1_024;
/// Accepted between two turns of reading.
const ACCEPTS_PER_TURN: usize = 256;
/// How long no one is accepted when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);
/// Refusals are reported this often at the most; all are counted.
const REFUSAL_REPORTS: Duration = Duration::from_secs(1);

impl SocketServer {
    /// Binds `bind`.
    pub(crate) fn bind(
        context: &StreamingContext,
        bind: &str,
        config: SocketServerConfig,
    ) -> Result<(Self, ServerHandle)> {
        let listener = Listener::bind(bind)?;
        let address = listener
            .address()
            .map_err(|e| Error::io(format!("finding the address that {bind} was bound to"), e))?;
        let name = address.to_string();
        let handle = ServerHandle { address, connections: Arc::default() };
        let server = SocketServer {
            handle: handle.clone(),
            config,
            sizes: ReadSizes::of(context),
            counters: LineCounters::new(context, &name),
            refused: context.accumulators().long(format!("{name}: refused connections")),
            bound: Some(listener),
            life: None,
        };
        Ok((server, handle))
    }
}

impl Receiver for SocketServer {
    type Format = Lines;

    fn name(&self) -> String {
        "Socket server stream".to_owned()
    }

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        self.counters.follow(cx);
        let mut listener = match self.bound.take() {
            Some(listener) => listener,
            None => Listener::bind_again(&self.handle.address)?,
        };
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        cx.set_waker(move || {
            let _ = waker.wake();
        });
        listener.register(poll.registry(), LISTENER)?;
        self.life = Some(Life {
            poll,
            events: Events::with_capacity(EVENTS_PER_TURN),
            listener,
            has_callers: true,
            accept_gate: Gate::default(),
            connections: Connections::default(),
            gate: Gate::default(),
            last_refusal: None,
        });
        Ok(())
    }

    fn on_stop(&mut self) {
        self.life = None;
        self.handle.connections.store(0, Ordering::Relaxed);
    }

    fn poll(&mut self, cx: &ReceiverContext<Lines>, timeout: Duration) -> Result<(), BoxError> {
        let Some(life) = &mut self.life else { return Err("the server is not started".into()) };
        let end = Instant::now() + timeout;
        life.wait(timeout)?;
        if life.has_callers && life.accept_gate.is_open() {
            life.accept(cx, self.config.max_connections, self.sizes, &self.refused);
        }
        life.read(cx, &self.counters, end)?;
        self.handle.connections.store(life.connections.len(), Ordering::Relaxed);
        Ok(())
    }
}

impl Life {
    /// Waits until there is something to do, for `timeout` at the most, and notes what.
    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let mut wait = timeout;
        if self.connections.has_ready() {
            wait = wait.min(self.gate.rest());
        }
        if self.has_callers {
            wait = wait.min(self.accept_gate.rest());
        }
        poll_events(&mut self.poll, &mut self.events, wait)?;
        for event in &self.events {
            match event.token() {
                WAKER => (),
                LISTENER => self.has_callers = true,
                Token(place) => self.connections.note(place, event.is_read_closed() || event.is_error()),
            }
        }
        Ok(())
    }

    fn accept(
        &mut self,
        cx: &ReceiverContext<Lines>,
        max_connections: usize,
        sizes: ReadSizes,
        refused: &LongAccumulator,
    ) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.listener.accept() {
                Ok(stream) if self.connections.len() >= max_connections => {
                    drop(stream);
                    refused.add(1);
                    self.report_refusal(cx, max_connections);
                }
                Ok(stream) => self.admit(stream, sizes, cx),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_callers = false;
                    return;
                }
                Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::MFILE | Errno::NFILE)) => {
                    return self.pause_accepting(cx, &error);
                }
                // One that hung up before it was accepted, or a signal.
                Err(error) => tracing::debug!(%error, "a sender could not be accepted"),
            }
        }
    }

    fn admit(&mut self, stream: Stream, sizes: ReadSizes, cx: &ReceiverContext<Lines>) {
        if let Err(error) = self.connections.add(stream, sizes, self.poll.registry()) {
            cx.report_error("a sender could not be watched and was cut off", error.to_string());
        }
    }

    fn pause_accepting(&mut self, cx: &ReceiverContext<Lines>, error: &io::Error) {
        self.accept_gate.close_for(ACCEPT_PAUSE);
        if self.may_report() {
            let open = self.connections.len();
            let message = format!(
                "no file is left for another sender; {open} are connected, and others wait until one of them leaves. Raise the \
                 limit of open files (ulimit -n)"
            );
            cx.report_error(message, error.to_string());
        }
    }

    fn report_refusal(&mut self, cx: &ReceiverContext<Lines>, max: usize) {
        if self.may_report() {
            let message =
                "senders were refused, because as many as are allowed are connected. Raise max_connections";
            cx.report_error(message, format!("{max} connections"));
        }
    }

    fn may_report(&mut self) -> bool {
        let is_due = self.last_refusal.is_none_or(|last| last.elapsed() >= REFUSAL_REPORTS);
        if is_due {
            self.last_refusal = Some(Instant::now());
        }
        is_due
    }

    /// One turn: one read for each sender that has something, until `end`.
    fn read(
        &mut self,
        cx: &ReceiverContext<Lines>,
        counters: &LineCounters,
        end: Instant,
    ) -> Result<(), BoxError> {
        for _ in 0..self.connections.ready() {
            if !self.gate.is_open() {
                break;
            }
            self.read_next(cx, counters)?;
            if Instant::now() >= end {
                break;
            }
        }
        Ok(())
    }

    fn read_next(&mut self, cx: &ReceiverContext<Lines>, counters: &LineCounters) -> Result<(), BoxError> {
        let Some((place, connection)) = self.connections.next() else { return Ok(()) };
        let is_closing = connection.is_closing;
        match connection.reader.read(&mut connection.stream, cx, counters)? {
            Taken::Bytes { wait, drained } => {
                self.gate.close_for(wait);
                // Linux tells of whatever comes after a read that found less than it asked for.
                match drained && !is_closing && cfg!(target_os = "linux") {
                    true => self.connections.rest(place),
                    false => self.connections.again(place),
                }
            }
            Taken::Nothing => self.connections.rest(place),
            Taken::NoRoom => {
                self.connections.keep_turn(place);
                self.gate.close_for(LOOK_AGAIN);
            }
            Taken::End => self.connections.remove(place),
            Taken::Broken(error) => {
                tracing::debug!(%error, "a sender's connection broke");
                self.connections.remove(place);
            }
        }
        Ok(())
    }
}
