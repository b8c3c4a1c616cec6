use std::fmt;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::os::fd::AsFd;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use millstream_engine::{Error, Result};
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerAddress {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ServerAddress::Tcp(address) => write!(f, "tcp://{address}"),
            ServerAddress::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound listener. The file of a Unix socket is removed with it.
#[derive(Debug)]
pub(super) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// The connection of one sender.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Senders that may wait to be accepted; the system has a limit of its own.
const BACKLOG: i32 = 4_096;

impl Listener {
    /// Binds `127.0.0.1:9999`, `tcp://127.0.0.1:9999` or `unix:/run/lines.sock`.
    pub(super) fn bind(address: &str) -> Result<Self> {
        if let Some(path) = address.strip_prefix("unix:") {
            let path = Path::new(path);
            let bound = bind_unix(path);
            let remedy = "Choose a path in a folder that exists and that this program may write to, which nobody else listens on.";
            return bound.map_err(|error| refused(address, remedy, error));
        }
        let remedy = "Is it in use, or not an address of this machine? Choose another, such as 127.0.0.1:9999, or port 0 for any \
                      that is free.";
        let found = address.strip_prefix("tcp://").unwrap_or(address).to_socket_addrs();
        let found = found.map_err(|error| refused(address, remedy, error))?;
        let mut error = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for socket in found {
            match TcpListener::bind(socket).and_then(with_backlog) {
                Ok(listener) => return Ok(Listener::Tcp(listener)),
                Err(why) => error = why,
            }
        }
        Err(refused(address, remedy, error))
    }

    /// Binds an address that was bound before.
    pub(super) fn bind_again(address: &ServerAddress) -> Result<Self> {
        Listener::bind(&address.to_string())
    }

    /// Where it listens; a port 0 is now the port that was free.
    pub(super) fn address(&self) -> io::Result<ServerAddress> {
        Ok(match self {
            Listener::Tcp(listener) => ServerAddress::Tcp(listener.local_addr()?),
            Listener::Unix(_, path) => ServerAddress::Unix(path.clone()),
        })
    }

    pub(super) fn accept(&self) -> io::Result<Stream> {
        match self {
            Listener::Tcp(listener) => listener.accept().map(|(stream, _)| Stream::Tcp(stream)),
            Listener::Unix(listener, _) => listener.accept().map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Listener::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Listener::Unix(listener, _) => listener.register(registry, token, Interest::READABLE),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Listener::Unix(_, path) = self {
            let _ = fs::remove_file(path);
        }
    }
}

impl Stream {
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.register(registry, token, Interest::READABLE),
            Stream::Unix(stream) => stream.register(registry, token, Interest::READABLE),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

/// Binds a Unix socket. The file of a server that was killed is in the way; it is removed when nobody listens.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let bound = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_stale(path) => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    };
    Ok(Listener::Unix(with_backlog(bound?)?, path.to_owned()))
}

/// Lets more senders wait to be accepted than the standard library's 128: when thousands connect at one time, those that find
/// no place try again only after a second.
fn with_backlog<L: AsFd>(listener: L) -> io::Result<L> {
    rustix::net::listen(&listener, BACKLOG)?;
    Ok(listener)
}

fn is_stale(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let answer = || std::os::unix::net::UnixStream::connect(path);
    is_socket && answer().is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn refused(address: &str, remedy: &str, error: io::Error) -> Error {
    Error::io(
        format!("cannot listen for senders on {address}, so that nothing can be received. {remedy}"),
        error,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_shows_as_it_is_written() {
        let listener = Listener::bind("tcp://127.0.0.1:0").unwrap();
        let address = listener.address().unwrap();
        assert!(address.to_string().starts_with("tcp://127.0.0.1:"));
        let error = Listener::bind(&address.to_string()).unwrap_err().to_string();
        assert!(error.contains(&address.to_string()) && error.contains("port 0"), "{error}");
        drop(listener);
        assert_eq!(Listener::bind_again(&address).unwrap().address().unwrap(), address);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for bind in ["", "127.0.0.1", "nowhere.invalid:80", "unix:/no/such/folder/socket", "8.8.8.8:1"] {
            assert!(Listener::bind(bind).is_err(), "{bind}");
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_one_in_use_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lines");
        let bind = format!("unix:{}", path.display());
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a server that is killed leaves its socket");
        let listener = Listener::bind(&bind).unwrap();
        assert!(Listener::bind(&bind).is_err());
        drop(listener);
        assert!(!path.exists());
        fs::write(&path, "a file").unwrap();
        assert!(Listener::bind(&bind).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    }
}
