use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::fs::{Fs, FsFile};

use super::{NOTHING_CHANGED, failed, parent, remove_if_there, warn_of_remains};

const BUFFER_BYTES: usize = 128 * 1024;

/// Writes one part file of an [`OutputFolder`](super::OutputFolder), buffered.
///
/// Dropped without [`finish`](Self::finish), or after a write that failed, it is a failed attempt, and leaves nothing: the folder cannot
/// be committed until the partition is tried again.
pub struct PartWriter {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    hidden: PathBuf,
    buffer: Vec<u8>,
    /// None when a write has failed: nobody knows what of it is there.
    file: Option<Box<dyn FsFile>>,
    is_finished: bool,
}

impl PartWriter {
    /// A writer of the file that [`finish`](Self::finish) will name `path`, and that is called `hidden` until then.
    pub(super) fn create(fs: Arc<dyn Fs>, path: PathBuf, hidden: PathBuf) -> io::Result<Self> {
        let file = fs.create(&hidden).map_err(|error| failed("create", &hidden, &error, NOTHING_CHANGED))?;
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        Ok(PartWriter { fs, path, hidden, buffer, file: Some(file), is_finished: false })
    }

    /// Writes out what is buffered, waits until it is on the disk, and gives the file its name; the bytes that it has.
    ///
    /// # Errors
    /// If that fails, or a write has failed before.
    pub fn finish(mut self) -> io::Result<u64> {
        self.try_finish().map_err(|error| self.failed(&error))
    }

    fn try_finish(&mut self) -> io::Result<u64> {
        self.write_out()?;
        let file = self.file()?;
        file.sync()?;
        let bytes = file.len()?;
        self.fs.rename(&self.hidden, &self.path)?;
        self.is_finished = true;
        self.fs.sync_dir(parent(&self.path))?;
        Ok(bytes)
    }

    fn file(&mut self) -> io::Result<&mut Box<dyn FsFile>> {
        self.file.as_mut().ok_or_else(|| io::Error::other("an earlier write has failed"))
    }

    fn write_out(&mut self) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let written = self.append(&buffer);
        buffer.clear();
        self.buffer = buffer;
        written
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = self.file()?.write_all(bytes);
        if written.is_err() {
            self.file = None;
        }
        written
    }

    fn failed(&self, error: &io::Error) -> io::Error {
        failed(
            "write",
            &self.path,
            error,
            "the part is not complete and will not be committed: try the partition again",
        )
    }
}

impl Write for PartWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.flush()?;
        }
        if bytes.len() > BUFFER_BYTES {
            self.append(bytes).map_err(|error| self.failed(&error))?;
        } else {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_out().map_err(|error| self.failed(&error))
    }
}

impl fmt::Debug for PartWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PartWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for PartWriter {
    fn drop(&mut self) {
        if !self.is_finished {
            remove_if_there(self.fs.remove_file(&self.hidden))
                .unwrap_or_else(|error| warn_of_remains(&self.hidden, &error));
        }
    }
}
