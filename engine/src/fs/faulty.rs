use std::collections::BTreeMap;
use std::io;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Entry, Fs, FsFile, FsRead};

/// The kinds of calls that [`FaultyFs`] counts and lets fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Call {
    /// Every call.
    Any,
    /// [`Fs::create_dir_all`].
    CreateDir,
    /// [`Fs::list`].
    List,
    /// [`Fs::create`].
    Create,
    /// [`Fs::open`] and [`Fs::open_append`].
    Open,
    /// [`Fs::read`], [`Fs::read_at`] and [`FsRead::read_at`].
    Read,
    /// [`Fs::rename`].
    Rename,
    /// [`Fs::remove_file`] and [`Fs::remove_dir_all`].
    Remove,
    /// [`Fs::sync_dir`].
    SyncDir,
    /// [`Fs::len`], [`Fs::is_dir`], [`Fs::exists`] and [`FsFile::len`].
    Stat,
    /// [`Fs::lock`].
    Lock,
    /// [`FsFile::write_all`] and [`FsFile::write_slices`].
    Write,
    /// [`FsFile::sync`].
    Sync,
    /// [`FsFile::truncate`].
    Truncate,
}

/// An error of the system, with the number that Linux has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Errno {
    /// The disk is broken (`EIO`).
    Io = 5,
    /// No permission (`EACCES`).
    Access = 13,
    /// Too many open files (`EMFILE`).
    TooManyFiles = 24,
    /// The disk is full (`ENOSPC`).
    NoSpace = 28,
    /// Mounted read-only (`EROFS`).
    ReadOnly = 30,
}

impl From<Errno> for io::Error {
    fn from(errno: Errno) -> Self {
        io::Error::from_raw_os_error(errno as i32)
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// The call does nothing and fails.
    Error(Errno),
    /// A write writes this many of its bytes, then fails.
    ShortWrite(usize, Errno),
    /// A sync fails with `EIO`, and the bytes since the last good sync of the file are gone, as Linux may have it. Later syncs succeed.
    DroppedSync,
    /// A read gives this bit, counted from its beginning and around its end, the other way.
    BitFlip(u64),
    /// The call takes this much longer.
    Delay(Duration),
    /// The call waits until the gate is opened.
    Hold(Gate),
}

/// What calls with [`Fault::Hold`] wait for. Clones are the same gate.
#[derive(Clone, Debug, Default)]
pub struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Debug, Default)]
struct GateState {
    open: bool,
    waiting: usize,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets all calls pass, those that wait and those to come.
    pub fn open(&self) {
        self.state().open = true;
        self.0.1.notify_all();
    }

    /// Waits until `n` calls have come to the gate; false if that takes longer than `limit`.
    pub fn wait_for(&self, n: usize, limit: Duration) -> bool {
        let waited = self.0.1.wait_timeout_while(self.state(), limit, |state| state.waiting < n);
        waited.unwrap_or_else(PoisonError::into_inner).0.waiting >= n
    }

    fn pass(&self) {
        let mut state = self.state();
        state.waiting += 1;
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.open));
    }

    fn state(&self) -> MutexGuard<'_, GateState> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file system whose n-th call goes wrong. Clones share counters and faults.
///
/// A test loops n = 1, 2, ... until [`faults`](Self::faults) says that none happened; then every call has failed once.
///
/// ```
/// use millstream_engine::fs::{Fs, SimFs};
/// use millstream_engine::testkit::{Call, Errno, Fault, FaultyFs};
/// use std::path::Path;
/// use std::sync::Arc;
///
/// for n in 1.. {
///     let disk = FaultyFs::new(Arc::new(SimFs::new()));
///     disk.inject(Call::Any, n..=n, Fault::Error(Errno::Io));
///     let written = disk.write_atomic(Path::new("/offsets"), b"17");
///     if disk.faults() == 0 {
///         assert!(written.is_ok());
///         break;
///     }
///     assert!(written.is_err());
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FaultyFs {
    inner: Arc<dyn Fs>,
    plan: Arc<Mutex<Plan>>,
}

#[derive(Debug, Default)]
struct Plan {
    calls: BTreeMap<Call, u64>,
    faults: Vec<(Call, RangeInclusive<u64>, Fault)>,
    happened: u64,
}

impl FaultyFs {
    /// `inner`, without any fault yet.
    pub fn new(inner: Arc<dyn Fs>) -> Self {
        FaultyFs { inner, plan: Arc::default() }
    }

    /// Has the calls of a kind with these numbers go wrong. The first call is number 1. Where several faults meet a call, it is
    /// the one injected first.
    pub fn inject(&self, call: Call, numbers: RangeInclusive<u64>, fault: Fault) {
        self.plan().faults.push((call, numbers, fault));
    }

    /// Takes all faults back; the counters go on.
    pub fn heal(&self) {
        self.plan().faults.clear();
    }

    /// Calls of a kind so far, those that failed among them.
    pub fn calls(&self, call: Call) -> u64 {
        self.plan().calls.get(&call).copied().unwrap_or(0)
    }

