//! Output folders that appear whole or not at all.
//!
//! The results of one batch are a folder of part files, written by many tasks at once, any of which may
//! fail and be tried again. A reader must never see half of it, and a batch that is run again after a
//! crash must not leave its results twice. So:
//!
//! 1. [`OutputFolder::begin`] makes the folder out of sight, as `.NAME.tmp` beside its later name, after it
//!    has cleared away what an earlier attempt left. Names with a leading dot are no input to directory
//!    sources. All remains of a batch have names known beforehand, so nothing must be searched for among
//!    the thousands of folders that a day of batches makes.
//! 2. Each task asks for the [`PartWriter`] of its partition and calls [`PartWriter::finish`], which puts the
//!    part on the disk, and only then under its name. A partition that is tried again takes the place of the old.
//! 3. [`OutputFolder::commit`] compares the parts with how long they were when they were finished, adds the empty file `_SUCCESS`
//!    and renames the folder to its name. It may be called again, also by another process: what was done stays as it is, and
//!    what is left is done.
//!
//! A batch that is run again replaces the folder: the old one is renamed to `.NAME.old`, the new one takes its
//! place, the old one is deleted. **Between the two renames the name does not exist**, for some
//! microseconds; a reader that falls into them finds nothing, never a mixture. After a crash there, the
//! next `commit` completes it, or the next `begin` puts the old folder back.

mod part;

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_engine::fs::{Fs, RealFs};

pub use part::PartWriter;

const NOTHING_CHANGED: &str =
    "the output is as it was before: make the path writable, then run the batch again";
/// The file that is in a folder that is complete.
const SUCCESS: &str = "_SUCCESS";
const PART_LOST: &str = "the output is as it was before, without this batch: put the part back as it was, or run the batch again, \
                         or leave its output out (on_batch_failure=skip)";

/// An output folder in the making; see the [module](self) for the protocol.
///
/// ```
/// use millstream_io::file::commit::OutputFolder;
/// use std::io::Write;
///
/// # let parent = tempfile::tempdir()?;
/// # let path = parent.path().join("counts-1000");
/// let folder = OutputFolder::begin(&path)?;
/// let mut part = folder.writer(0)?;
/// writeln!(part, "(mill,1)")?;
/// let bytes = part.finish()?;
/// assert!(!path.exists());
///
/// OutputFolder::begun(&path)?.commit(&[bytes])?;
/// assert_eq!(std::fs::read_to_string(path.join("part-00000"))?, "(mill,1)\n");
/// assert!(path.join("_SUCCESS").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OutputFolder {
    fs: Arc<dyn Fs>,
    path: PathBuf,
    temporary: PathBuf,
}

impl OutputFolder {
    /// Begins the folder that [`commit`](Self::commit) will make visible at `path`, in place of one that was begun before. Parent
    /// folders are created.
    ///
    /// # Errors
    /// If `path` is a file, or its parent folder cannot be written.
    pub fn begin(path: impl Into<PathBuf>) -> io::Result<OutputFolder> {
        OutputFolder::begin_on(Arc::new(RealFs), path)
    }

    /// The same on another file system than the machine's.
    ///
    /// # Errors
    /// Those of [`begin`](Self::begin).
    pub fn begin_on(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> io::Result<OutputFolder> {
        let folder = OutputFolder::begun_on(fs, path)?;
        let OutputFolder { fs, path, temporary } = &folder;
        fs.create_dir_all(parent(path)).map_err(|error| {
            failed("create the output folder's parent", parent(path), &error, NOTHING_CHANGED)
        })?;
        folder.refuse_file()?;
        folder
            .clear_remains()
            .map_err(|error| failed("clear away the remains of an earlier", path, &error, NOTHING_CHANGED))?;
        fs.create_dir_all(temporary).map_err(|error| failed("create", temporary, &error, NOTHING_CHANGED))?;
        Ok(folder)
    }

    /// The folder that was begun for `path`, perhaps by another process. Nothing is looked at.
    ///
    /// # Errors
    /// If `path` does not end in a name.
    pub fn begun(path: impl Into<PathBuf>) -> io::Result<OutputFolder> {
        OutputFolder::begun_on(Arc::new(RealFs), path)
    }

    /// The same on another file system than the machine's.
    ///
    /// # Errors
    /// Those of [`begun`](Self::begun).
    pub fn begun_on(fs: Arc<dyn Fs>, path: impl Into<PathBuf>) -> io::Result<OutputFolder> {
        let path = path.into();
        let temporary = hidden_sibling(&path, "tmp")?;
        Ok(OutputFolder { fs, path, temporary })
    }

    /// The writer of a partition's part file, `part-00000` and so on, empty even if the partition has been
    /// written before. Several threads may write different partitions at once.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn writer(&self, partition: usize) -> io::Result<PartWriter> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = self.part(partition);
        let attempt = NEXT.fetch_add(1, Ordering::Relaxed);
        let hidden = hidden_sibling(&path, &format!("{}-{attempt}", std::process::id()))?;
        PartWriter::create(Arc::clone(&self.fs), path, hidden)
    }

