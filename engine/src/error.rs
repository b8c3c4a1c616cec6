//! What can go wrong, said to the one who must act: what, where, consequence, remedy.

use std::io;

use crate::Time;

/// Short for a result with the engine's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Any error of user code.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Every error that the engine hands to its user.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is missing, unknown or out of range. Mend the configuration and start again.
    #[error("configuration: {0}")]
    Config(String),
    /// An operator was defined in a way that cannot run, for example a slide that does not fit its parent's.
    #[error("{0}")]
    Definition(String),
    /// A call that does not fit the context's state (not started, active, stopped).
    #[error("{0}")]
    State(String),
    /// The outside world failed: a file, a socket, a directory.
    #[error("{what}: {source}")]
    Io {
        /// What was being done, to what, and what follows from the failure.
        what: String,
        /// The system's own error.
        source: std::sync::Arc<io::Error>,
    },
    /// A task of a batch failed as often as `task.max_failures` allows: user code panicked or returned an error.
    #[error(
        "{operator} failed in batch {time}, partition {partition}, after {attempts} attempt(s): {reason}"
    )]
    Task {
        /// The operator or stage that ran, with the place in the user's program where it was defined.
        operator: String,
        /// The batch.
        time: Time,
        /// The partition of the stage.
        partition: usize,
        /// How often it was tried.
        attempts: usize,
        /// The panic's message or the error's text.
        reason: String,
    },
    /// A batch could not be put together or run.
    #[error("batch {time}: {reason}")]
    Batch {
        /// The batch.
        time: Time,
        /// What failed.
        reason: String,
    },
    /// A receiver reported an error or could not be started.
    #[error("receiver {stream}: {reason}")]
    Receiver {
        /// The input stream's id.
        stream: usize,
        /// What happened and what the engine does about it.
        reason: String,
    },
    /// A record could not be encoded or decoded.
    #[error("codec: {0}")]
    Codec(String),
    /// What an earlier run has left, a checkpoint or a log, cannot be used as it is. The text says what can be done.
    #[error("recovery: {0}")]
    Recovery(String),
    /// The engine was told to stop while this was under way.
    #[error("stopped: {0}")]
    Stopped(String),
}

impl Error {
    /// Wraps an I/O error with a sentence on what was being done.
    pub fn io(what: impl Into<String>, source: io::Error) -> Self {
        Error::Io { what: what.into(), source: std::sync::Arc::new(source) }
    }

    /// Whether it is a full disk or quota. An output operation that fails of that is tried again until there is space, whatever
    /// `on_batch_failure` says: later batches wait, and so do the senders.
    ///
    /// ```
    /// use millstream_engine::Error;
    /// use std::io::ErrorKind;
    /// assert!(Error::io("writing results", ErrorKind::StorageFull.into()).is_disk_full());
    /// assert!(!Error::io("writing results", ErrorKind::NotFound.into()).is_disk_full());
    /// ```
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Error::Io { source, .. } if is_disk_full(source))
    }

    /// What an output operation that may be repeated gives for `error`: of a full disk an error that [says so](Self::is_disk_full), with
    /// `what` before it; any other as it is.
    pub fn of_output(error: BoxError, what: impl FnOnce() -> String) -> BoxError {
        match error.downcast::<io::Error>() {
            Ok(error) if is_disk_full(&error) => Error::io(what(), *error).into(),
            Ok(error) => error,
            Err(error) => error,
        }
    }
}

/// Whether there is no space, or no more for this user: the same call may succeed later.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
