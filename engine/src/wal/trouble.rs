use std::io;
use std::path::Path;

use crate::error::Error;

/// What a failed write means for the log.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Nothing is lost, and it may work later: the disk is full, or there are too many open files.
    Wait(Error),
    /// The file is not to be trusted any more; another one may do.
    Broken(Error),
    /// The log is over.
    Stop(Error),
}

/// Linux's numbers for which the standard library has no kind.
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;

/// Whether the same call may succeed later without anything being mended in the log.
pub(super) fn is_temporary(error: &io::Error) -> bool {
    use io::ErrorKind::{OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    let kinds = [StorageFull, QuotaExceeded, ReadOnlyFilesystem, PermissionDenied, OutOfMemory];
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}

impl Trouble {
    pub(super) fn of(what: &str, path: &Path, error: io::Error) -> Self {
        let path = path.display();
        if is_temporary(&error) {
            let what = format!(
                "write-ahead log: cannot {what} {path}; nothing is acknowledged until it works again"
            );
            Trouble::Wait(Error::io(what, error))
        } else if error.kind() == io::ErrorKind::NotFound {
            let what = format!(
                "write-ahead log: {path} is gone; the log ends here and acknowledges nothing more. Start the program again"
            );
            Trouble::Stop(Error::io(what, error))
        } else {
            Trouble::Broken(Error::io(
                format!("write-ahead log: cannot {what} {path}; look after the disk"),
                error,
            ))
        }
    }

    pub(super) fn replaced(path: &Path) -> Self {
        Trouble::Stop(Error::State(format!(
            "write-ahead log: another process has taken over the log of {}; this one acknowledges nothing more. Stop one of them",
            path.display()
        )))
    }
}