    fn part(&self, partition: usize) -> PathBuf {
        self.temporary.join(format!("part-{partition:05}"))
    }

    /// Makes the folder visible, in place of one that may be there already, and durable. `parts` are the bytes of each partition's
    /// part file, as [`PartWriter::finish`] gave them. A folder that is there already since an earlier call stays, whatever its
    /// readers have done with it.
    ///
    /// # Errors
    /// If a part is missing, or has not the length that it had, or the file system refuses. The old folder, if any, is then
    /// still or again in its place, but for two errors that say so: it could not be put back and is hidden until the next
    /// attempt, or the new folder is visible but its parent could not be synced.
    pub fn commit(&self, parts: &[u64]) -> io::Result<()> {
        if !self.is_there(&self.temporary)? && self.is_there(&self.path.join(SUCCESS))? {
            return self.durable();
        }
        self.refuse_changed(parts)?;
        self.refuse_file()?;
        self.mark_complete()
            .map_err(|error| failed("write", &self.temporary.join(SUCCESS), &error, NOTHING_CHANGED))?;
        self.rename_into_place()?;
        self.durable()
    }

    /// Adds the empty file that says so.
    fn mark_complete(&self) -> io::Result<()> {
        match self.fs.create(&self.temporary.join(SUCCESS)) {
            // By a commit that was cut off.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            created => created?.sync()?,
        }
        self.fs.sync_dir(&self.temporary)
    }

    /// The folder is in its place: has it stay there, and deletes the one that it has replaced.
    fn durable(&self) -> io::Result<()> {
        self.fs.sync_dir(parent(&self.path)).map_err(|error| {
            let remedy =
                "the output is visible but may not survive a crash of the machine: run the batch again";
            failed("sync the parent folder of", &self.path, &error, remedy)
        })?;
        self.delete_replaced().unwrap_or_else(|error| warn_of_remains(&self.path, &error));
        Ok(())
    }

    /// Gives the folder up; what is at its path stays as it is.
    ///
    /// # Errors
    /// If the temporary folder cannot be deleted.
    pub fn abort(&self) -> io::Result<()> {
        remove_if_there(self.fs.remove_dir_all(&self.temporary)).map_err(|error| {
            failed("delete", &self.temporary, &error, "it is not read as output: delete it by hand")
        })
    }

