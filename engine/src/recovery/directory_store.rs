use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::{CheckpointStore, CheckpointWriter};
use crate::fs::{Fs, FsFile};

/// Checkpoints in a directory of a disk. A lock beside it keeps other programs out.
#[derive(Debug)]
pub(crate) struct DirectoryStore {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
}

impl DirectoryStore {
    /// The directory is made if need be by [`made`](Self::made), and not by this.
    pub(crate) fn new(fs: Arc<dyn Fs>, dir: &Path) -> Self {
        DirectoryStore { fs, dir: dir.to_owned() }
    }

    /// The same, with the directory.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn made(fs: Arc<dyn Fs>, dir: &Path) -> io::Result<Self> {
        fs.create_dir_all(dir)?;
        Ok(DirectoryStore::new(fs, dir))
    }
}

impl CheckpointStore for DirectoryStore {
    fn location(&self) -> String {
        self.dir.display().to_string()
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let entries = self.fs.list(&self.dir)?.into_iter();
        Ok(entries.filter_map(|entry| entry.name.into_string().ok()).collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.fs.read(&self.dir.join(name))
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.fs.read_at(&self.dir.join(name), offset, len)
    }

    /// The file is synced at its end; its name becomes durable with the manifest's, which syncs the directory.
    fn create(&self, name: &str) -> io::Result<Box<dyn CheckpointWriter>> {
        Ok(Box::new(DataFile(self.fs.create(&self.dir.join(name))?)))
    }

    /// A temporary file, of which nothing is left when that fails: on a full disk it would take the space of the next attempt.
    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let written = self.fs.write_atomic(&self.dir.join(name), bytes);
        if written.is_err() {
            // If it stays, it is removed with the old checkpoints.
            let _ = self.delete(&format!("{name}.tmp"));
        }
        written
    }

    /// One step as far as those are concerned who hold the lock.
    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.fs.exists(&self.dir.join(name))? {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.put(name, bytes)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        match self.fs.remove_file(&self.dir.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

struct DataFile(Box<dyn FsFile>);

impl CheckpointWriter for DataFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        self.0.sync()
    }
}
