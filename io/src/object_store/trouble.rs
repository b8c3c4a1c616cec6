use std::io::{self, ErrorKind};

use ::object_store::Error;

/// The error of a store, as the engine takes it: what failed, where, and what to do.
pub(super) fn trouble(place: &str, error: &Error) -> io::Error {
    let (kind, remedy) = match error {
        Error::NotFound { .. } => (ErrorKind::NotFound, "if it is the bucket that is not there, make it"),
        Error::AlreadyExists { .. } | Error::Precondition { .. } => {
            (ErrorKind::AlreadyExists, "somebody else has put it")
        }
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (
            ErrorKind::PermissionDenied,
            "give the program credentials that may list, read, write and delete below the prefix",
        ),
        Error::NotImplemented { .. } | Error::NotSupported { .. } => {
            (ErrorKind::Unsupported, "checkpoints need a store that can do this; use another one")
        }
        _ => (ErrorKind::Other, "the network, the endpoint, the region and the credentials must be right"),
    };
    io::Error::new(kind, format!("{place}: {error} ({remedy})"))
}
