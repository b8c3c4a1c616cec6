//! Output folders that appear whole or not at all.
//!
//! The results of one batch are a folder of part files, written by many tasks at once, any of which may
//! fail and be tried again. A reader must never see half of it, and a batch that is run again after a
//! crash must not leave its results twice. So:
//!
//! 1. [`OutputFolder::begin`] makes the folder out of sight, as `.NAME.tmp/PID-N` beside its later name, after it
//!    has cleared away what an earlier attempt left. Names with a leading dot are no input to directory
//!    sources. All remains of a batch have names known beforehand, so nothing must be searched for among
//!    the thousands of folders that a day of batches makes.
//! 2. Each task asks for the [`PartWriter`] of its partition and calls [`PartWriter::finish`], which puts the
//!    part on the disk. A partition that is tried again gets a new file in place of the old.
//! 3. [`OutputFolder::commit`] adds the empty file `_SUCCESS` and renames the folder to its name.
//!
//! A batch that is run again replaces the folder: the old one is renamed to `.NAME.old`, the new one takes its
//! place, the old one is deleted. **Between the two renames the name does not exist**, for some
//! microseconds; a reader that falls into them finds nothing, never a mixture. After a crash there, the
//! next `begin` puts the old folder back, and to run the batch again, as recovery does, completes it.
//!
//! The last attempt wins: `begin` deletes the folder of an attempt that is still running, which then
//! fails. An attempt that is dropped without a commit leaves nothing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const BUFFER_BYTES: usize = 128 * 1024;
const NOTHING_CHANGED: &str =
    "the output is as it was before: make the path writable, then run the batch again";

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
/// part.finish()?;
/// assert!(!path.exists());
///
/// folder.commit()?;
/// assert_eq!(std::fs::read_to_string(path.join("part-00000"))?, "(mill,1)\n");
/// assert!(path.join("_SUCCESS").exists());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct OutputFolder {
    path: PathBuf,
    attempts: PathBuf,
    temporary: PathBuf,
    parts: Mutex<BTreeMap<usize, Part>>,
}

/// The newest attempt at a part file.
#[derive(Debug, Default)]
struct Part {
    attempt: u64,
    finished: bool,
}

impl OutputFolder {
    /// Begins the folder that [`commit`](Self::commit) will make visible at `path`. Parent folders are created.
    ///
    /// # Errors
    /// If `path` is a file, or its parent folder cannot be written.
    pub fn begin(path: impl Into<PathBuf>) -> io::Result<OutputFolder> {
        let path = path.into();
        refuse_file(&path)?;
        create_folders(parent(&path))?;
        let attempts = hidden_sibling(&path, "tmp")?;
        clear_remains(&path, &attempts).map_err(|error| {
            failed("clear away the remains of an earlier", &path, &error, NOTHING_CHANGED)
        })?;
        let temporary = new_attempt(&attempts);
        fs::create_dir_all(&temporary)
            .map_err(|error| failed("create", &temporary, &error, NOTHING_CHANGED))?;
        Ok(OutputFolder { path, attempts, temporary, parts: Mutex::default() })
    }

    /// The writer of a partition's part file, `part-00000` and so on, empty even if the partition has been
    /// written before. Several threads may write different partitions at once.
    ///
    /// # Errors
    /// If the file cannot be created.
    pub fn writer(&self, partition: usize) -> io::Result<PartWriter<'_>> {
        let path = self.temporary.join(format!("part-{partition:05}"));
        let mut parts = self.parts();
        let part = parts.entry(partition).or_default();
        *part = Part { attempt: part.attempt + 1, finished: false };
        // A new file, not the old one truncated: a writer left over from an earlier attempt cannot reach it.
        let file = remove_if_there(fs::remove_file(&path)).and_then(|()| File::create_new(&path));
        let file = file.map_err(|error| failed("create", &path, &error, NOTHING_CHANGED))?;
        let buffer = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(PartWriter { folder: self, partition, attempt: part.attempt, path, buffer })
    }

    /// Makes the folder visible, in place of one that may be there already, and durable.
    ///
    /// # Errors
    /// If a part was begun and not finished, or the file system refuses. The old folder, if any, is then
    /// still or again in its place, but for two errors that say so: it could not be put back and is hidden
    /// until the next attempt, or the new folder is visible but its parent could not be synced.
    pub fn commit(self) -> io::Result<()> {
        self.refuse_unfinished()?;
        refuse_file(&self.path)?;
        let success = self.temporary.join("_SUCCESS");
        File::create_new(&success)
            .and_then(|file| file.sync_all())
            .and_then(|()| sync_folder(&self.temporary))
            .map_err(|error| failed("write", &success, &error, NOTHING_CHANGED))?;
        let replaced = self.rename_into_place()?;
        sync_folder(parent(&self.path)).map_err(|error| {
            let remedy =
                "the output is visible but may not survive a crash of the machine: run the batch again";
            failed("sync the parent folder of", &self.path, &error, remedy)
        })?;
        if let Some(old) = replaced {
            delete_replaced(&old, &self.attempts).unwrap_or_else(|error| warn_of_remains(&old, &error));
        }
        Ok(())
    }

    /// Gives the folder up; what is at its path stays as it is. Dropping it does the same, without the report.
    ///
    /// # Errors
    /// If the temporary folder cannot be deleted.
    pub fn abort(self) -> io::Result<()> {
        remove_if_there(fs::remove_dir_all(&self.temporary)).map_err(|error| {
            failed("delete", &self.temporary, &error, "it is not read as output: delete it by hand")
        })
    }

    /// Renames the old folder aside, if there is one, and the new one to its path; gives the old one's new path.
    fn rename_into_place(&self) -> io::Result<Option<PathBuf>> {
        let aside = hidden_sibling(&self.path, "old")?;
        let replaced = match fs::rename(&self.path, &aside) {
            Ok(()) => Some(aside),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(failed("replace", &self.path, &error, NOTHING_CHANGED)),
        };
        let Err(error) = fs::rename(&self.temporary, &self.path) else { return Ok(replaced) };
        if let Some(aside) = replaced {
            fs::rename(&aside, &self.path).map_err(|error| {
                let remedy =
                    format!("the output before this batch is in {}: run the batch again", aside.display());
                failed("put back", &self.path, &error, &remedy)
            })?;
        }
        Err(failed("make visible", &self.path, &error, NOTHING_CHANGED))
    }

    fn refuse_unfinished(&self) -> io::Result<()> {
        let parts = self.parts();
        let Some(partition) = parts.iter().find_map(|(at, part)| (!part.finished).then_some(at)) else {
            return Ok(());
        };
        let path = self.path.display();
        Err(io::Error::other(format!(
            "cannot commit {path}: partition {partition} was begun and not finished, so its part file may lack records; \
             {NOTHING_CHANGED}"
        )))
    }

    fn parts(&self) -> MutexGuard<'_, BTreeMap<usize, Part>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OutputFolder {
    fn drop(&mut self) {
        remove_if_there(fs::remove_dir_all(&self.temporary))
            .unwrap_or_else(|error| warn_of_remains(&self.temporary, &error));
        // Fails, as it should, while another attempt has its folder there.
        let _ = fs::remove_dir(&self.attempts);
    }
}

