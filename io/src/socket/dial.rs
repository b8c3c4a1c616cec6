use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// A connection in the making: the addresses of the host are tried one after the other, without blocking.
#[derive(Debug)]
pub(super) struct Dial {
    target: String,
    addresses: IntoIter<SocketAddr>,
    trying: TcpStream,
    give_up: Instant,
}

/// What the events of the connection are called.
pub(super) const CONNECTION: Token = Token(0);
/// How long one address may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

impl Dial {
    /// Looks the host up and begins to connect.
    pub(super) fn start(host: &str, port: u16, registry: &Registry) -> io::Result<Self> {
        let target = format!("{host}:{port}");
        let found = (host, port).to_socket_addrs().map_err(|e| failed(&target, &e))?;
        let mut addresses = found.collect::<Vec<_>>().into_iter();
        let no_address = io::Error::new(ErrorKind::NotFound, "the host has no address");
        let trying = try_next(&target, &mut addresses, registry, no_address)?;
        Ok(Dial { target, addresses, trying, give_up: Instant::now() + ANSWER_MAX })
    }

    /// The connection, once it is made; `None` while it is not.
    pub(super) fn check(mut self, registry: &Registry) -> io::Result<Result<TcpStream, Self>> {
        let error = match answer(&self.trying) {
            Ok(true) => return Ok(Ok(self.trying)),
            Ok(false) if Instant::now() < self.give_up => return Ok(Err(self)),
            Ok(false) => io::Error::new(ErrorKind::TimedOut, "no answer"),
            Err(error) => error,
        };
        self.trying = try_next(&self.target, &mut self.addresses, registry, error)?;
        self.give_up = Instant::now() + ANSWER_MAX;
        Ok(Err(self))
    }
}

/// Whether the connection is made.
fn answer(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        // A port of the machine's own that nobody listens on may connect to itself.
        Ok(peer) if stream.local_addr()? == peer => Err(ErrorKind::ConnectionRefused.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}

fn try_next(
    target: &str,
    addresses: &mut IntoIter<SocketAddr>,
    registry: &Registry,
    mut error: io::Error,
) -> io::Result<TcpStream> {
    for address in addresses {
        let interest = Interest::READABLE | Interest::WRITABLE;
        let stream = TcpStream::connect(address)
            .and_then(|mut stream| registry.register(&mut stream, CONNECTION, interest).map(|()| stream));
        match stream {
            Ok(stream) => return Ok(stream),
            Err(why) => error = why,
        }
    }
    Err(failed(target, &error))
}

fn failed(target: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot connect to {target}: {error}"))
}
