//! The file system as an argument: what the log, checkpoints, file sinks and directory streams do to files goes through [`Fs`], so that
//! every fault of a disk can be played in a test.
//!
//! | implementation | what it is |
//! |----------------|------------|
//! | [`RealFs`] | the machine's file system |
//! | [`SimFs`] | one in memory that knows what a power cut would leave of it |
//! | [`FaultyFs`] | any of them, with the n-th call going wrong |
//!
//! What is written is safe from a power cut only when it was synced: the bytes by [`FsFile::sync`], the name of a new, renamed or
//! removed file by [`Fs::sync_dir`] of its directory. [`Fs::write_atomic`] does all of it.
//!
//! ```
//! use millstream_engine::fs::{Fs, SimFs};
//! use millstream_engine::testkit::PowerCut;
//! use std::path::Path;
//!
//! let disk = SimFs::new();
//! disk.create_dir_all(Path::new("/data"))?;
//! disk.write_atomic(Path::new("/data/offsets"), b"17")?;
//! disk.create(Path::new("/data/results"))?.write_all(b"not synced")?;
//!
//! let after = disk.crash(PowerCut::Lost);
//! assert_eq!(after.read(Path::new("/data/offsets"))?, b"17");
//! assert!(!after.exists(Path::new("/data/results"))?);
//! # Ok::<(), std::io::Error>(())
//! ```

mod faulty;
mod power_cut;
mod real;
mod simulated;

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::SystemTime;

pub use crate::error::is_disk_full;
pub use faulty::{Call, Errno, Fault, FaultyFs, Gate};
pub use power_cut::PowerCut;
pub use real::RealFs;
pub use simulated::SimFs;

/// What a directory holds under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without the directory.
    pub name: OsString,
    /// Bytes of the file; without meaning for a directory.
    pub len: u64,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Whether it is a file. Pipes, sockets and devices are neither.
    pub is_file: bool,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// A file system. Its users hold it as `Arc<dyn Fs>`.
///
/// Errors are the system's own, so that a full disk can be told from a broken one; who calls adds what was being done to which file.
pub trait Fs: Send + Sync + std::fmt::Debug {
    /// Makes a directory and those above it, and makes their names durable. Those that exist are left alone.
    ///
    /// # Errors
    /// Those of the system.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// What `dir` holds, in the order of the names. A link is what it leads to; one that leads nowhere, or where this
    /// process may not look, is neither file nor directory.
    ///
    /// # Errors
    /// Those of the system; `NotFound` when there is no such directory.
    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>>;

    /// Makes a new, empty file and opens it for appending. Its name is durable once its directory is synced.
    ///
    /// # Errors
    /// `AlreadyExists` when there is one; those of the system.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;

    /// Opens a file that exists for appending.
    ///
    /// # Errors
    /// Those of the system; `NotFound` when there is none.
    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>>;

    /// Opens a file that exists for reading.
    ///
    /// # Errors
    /// Those of the system; `NotFound` when there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>>;

    /// All bytes of a file. Use [`read_at`](Self::read_at) where the file may be large.
    ///
    /// # Errors
    /// Those of the system.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The `len` bytes from `offset` on; fewer where the file ends before.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;

    /// Gives a file another name, in place of what had that name, at once or not at all. Durable once the directory is synced.
    ///
    /// # Errors
    /// Those of the system.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Durable once the directory is synced.
    ///
    /// # Errors
    /// Those of the system.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory with all that is in it.
    ///
    /// # Errors
    /// Those of the system.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable: those of new and renamed files, and that removed ones are gone.
    ///
    /// # Errors
    /// Those of the system. What became durable is not known then.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// The bytes of a file.
    ///
    /// # Errors
    /// Those of the system.
    fn len(&self, path: &Path) -> io::Result<u64>;

    /// Whether there is a directory of this name, as far as this process may look.
    ///
    /// # Errors
    /// Those of the system, where it cannot tell.
    fn is_dir(&self, path: &Path) -> io::Result<bool>;

    /// Whether there is a file or directory of this name.
    ///
    /// # Errors
    /// Those of the system, where it cannot tell.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Holds the file at `path`, made if need be, for this process alone until the guard is dropped or the process ends. It is
    /// advisory: it keeps out those who ask, in this process as in others.
    ///
    /// # Errors
    /// `ResourceBusy` when somebody holds it, with the process's number where it is known; those of the system.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// Writes a file so that a power cut at any moment leaves the old one whole or the new one whole: a temporary file beside it is
    /// written, synced and renamed, then the directory is synced.
    ///
    /// # Errors
    /// Those of the system. Either file may be there then; the temporary one is replaced next time.
    fn write_atomic(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path without a file name"));
        };
        let mut temporary = name.to_owned();
        temporary.push(".tmp");
        let temporary = dir.join(temporary);
        if self.exists(&temporary)? {
            self.remove_file(&temporary)?;
        }
        let mut file = self.create(&temporary)?;
        file.write_all(bytes)?;
        file.sync()?;
        drop(file);
        self.rename(&temporary, path)?;
        self.sync_dir(dir)
    }
}

/// A file that is open for reading.
pub trait FsRead: Send + Sync {
    /// Reads from `offset` on into the buffer, and says how many bytes; 0 at the end of the file.
    ///
    /// # Errors
    /// Those of the system.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
}

/// A file that is open for appending.
pub trait FsFile: Send {
    /// Appends bytes. They are in the file, and not yet durable.
    ///
    /// # Errors
    /// Those of the system. Any part of the bytes may have been written; [`len`](Self::len) tells, [`truncate`](Self::truncate) mends.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_slices(&[bytes])
    }

    /// Appends many slices, in few system calls.
    ///
    /// # Errors
    /// As [`write_all`](Self::write_all).
    fn write_slices(&mut self, slices: &[&[u8]]) -> io::Result<()>;

    /// Makes all that was written durable (`fdatasync`).
    ///
    /// # Errors
    /// Those of the system. The bytes since the last sync must then be taken for lost, even if a later call succeeds: Linux marks
    /// pages that it could not write as clean.
    fn sync(&mut self) -> io::Result<()>;

    /// Cuts the file to `len` bytes.
    ///
    /// # Errors
    /// Those of the system.
    fn truncate(&mut self, len: u64) -> io::Result<()>;

    /// The bytes of the file now.
    ///
    /// # Errors
    /// Those of the system.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As [`len`](Self::len).
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
}
