use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::power_cut::{Fate, SECTOR};
use super::{Entry, Fs, FsFile, PowerCut};

/// A file system in memory that forgets what was not synced.
///
/// It holds two images: the *live* one, which every call sees, and the *durable* one, which a power cut leaves; and, between them,
/// the operations that were not synced yet, in order. [`crash`](Self::crash) gives the file system as it is after a power cut,
/// with some of these. A clone is another handle to the same file system; a crash is a new one.
///
/// As on a real disk, syncing a file makes its bytes durable and not its name: that is done by syncing the directory.
#[derive(Clone, Debug, Default)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

type Inode = u64;

#[derive(Clone, Debug, Default)]
struct Image {
    names: BTreeMap<PathBuf, Inode>,
    files: BTreeMap<Inode, Vec<u8>>,
}

#[derive(Debug, Default)]
struct State {
    live: Image,
    durable: Image,
    unsynced: Vec<Operation>,
    dirs: BTreeSet<PathBuf>,
    locks: BTreeSet<PathBuf>,
    next_inode: Inode,
    operations: u64,
    crash_after: Option<u64>,
}

/// What was done to the live image.
#[derive(Clone, Debug)]
enum Operation {
    Write { inode: Inode, offset: u64, bytes: Vec<u8> },
    Truncate { inode: Inode, len: u64 },
    Link { path: PathBuf, inode: Inode },
    Unlink { path: PathBuf },
    Rename { from: PathBuf, to: PathBuf, inode: Inode },
}

impl Operation {
    fn is_of_file(&self, file: Inode) -> bool {
        matches!(self, Operation::Write { inode, .. } | Operation::Truncate { inode, .. } if *inode == file)
    }

    fn is_in(&self, dir: &Path) -> bool {
        let within = |path: &Path| path.parent() == Some(dir);
        match self {
            Operation::Write { .. } | Operation::Truncate { .. } => false,
            Operation::Link { path, .. } | Operation::Unlink { path } => within(path),
            Operation::Rename { from, to, .. } => within(from) || within(to),
        }
    }

    fn size(&self) -> Option<u64> {
        match self {
            Operation::Write { bytes, .. } => Some(bytes.len() as u64),
            _ => None,
        }
    }
}

impl Image {
    fn apply(&mut self, operation: &Operation) {
        match operation {
            Operation::Write { inode, offset, bytes } => {
                let file = self.files.entry(*inode).or_default();
                let (begin, end) = (*offset as usize, *offset as usize + bytes.len());
                file.resize(file.len().max(end), 0);
                file[begin..end].copy_from_slice(bytes);
            }
            Operation::Truncate { inode, len } => {
                self.files.entry(*inode).or_default().resize(*len as usize, 0)
            }
            Operation::Link { path, inode } => {
                self.names.insert(path.clone(), *inode);
                self.files.entry(*inode).or_default();
            }
            Operation::Unlink { path } => {
                self.names.remove(path);
            }
            Operation::Rename { from, to, inode } => {
                self.names.remove(from);
                self.names.insert(to.clone(), *inode);
                self.files.entry(*inode).or_default();
            }
        }
    }

    fn apply_torn(&mut self, operation: &Operation, sectors: u64, zero_filled: bool) {
        let Operation::Write { inode, offset, bytes } = operation else { return };
        let file = self.files.entry(*inode).or_default();
        // Sectors are those of the file, not of the write.
        let cut = (offset / SECTOR + sectors) * SECTOR;
        let kept = (cut.saturating_sub(*offset) as usize).min(bytes.len());
        let end = *offset as usize + if zero_filled { bytes.len() } else { kept };
        if kept > 0 || zero_filled {
            file.resize(file.len().max(end), 0);
            file[*offset as usize..][..kept].copy_from_slice(&bytes[..kept]);
        }
    }
}

impl SimFs {
    /// An empty file system.
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls made so far that change something: those that [`crash_after`](Self::crash_after) counts.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Operations that no sync has made durable yet: those among which a [`PowerCut`] chooses.
    pub fn unsynced(&self) -> usize {
        self.state().unsynced.len()
    }

    /// Has the power fail right after the `n`-th operation: all later calls, and those that only read, fail and change nothing.
    pub fn crash_after(&self, n: u64) {
        self.state().crash_after = Some(n);
    }

