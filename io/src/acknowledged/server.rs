use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use millstream_engine::receive::{Lines, Receiver, ReceiverContext};
use millstream_engine::{BoxError, Error, Result, StreamingContext};

use super::sender::Sender;
use super::senders::Senders;

/// What a server with acknowledgements allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcknowledgedConfig {
    /// Connections at one time; each has a thread. One more is closed at once and reported.
    pub max_connections: usize,
    /// Names of senders that are known, for ever: what is durable of each is remembered. A sender with another name is refused.
    pub max_senders: usize,
}

impl Default for AcknowledgedConfig {
    fn default() -> Self {
        AcknowledgedConfig { max_connections: 256, max_senders: 10_000 }
    }
}

/// What a program knows of its server.
#[derive(Clone, Debug)]
pub struct AcknowledgedHandle {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl AcknowledgedHandle {
    /// Where it listens, with the port that was chosen when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Senders that are connected now.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// Listens for senders of lines and tells each how many of its lines are durable.
pub(crate) struct AcknowledgedServer {
    listener: TcpListener,
    handle: AcknowledgedHandle,
    config: AcknowledgedConfig,
    max_line: usize,
    senders: Arc<Senders>,
    life: Option<Life>,
}

/// What there is between a start and a stop.
struct Life {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl AcknowledgedServer {
    /// Binds `bind`.
    pub(crate) fn bind(
        context: &StreamingContext,
        bind: &str,
        config: AcknowledgedConfig,
    ) -> Result<(Self, AcknowledgedHandle)> {
        let failed = |e| {
            let what = format!(
                "cannot listen for senders on {bind}, so that nothing can be received. Is it in use, or not an address of this \
                 machine? Choose another, such as 127.0.0.1:9999, or port 0 for any that is free"
            );
            Error::io(what, e)
        };
        let listener = TcpListener::bind(bind.strip_prefix("tcp://").unwrap_or(bind)).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let handle = AcknowledgedHandle { address, connections: Arc::default() };
        let (max_line, senders) = (context.config().max_line_bytes, Arc::default());
        let server =
            AcknowledgedServer { listener, handle: handle.clone(), config, max_line, senders, life: None };
        Ok((server, handle))
    }
}

impl Receiver for AcknowledgedServer {
    type Format = Lines;

    fn name(&self) -> String {
        "Acknowledged socket stream".to_owned()
    }

    fn on_start(&mut self, cx: &ReceiverContext<Lines>) -> Result<(), BoxError> {
        let stopping = Arc::<AtomicBool>::default();
        let acceptor = Acceptor {
            listener: self.listener.try_clone()?,
            cx: cx.clone(),
            senders: Arc::clone(&self.senders),
            config: self.config,
            max_line: self.max_line,
            connections: Arc::clone(&self.handle.connections),
            stopping: Arc::clone(&stopping),
            threads: Vec::new(),
        };
        let thread = std::thread::Builder::new().name("accept".to_owned()).spawn(move || acceptor.run())?;
        self.life = Some(Life { stopping, thread });
        Ok(())
    }

    fn on_stop(&mut self) {
        let Some(Life { stopping, thread }) = self.life.take() else { return };
        stopping.store(true, Ordering::Release);
        // The acceptor looks up for a caller.
        let _ = TcpStream::connect_timeout(&self.handle.address, PAUSE);
        if thread.join().is_err() {
            tracing::error!("the thread that accepts senders had died of a panic");
        }
    }
}

/// How long no one is accepted when that has failed.
const PAUSE: Duration = Duration::from_millis(250);

/// Accepts senders and gives each a thread.
struct Acceptor {
    listener: TcpListener,
    cx: ReceiverContext<Lines>,
    senders: Arc<Senders>,
    config: AcknowledgedConfig,
    max_line: usize,
    connections: Arc<AtomicUsize>,
    stopping: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Acceptor {
    /// Accepts until the server stops, and waits for the senders' threads then.
    fn run(mut self) {
        while !self.stopping.load(Ordering::Acquire) {
            match self.listener.accept() {
                Ok(_) if self.stopping.load(Ordering::Acquire) => break,
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    self.cx.report_error("a sender could not be accepted", error.to_string());
                    std::thread::park_timeout(PAUSE);
                }
            }
        }
        for thread in self.threads {
            // One that has panicked has closed its connection by that.
            let _ = thread.join();
        }
    }

    fn admit(&mut self, stream: TcpStream) {
        self.threads.retain(|thread| !thread.is_finished());
        if self.threads.len() >= self.config.max_connections {
            let message =
                "a sender was refused, because as many as are allowed are connected. Raise max_connections";
            return self.cx.report_error(message, format!("{} connections", self.threads.len()));
        }
        let (sender, connections) = (self.sender(stream), Arc::clone(&self.connections));
        let thread = std::thread::Builder::new().name("sender".to_owned()).spawn(move || {
            connections.fetch_add(1, Ordering::Relaxed);
            sender.run();
            connections.fetch_sub(1, Ordering::Relaxed);
        });
        match thread {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                self.cx.report_error("a sender was refused: there can be no more threads", error.to_string());
            }
        }
    }

    fn sender(&self, stream: TcpStream) -> Sender {
        Sender {
            stream,
            cx: self.cx.clone(),
            senders: Arc::clone(&self.senders),
            config: self.config,
            max_line: self.max_line,
            stopping: Arc::clone(&self.stopping),
        }
    }
}
