mod image;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use super::power_cut::Fate;
use super::{Entry, Fs, FsFile, FsRead, PowerCut};
use image::{Image, Inode, Node, Operation, Place, ROOT, names};

/// A file system in memory that forgets what was not synced.
///
/// It holds two images: the *live* one, which every call sees, and the *durable* one, which a power cut leaves; and, between them,
/// the operations that were not synced yet, in order. [`crash`](Self::crash) gives the file system as it is after a power cut,
/// with some of these. A clone is another handle to the same file system; a crash is a new one.
///
/// As on a real disk, syncing a file makes its bytes durable and not its name: that is done by syncing the directory. Relative paths
/// begin at the root. There is no clock: whatever it holds was changed in the first millisecond of 1970.
#[derive(Clone, Debug, Default)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    live: Image,
    durable: Image,
    unsynced: Vec<Operation>,
    locks: BTreeSet<PathBuf>,
    last_inode: Inode,
    operations: u64,
    crash_after: Option<u64>,
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
        image.prune();
        let last_inode = state.last_inode;
        let after = State { live: image.clone(), durable: image, last_inode, ..State::default() };
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
        self.note(operation);
    }

    fn note(&mut self, operation: Operation) {
        self.live.apply(&operation);
        self.unsynced.push(operation);
    }

    /// Makes the operations durable that `is_meant` chooses.
    fn settle(&mut self, is_meant: impl Fn(&Operation) -> bool) {
        let (meant, left) = std::mem::take(&mut self.unsynced).into_iter().partition(is_meant);
        self.unsynced = left;
        let meant: Vec<Operation> = meant;
        meant.iter().for_each(|operation| self.durable.apply(operation));
    }

    fn new_inode(&mut self) -> Inode {
        self.last_inode += 1;
        self.last_inode
    }

    fn inode(&self, path: &Path) -> io::Result<Inode> {
        match self.live.find(path) {
            Some(Node::File(inode)) => Ok(inode),
            _ => Err(missing(path)),
        }
    }

    fn dir(&self, path: &Path) -> io::Result<Inode> {
        match self.live.find(path) {
            Some(Node::Dir(inode)) => Ok(inode),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(missing(path)),
        }
    }

    fn file(&self, inode: Inode) -> &[u8] {
        self.live.files.get(&inode).map_or(&[], Vec::as_slice)
    }

    /// Where the name of a path is, or would be.
    fn place(&self, path: &Path) -> io::Result<Place> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Err(missing(path)) };
        Ok(Place { dir: self.dir(parent)?, name: name.to_owned() })
    }

    /// The directory of this name in `dir`, made if need be, and durable then.
    fn make_dir(&mut self, dir: Inode, name: &OsStr) -> io::Result<Inode> {
        match self.live.at(dir, name) {
            Some(Node::Dir(inode)) => Ok(inode),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => {
                let inode = self.new_inode();
                self.note(Operation::Link {
                    at: Place { dir, name: name.to_owned() },
                    node: Node::Dir(inode),
                });
                self.settle(|operation| operation.is_in(dir));
                Ok(inode)
            }
        }
    }

    /// Whether something may be renamed to a place, in place of what is there.
    fn may_replace(&self, to: &Place, by: Node) -> io::Result<()> {
        match (self.live.at(to.dir, &to.name), by) {
            (None, _) | (Some(Node::File(_)), Node::File(_)) => Ok(()),
            (Some(Node::File(_)), Node::Dir(_)) => Err(io::ErrorKind::NotADirectory.into()),
            (Some(Node::Dir(_)), Node::File(_)) => Err(io::ErrorKind::IsADirectory.into()),
            (Some(Node::Dir(old)), Node::Dir(_)) => match self.live.dirs.get(&old) {
                Some(names) if !names.is_empty() => Err(io::ErrorKind::DirectoryNotEmpty.into()),
                _ => Ok(()),
            },
        }
    }

    /// Removes a directory's content.
    fn empty(&mut self, dir: Inode) {
        let names: Vec<_> = self
            .live
            .dirs
            .get(&dir)
            .into_iter()
            .flatten()
            .map(|(name, node)| (name.clone(), *node))
            .collect();
        for (name, node) in names {
            if let Node::Dir(inside) = node {
                self.empty(inside);
            }
            self.perform(Operation::Unlink { at: Place { dir, name } });
        }
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("{} does not exist", path.display()))
}

/// When everything was changed: later than never, so that a stream of new files sees it.
const CHANGED: Duration = Duration::from_millis(1);

impl Fs for SimFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        state.operations += 1;
        names(dir).try_fold(ROOT, |dir, name| state.make_dir(dir, name)).map(drop)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        let state = self.powered()?;
        let names = state.live.dirs.get(&state.dir(dir)?);
        let entry = |(name, node): (&OsString, &Node)| {
            let len = match node {
                Node::File(inode) => state.file(*inode).len() as u64,
                Node::Dir(_) => 0,
            };
            let is_dir = matches!(node, Node::Dir(_));
            Entry { name: name.clone(), len, is_dir, is_file: !is_dir, modified: UNIX_EPOCH + CHANGED }
        };
        Ok(names.into_iter().flatten().map(entry).collect())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let mut state = self.powered()?;
        let at = state.place(path)?;
        if state.live.at(at.dir, &at.name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inode = state.new_inode();
        state.perform(Operation::Link { at, node: Node::File(inode) });
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        let inode = self.powered()?.inode(path)?;
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        let inode = self.powered()?.inode(path)?;
        Ok(Box::new(SimFile { fs: self.clone(), inode }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        Ok(state.file(state.inode(path)?).to_vec())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let state = self.powered()?;
        Ok(part(state.file(state.inode(path)?), offset, len).to_vec())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        let node = state.live.find(from).ok_or_else(|| missing(from))?;
        let (from, to) = (state.place(from)?, state.place(to)?);
        state.may_replace(&to, node)?;
        state.perform(Operation::Rename { from, to, node });
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        state.inode(path)?;
        let at = state.place(path)?;
        state.perform(Operation::Unlink { at });
        Ok(())
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        let (inode, at) = (state.dir(dir)?, state.place(dir)?);
        state.empty(inode);
        state.perform(Operation::Unlink { at });
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.powered()?;
        let inode = state.dir(dir)?;
        state.operations += 1;
        state.settle(|operation| operation.is_in(inode));
        Ok(())
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        let state = self.powered()?;
        Ok(state.file(state.inode(path)?).len() as u64)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        let state = self.powered()?;
        Ok(matches!(state.live.find(path), Some(Node::Dir(_))))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.powered()?;
        Ok(state.live.find(path).is_some())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.powered()?;
        state.place(path)?;
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

/// What a file has of the `len` bytes from `offset` on.
fn part(file: &[u8], offset: u64, len: usize) -> &[u8] {
    let begin = file.len().min(usize::try_from(offset).unwrap_or(usize::MAX));
    let end = file.len().min(begin.saturating_add(len));
    &file[begin..end]
}

struct SimFile {
    fs: SimFs,
    inode: Inode,
}

impl FsRead for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let state = self.fs.powered()?;
        let read = part(state.file(self.inode), offset, buffer.len());
        buffer[..read.len()].copy_from_slice(read);
        Ok(read.len())
    }
}

impl FsFile for SimFile {
    fn write_slices(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        let mut state = self.fs.powered()?;
        let offset = state.file(self.inode).len() as u64;
        state.perform(Operation::Write { inode: self.inode, offset, bytes: slices.concat() });
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.fs.powered()?;
        state.operations += 1;
        state.settle(|operation| operation.is_of_file(self.inode));
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
