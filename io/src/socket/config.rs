/// What a server of lines allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketServerConfig {
    /// Connections at one time. One more is accepted and closed at once, counted and reported.
    pub max_connections: usize,
}

impl Default for SocketServerConfig {
    fn default() -> Self {
        SocketServerConfig { max_connections: 16_384 }
    }
}

/// What a raw socket allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawSocketConfig {
    /// Bytes of one frame. A longer one is taken for a mistake of the sender: the connection is closed and made anew.
    pub max_frame_bytes: usize,
}

impl Default for RawSocketConfig {
    fn default() -> Self {
        RawSocketConfig { max_frame_bytes: 64 << 20 }
    }
}