    /// Faults that have happened.
    pub fn faults(&self) -> u64 {
        self.plan().happened
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call, waits if it is to wait, and fails if it is to fail as a whole; faults of another kind are handed to the caller.
    fn enter(&self, call: Call) -> io::Result<Option<Fault>> {
        let fault = self.plan().enter(call);
        match fault {
            Some(Fault::Error(errno)) => Err(errno.into()),
            Some(Fault::Delay(time)) => {
                std::thread::sleep(time);
                Ok(None)
            }
            Some(Fault::Hold(gate)) => {
                gate.pass();
                Ok(None)
            }
            fault => Ok(fault),
        }
    }

    fn read_by(&self, read: impl FnOnce() -> io::Result<Vec<u8>>) -> io::Result<Vec<u8>> {
        let fault = self.enter(Call::Read)?;
        let mut bytes = read()?;
        flip(fault, &mut bytes);
        Ok(bytes)
    }

    fn faulty(&self, inner: Box<dyn FsFile>) -> io::Result<Box<dyn FsFile>> {
        let synced = inner.len()?;
        Ok(Box::new(FaultyFile { fs: self.clone(), inner, synced }))
    }
}

/// Turns the bit that a fault names.
fn flip(fault: Option<Fault>, bytes: &mut [u8]) {
    if let (Some(Fault::BitFlip(bit)), false) = (fault, bytes.is_empty()) {
        let at = (bit / 8) as usize % bytes.len();
        bytes[at] ^= 1 << (bit % 8);
    }
}

impl Plan {
    fn enter(&mut self, call: Call) -> Option<Fault> {
        let mut numbers = [call, Call::Any].map(|call| {
            let number = self.calls.entry(call).or_default();
            *number += 1;
            (call, *number)
        });
        numbers.sort_unstable();
        let meets = |(call, range, _): &&(Call, RangeInclusive<u64>, Fault)| {
            numbers.iter().any(|(counted, number)| counted == call && range.contains(number))
        };
        let fault = self.faults.iter().find(meets).map(|(_, _, fault)| fault.clone());
        self.happened += u64::from(fault.is_some());
        fault
    }
}

impl Fs for FaultyFs {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.enter(Call::CreateDir)?;
        self.inner.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<Entry>> {
        self.enter(Call::List)?;
        self.inner.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.enter(Call::Create)?;
        self.faulty(self.inner.create(path)?)
    }

    fn open_append(&self, path: &Path) -> io::Result<Box<dyn FsFile>> {
        self.enter(Call::Open)?;
        self.faulty(self.inner.open_append(path)?)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FsRead>> {
        self.enter(Call::Open)?;
        Ok(Box::new(FaultyReader { fs: self.clone(), inner: self.inner.open(path)? }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_by(|| self.inner.read(path))
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.read_by(|| self.inner.read_at(path, offset, len))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Rename)?;
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Remove)?;
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.enter(Call::Remove)?;
        self.inner.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        match self.enter(Call::SyncDir)? {
            Some(Fault::DroppedSync) => Err(Errno::Io.into()),
            _ => self.inner.sync_dir(dir),
        }
    }

    fn len(&self, path: &Path) -> io::Result<u64> {
        self.enter(Call::Stat)?;
        self.inner.len(path)
    }

    fn is_dir(&self, path: &Path) -> io::Result<bool> {
        self.enter(Call::Stat)?;
        self.inner.is_dir(path)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.enter(Call::Stat)?;
        self.inner.exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.enter(Call::Lock)?;
        self.inner.lock(path)
    }
}

struct FaultyReader {
    fs: FaultyFs,
    inner: Box<dyn FsRead>,
}

impl FsRead for FaultyReader {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let fault = self.fs.enter(Call::Read)?;
        let read = self.inner.read_at(buffer, offset)?;
        flip(fault, &mut buffer[..read]);
        Ok(read)
    }
}

struct FaultyFile {
    fs: FaultyFs,
    inner: Box<dyn FsFile>,
    /// Length at the last good sync.
    synced: u64,
}

impl FsFile for FaultyFile {
    fn write_slices(&mut self, slices: &[&[u8]]) -> io::Result<()> {
        let Some(Fault::ShortWrite(len, errno)) = self.fs.enter(Call::Write)? else {
            return self.inner.write_slices(slices);
        };
        let bytes = slices.concat();
        self.inner.write_all(&bytes[..len.min(bytes.len())])?;
        Err(errno.into())
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Some(Fault::DroppedSync) = self.fs.enter(Call::Sync)? {
            let dropped = self.synced.min(self.inner.len()?);
            self.inner.truncate(dropped)?;
            return Err(Errno::Io.into());
        }
        self.inner.sync()?;
        self.synced = self.inner.len()?;
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.fs.enter(Call::Truncate)?;
        self.inner.truncate(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.fs.enter(Call::Stat)?;
        self.inner.len()
    }
}

#[cfg(test)]
mod tests;
