use std::fmt;

/// Where a context is in its life. It goes through the states once, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContextState {
    /// The program adds streams and output operations.
    Initialized,
    /// Batches run; the graph is fixed.
    Active,
    /// Over; a new context is needed to start again.
    Stopped,
}

impl fmt::Display for ContextState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ContextState::Initialized => "INITIALIZED",
            ContextState::Active => "ACTIVE",
            ContextState::Stopped => "STOPPED",
        })
    }
}