/// Writes one part file of an [`OutputFolder`], buffered.
///
/// Dropped without [`finish`](Self::finish), it is a failed attempt: the folder cannot be committed until the
/// partition is tried again.
#[derive(Debug)]
pub struct PartWriter<'a> {
    folder: &'a OutputFolder,
    partition: usize,
    attempt: u64,
    path: PathBuf,
    buffer: BufWriter<File>,
}

impl PartWriter<'_> {
    /// Writes out what is buffered and waits until the file is on the disk.
    ///
    /// # Errors
    /// If that fails, or if the partition has been begun again since.
    pub fn finish(self) -> io::Result<()> {
        let PartWriter { folder, partition, attempt, path, buffer } = self;
        buffer
            .into_inner()
            .map_err(io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .map_err(|error| part_failed(&path, &error))?;
        match folder.parts().get_mut(&partition) {
            Some(part) if part.attempt == attempt => part.finished = true,
            _ => return Err(part_failed(&path, &io::Error::other("a later attempt has replaced this one"))),
        }
        Ok(())
    }
}

impl Write for PartWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.write(bytes).map_err(|error| part_failed(&self.path, &error))
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.write_all(bytes).map_err(|error| part_failed(&self.path, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.buffer.flush().map_err(|error| part_failed(&self.path, &error))
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

fn refuse_file(path: &Path) -> io::Result<()> {
    if !path.exists() || path.is_dir() {
        return Ok(());
    }
    let message = format!(
        "cannot write output to {}: a file is there, and output is a folder; nothing was written: \
         move the file away or choose another prefix",
        path.display()
    );
    Err(io::Error::new(ErrorKind::AlreadyExists, message))
}

/// Creates a folder and those above it, each durable before the next.
fn create_folders(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    create_folders(parent(path))?;
    match fs::create_dir(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created.and_then(|()| sync_folder(parent(path))),
    }
    .map_err(|error| failed("create the output folder's parent", path, &error, NOTHING_CHANGED))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
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

/// A path for a folder in `attempts` that this process has not used before.
fn new_attempt(attempts: &Path) -> PathBuf {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    attempts.join(format!("{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Puts back a folder that a crash left aside, and deletes everything else that attempts at `path` left.
fn clear_remains(path: &Path, attempts: &Path) -> io::Result<()> {
    let replaced = hidden_sibling(path, "old")?;
    if replaced.exists() {
        match path.exists() {
            true => delete_replaced(&replaced, attempts)?,
            false => fs::rename(&replaced, path)?,
        }
    }
    remove_if_there(fs::remove_dir_all(attempts))
}

/// Deletes a folder that was replaced. It is moved first, so that it is never put back half deleted.
fn delete_replaced(replaced: &Path, attempts: &Path) -> io::Result<()> {
    let doomed = new_attempt(attempts);
    fs::create_dir_all(attempts)?;
    fs::rename(replaced, &doomed)?;
    fs::remove_dir_all(&doomed)
}

fn remove_if_there(result: io::Result<()>) -> io::Result<()> {
    result.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}

/// For folders that are in nobody's way: the next attempt at the same path will try again.
fn warn_of_remains(folder: &Path, error: &io::Error) {
    tracing::warn!(folder = %folder.display(), %error, "cannot delete a hidden folder; it only takes up space");
}

fn part_failed(path: &Path, error: &io::Error) -> io::Error {
    let remedy = "the part is not complete and will not be committed: try the partition again";
    failed("write", path, error, remedy)
}

fn failed(action: &str, path: &Path, error: &io::Error, remedy: &str) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {action} {}: {error}; {remedy}", path.display()))
}

#[cfg(test)]
mod tests;