    /// The file system as it is when the power is back. This one stays as it is, so that many crashes of one moment can be looked at.
    #[must_use]
    pub fn crash(&self, cut: PowerCut) -> SimFs {
        let state = self.state();
        let sizes: Vec<_> = state.unsynced.iter().map(Operation::size).collect();
        let mut image = state.durable.clone();
        for (operation, fate) in state.unsynced.iter().zip(cut.fates(&sizes)) {
            match fate {
                Fate::Kept => image.apply(operation),
                Fate::Lost => {}
                Fate::Torn { sectors, zero_filled } => image.apply_torn(operation, sectors, zero_filled),
            }
        }
        let used: BTreeSet<Inode> = image.names.values().copied().collect();
        image.files.retain(|inode, _| used.contains(inode));
        let mut dirs = state.dirs.clone();
        dirs.extend(image.names.keys().flat_map(|path| path.ancestors().skip(1)).map(Path::to_owned));
        let next_inode = state.next_inode;
        let after = State { live: image.clone(), durable: image, dirs, next_inode, ..State::default() };
        SimFs { state: Arc::new(Mutex::new(after)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked with the state in hand has left it as it was between two operations.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, unless the power is out.
    fn powered(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        match state.crash_after {
            Some(n) if state.operations >= n => Err(io::Error::other("crashed: the simulated power is out")),
            _ => Ok(state),
        }
    }
}

impl State {
    fn perform(&mut self, operation: Operation) {
        self.operations += 1;
        self.live.apply(&operation);
        self.unsynced.push(operation);
    }

    /// Makes the operations durable that `is_meant` chooses.
    fn settle(&mut self, is_meant: impl Fn(&Operation) -> bool) {
        self.operations += 1;
        let (meant, left) = std::mem::take(&mut self.unsynced).into_iter().partition(is_meant);
        self.unsynced = left;
        let meant: Vec<Operation> = meant;
        meant.iter().for_each(|operation| self.durable.apply(operation));
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        self.live.names.get(path).copied().ok_or_else(|| missing(path))
    }

    fn file(&self, inode: Inode) -> &[u8] {
        self.live.files.get(&inode).map_or(&[], Vec::as_slice)
    }

    fn is_dir(&self, path: &Path) -> bool {
        path.as_os_str().is_empty() || path.parent().is_none() || self.dirs.contains(path)
    }

    fn in_dir(&self, path: &Path) -> io::Result<()> {
        if path.parent().is_some_and(|dir| self.is_dir(dir)) { Ok(()) } else { Err(missing(path)) }
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

impl Fs for SimFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        state.operations += 1;
        state.dirs.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.powered()?;
        if !state.is_dir(dir) {
            return Err(missing(dir));
        }
        let here = |path: &&PathBuf| path.parent() == Some(dir);
        let name = |path: &Path| path.file_name().unwrap_or_default().to_owned();
        let dirs =
            state.dirs.iter().filter(here).map(|path| Entry { name: name(path), len: 0, is_dir: true });
        let files = state.live.names.iter().filter(|(path, _)| here(path)).map(|(path, inode)| Entry {
            name: name(path),
            len: state.file(*inode).len() as u64,
            is_dir: false,
        });
        let mut entries: Vec<Entry> = dirs.chain(files).collect();
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.powered()?;
        state.in_dir(path)?;
        if state.live.names.contains_key(path) || state.is_dir(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.next_inode += 1;
        let inode = state.next_inode;
        state.perform(Operation::Link { path: path.to_owned(), inode });
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let inode = self.powered()?.inode(path)?;
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        Ok(state.file(state.inode(path)?).to_vec())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        let file = state.file(state.inode(path)?);
        let begin = file.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
        let end = file.len().min(begin.saturating_add(len));
        Ok(file[begin..end].to_vec())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        let inode = state.inode(from)?;
        state.in_dir(to)?;
        state.perform(Operation::Rename { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        state.inode(path)?;
        state.perform(Operation::Unlink { path: path.to_owned() });
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        if !state.is_dir(dir) {
            return Err(missing(dir));
        }
        let inside: Vec<PathBuf> =
            state.live.names.keys().filter(|path| path.starts_with(dir)).cloned().collect();
        inside.into_iter().for_each(|path| state.perform(Operation::Unlink { path }));
        state.operations += 1;
        state.dirs.retain(|path| !path.starts_with(dir));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        if !state.is_dir(dir) {
            return Err(missing(dir));
        }
        state.settle(|operation| operation.is_in(dir));
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.powered()?;
        Ok(state.file(state.inode(path)?).len() as u64)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.powered()?;
        Ok(state.is_dir(path) || state.live.names.contains_key(path))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.powered()?;
        state.in_dir(path)?;
        if !state.locks.insert(path.to_owned()) {
            let held = format!("{} is locked by another handle", path.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, held));
        }
        Ok(Box::new(SimLock { fs: self.clone(), path: path.to_owned() }))
    }
}

struct SimLock {
    fs: SimFs,
    path: PathBuf,
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.fs.state().locks.remove(&self.path);
    }
}

struct SimFile {
    fs: SimFs,
    inode: Inode,
}

impl FsFile for SimFile {
    fn write_slices(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        let mut state = self.fs.powered()?;
        let offset = state.file(self.inode).len() as u64;
        state.perform(Operation::Write { inode: self.inode, offset, bytes: slices.concat() });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let inode = self.inode;
        self.fs.powered()?.settle(|operation| operation.is_of_file(inode));
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.fs.powered()?.perform(Operation::Truncate { inode: self.inode, len });
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.fs.powered()?.file(self.inode).len() as u64)
    }
}

#[cfg(test)]
mod tests;
