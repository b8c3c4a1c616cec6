use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A server that gives each connection to the test, in order.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Receiver<TcpStream>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Server::on(TcpListener::bind("127.0.0.1:0").unwrap())
    }

    pub(crate) fn on(listener: TcpListener) -> Self {
        let address = listener.local_addr().unwrap();
        let (to, connections) = channel();
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if to.send(stream).is_err() {
                    return;
                }
            }
        });
        Server { address, connections }
    }

    /// The next connection.
    pub(crate) fn next(&self) -> TcpStream {
        let stream = self.connections.recv_timeout(super::support::BOUND).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

pub(crate) fn send(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) {
    stream.write_all(bytes.as_ref()).unwrap();
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Breaks the connection, instead of ending it.
pub(crate) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}