    /// Renames the old folder aside, if there is one, and the new one to its path.
    fn rename_into_place(&self) -> io::Result<()> {
        let aside = hidden_sibling(&self.path, "old")?;
        let is_replaced = match self.fs.rename(&self.path, &aside) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(failed("replace", &self.path, &error, NOTHING_CHANGED)),
        };
        let Err(error) = self.fs.rename(&self.temporary, &self.path) else { return Ok(()) };
        if is_replaced {
            self.fs.rename(&aside, &self.path).map_err(|error| {
                let remedy =
                    format!("the output before this batch is in {}: run the batch again", aside.display());
                failed("put back", &self.path, &error, &remedy)
            })?;
        }
        Err(failed("make visible", &self.path, &error, NOTHING_CHANGED))
    }

    /// Looks whether all parts are as they were finished.
    fn refuse_changed(&self, parts: &[u64]) -> io::Result<()> {
        for (partition, finished) in parts.iter().enumerate() {
            let part = self.part(partition);
            let what = match self.fs.len(&part) {
                Ok(found) if found == *finished => continue,
                Ok(found) => {
                    format!("{} was finished with {finished} bytes and has {found} now", part.display())
                }
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(failed("look at", &part, &error, PART_LOST));
                }
                Err(_) => {
                    let folder = self.temporary.display();
                    format!(
                        "the part file of partition {partition} was not finished, or is gone from {folder}"
                    )
                }
            };
            return Err(io::Error::other(format!(
                "cannot commit {}: {what}; {PART_LOST}",
                self.path.display()
            )));
        }
        Ok(())
    }

    fn is_there(&self, path: &Path) -> io::Result<bool> {
        self.fs.exists(path).map_err(|error| failed("look at", path, &error, NOTHING_CHANGED))
    }

    /// What is at the path already must be a folder.
    fn refuse_file(&self) -> io::Result<()> {
        if !self.is_there(&self.path)? {
            return Ok(());
        }
        match self.fs.list(&self.path) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotADirectory => {
                let message = format!(
                    "cannot write output to {}: a file is there, and output is a folder; nothing was written: \
                     move the file away or choose another prefix",
                    self.path.display()
                );
                Err(io::Error::new(ErrorKind::AlreadyExists, message))
            }
            Err(error) => Err(failed("look at", &self.path, &error, NOTHING_CHANGED)),
        }
    }

    /// Puts back a folder that a crash left aside, and deletes everything else that attempts left.
    fn clear_remains(&self) -> io::Result<()> {
        remove_if_there(self.fs.remove_dir_all(&self.temporary))?;
        if !self.fs.exists(&self.path)? {
            remove_if_there(self.fs.rename(&hidden_sibling(&self.path, "old")?, &self.path))?;
        }
        self.delete_replaced()
    }

    /// Deletes the folder that this one has replaced, if there is one. It is moved first, so that it is never put back half
    /// deleted.
    fn delete_replaced(&self) -> io::Result<()> {
        let gone = hidden_sibling(&self.path, "gone")?;
        remove_if_there(self.fs.remove_dir_all(&gone))?;
        remove_if_there(self.fs.rename(&hidden_sibling(&self.path, "old")?, &gone))?;
        remove_if_there(self.fs.remove_dir_all(&gone))
    }
}

/// The folder of a batch's output, named as Spark does.
///
/// ```
/// use millstream_io::file::commit::batch_path;
/// use std::path::Path;
///
/// assert_eq!(batch_path("out/counts", "txt", 2000), Path::new("out/counts-2000.txt"));
/// assert_eq!(batch_path("", "", 2000), Path::new("2000"));
/// ```
#[must_use]
pub fn batch_path(prefix: &str, suffix: &str, time_ms: i64) -> PathBuf {
    let dash = if prefix.is_empty() { "" } else { "-" };
    let dot = if suffix.is_empty() { "" } else { "." };
    PathBuf::from(format!("{prefix}{dash}{time_ms}{dot}{suffix}"))
}

/// The folder a path lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// `.NAME.KIND` beside `path`.
fn hidden_sibling(path: &Path, kind: &str) -> io::Result<PathBuf> {
    let Some(name) = path.file_name() else {
        let message = format!(
            "cannot write output to {}: the path does not end in a name; nothing was written: \
             choose a prefix that does",
            path.display()
        );
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    };
    let mut hidden = OsString::from(".");
    hidden.push(name);
    hidden.push(format!(".{kind}"));
    Ok(path.with_file_name(hidden))
}

fn remove_if_there(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// For what is in nobody's way: the next attempt at the same path will try again.
fn warn_of_remains(path: &Path, error: &io::Error) {
    tracing::warn!(path = %path.display(), %error, "what is hidden beside it cannot be deleted; it only takes up space");
}

fn failed(action: &str, path: &Path, error: &io::Error, remedy: &str) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {action} {}: {error}; {remedy}", path.display()))
}

#[cfg(test)]
mod tests;
