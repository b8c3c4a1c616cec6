use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::area::Area;
use super::frame::{frame, unframe};
use crate::fs::{Fs, FsFile};
use crate::{Error, Result};

/// The place on the disk for what memory cannot hold. Clones are the same place.
///
/// Nothing in it outlives the process: files go when nobody holds what is in them, the directory goes when the context stops, and what a
/// killed process has left is removed by the next one that spills. Nothing is synced.
#[derive(Clone, Debug)]
pub struct Spill(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    fs: Arc<dyn Fs>,
    /// The second is for second copies.
    parents: Vec<PathBuf>,
    /// Made when something is spilled for the first time.
    areas: Mutex<Vec<Arc<Area>>>,
    bytes: AtomicU64,
    bytes_max: u64,
}

impl Spill {
    /// A place in the directory `parents[0]`, and in `parents[1]` for second copies, for `bytes_max` bytes altogether.
    pub(crate) fn new(fs: Arc<dyn Fs>, parents: Vec<PathBuf>, bytes_max: u64) -> Self {
        Spill(Arc::new(Inner { fs, parents, areas: Mutex::default(), bytes: AtomicU64::new(0), bytes_max }))
    }

    /// Bytes on the disk now, both copies counted.
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Removes the directory, as soon as nobody holds what is in it; it is made again when it is needed.
    pub(crate) fn close(&self) {
        let areas = std::mem::take(&mut *self.0.areas.lock().unwrap_or_else(PoisonError::into_inner));
        drop(areas);
    }

    /// True when nothing more may be spilled.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes() >= self.0.bytes_max
    }

    /// A new file, in so many copies; one copy where there is no directory for a second.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn file(&self, copies: u8) -> Result<SpillFile> {
        let areas = self.areas()?;
        let copies: Vec<Copy> =
            areas.into_iter().take(copies.into()).map(|area| Copy { path: area.next_path(), area }).collect();
        let files = copies.iter().map(|copy| copy.area.fs().create(&copy.path)).collect::<io::Result<_>>();
        let files = files.map_err(|error| self.failed(error))?;
        let place = Arc::new(Place { spill: self.clone(), copies, len: AtomicU64::new(0) });
        Ok(SpillFile { place, files, is_broken: false })
    }

    fn areas(&self) -> Result<Vec<Arc<Area>>> {
        let mut areas = self.0.areas.lock().unwrap_or_else(PoisonError::into_inner);
        if areas.is_empty() {
            let opened = self.0.parents.iter().map(|parent| Area::open(&self.0.fs, parent).map(Arc::new));
            *areas = opened.collect::<io::Result<_>>().map_err(|error| self.failed(error))?;
        }
        Ok(areas.clone())
    }

    fn failed(&self, error: io::Error) -> Error {
        let parents: Vec<_> = self.0.parents.iter().map(|parent| parent.display().to_string()).collect();
        let what = format!(
            "cannot spill to {}. Make room there, or set storage.dir to another directory",
            parents.join(" and ")
        );
        Error::io(what, error)
    }
}

/// A file that is being written. It stays until the last of its slots goes.
pub(crate) struct SpillFile {
    place: Arc<Place>,
    files: Vec<Box<dyn FsFile>>,
    /// After a write that failed nobody knows where the files end.
    is_broken: bool,
}

#[derive(Debug)]
struct Place {
    spill: Spill,
    copies: Vec<Copy>,
    /// Bytes of one copy.
    len: AtomicU64,
}

#[derive(Debug)]
struct Copy {
    area: Arc<Area>,
    path: PathBuf,
}

impl SpillFile {
    /// Appends one piece, compressed and with a checksum.
    ///
    /// # Errors
    /// When the disk refuses, or `storage.max_bytes` is reached. The file then takes no more.
    pub(crate) fn append(&mut self, plain: &[u8]) -> Result<Slot> {
        let spill = self.place.spill.clone();
        let framed = self.write(plain).map_err(|error| spill.failed(error))?;
        let len = framed.len() as u64;
        let offset = self.place.len.fetch_add(len, Ordering::Relaxed);
        spill.0.bytes.fetch_add(len * self.files.len() as u64, Ordering::Relaxed);
        Ok(Slot { place: Arc::clone(&self.place), offset, len: framed.len() })
    }

    fn write(&mut self, plain: &[u8]) -> io::Result<Vec<u8>> {
        if self.is_broken {
            return Err(io::Error::other("an earlier write has failed"));
        }
        if self.place.spill.is_full() {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "storage.max_bytes is reached"));
        }
        let framed = frame(plain)?;
        let written = self.files.iter_mut().try_for_each(|file| file.write_all(&framed));
        self.is_broken = written.is_err();
        written.map(|()| framed)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let len = self.len.load(Ordering::Relaxed);
        self.spill.0.bytes.fetch_sub(len * self.copies.len() as u64, Ordering::Relaxed);
        for copy in &self.copies {
            if let Err(error) = copy.area.fs().remove_file(&copy.path) {
                tracing::warn!(path = %copy.path.display(), %error, "a file of spilled data could not be removed");
            }
        }
    }
}

/// One spilled piece.
#[derive(Clone, Debug)]
pub(crate) struct Slot {
    place: Arc<Place>,
    offset: u64,
    len: usize,
}

impl Slot {
    /// Reads it back, from the second copy where the first is no good.
    ///
    /// # Errors
    /// When there is no good copy.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        let mut failure = None;
        for copy in &self.place.copies {
            match copy.area.fs().read_at(&copy.path, self.offset, self.len).and_then(|bytes| unframe(&bytes))
            {
                Ok(plain) => return Ok(plain),
                Err(error) => {
                    tracing::warn!(path = %copy.path.display(), %error, "a copy of spilled data cannot be read");
                    failure.get_or_insert(Error::io(format!("reading {} back", copy.path.display()), error));
                }
            }
        }
        Err(failure.unwrap_or_else(|| Error::State("spilled data has no copy".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Call, Errno, Fault, FaultyFs, RealFs};

    fn spill(dirs: &[&tempfile::TempDir], bytes_max: u64) -> Spill {
        Spill::new(Arc::new(RealFs), dirs.iter().map(|dir| dir.path().to_owned()).collect(), bytes_max)
    }

    /// The files below `dir`, locks left out.
    fn files(dir: &std::path::Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let found = entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] });
        found.filter(|path| path.file_name().unwrap() != "lock").collect()
    }

    #[test]
    fn what_is_spilled_comes_back_and_goes_with_its_last_slot() {
        let dir = tempfile::tempdir().unwrap();
        let spill = spill(&[&dir], 1 << 20);
        let mut file = spill.file(2).unwrap();
        let slots: Vec<Slot> = (0..3_u8).map(|i| file.append(&[i; 100]).unwrap()).collect();
        drop(file);
        assert!(slots.iter().zip(0..3).all(|(slot, i)| slot.read().unwrap() == [i; 100]));
        assert_eq!((files(dir.path()).len(), spill.bytes() > 0), (1, true));
        drop(slots);
        assert_eq!((files(dir.path()).len(), spill.bytes()), (0, 0));
        spill.close();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(spill.file(1).unwrap().append(b"again").unwrap().read().unwrap(), b"again");
    }

    #[test]
    fn the_second_copy_is_read_where_the_first_is_damaged() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let spill = spill(&[&first, &second], 1 << 20);
        let slot = spill.file(2).unwrap().append(b"kept twice").unwrap();
        std::fs::write(&files(first.path())[0], "something else, and as long as it takes").unwrap();
        assert_eq!(slot.read().unwrap(), b"kept twice");
        std::fs::remove_file(&files(second.path())[0]).unwrap();
        let error = slot.read().unwrap_err().to_string();
        assert!(error.contains("reading") && error.contains("checksum"), "{error}");
    }

    #[test]
    fn a_full_disk_and_the_limit_say_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let limited = spill(&[&dir], 10);
        let mut file = limited.file(1).unwrap();
        let slot = file.append(b"more than ten bytes").unwrap();
        let error = file.append(b"x").unwrap_err().to_string();
        assert!(error.contains("storage.dir") && error.contains("max_bytes"), "{error}");
        assert!(limited.is_full());
        drop((slot, file));
        assert!(!limited.is_full());

        let disk = Arc::new(FaultyFs::new(Arc::new(RealFs)));
        let full = Spill::new(Arc::clone(&disk) as Arc<dyn Fs>, vec![dir.path().to_owned()], 1 << 20);
        let mut file = full.file(1).unwrap();
        disk.inject(Call::Write, 1..=1, Fault::ShortWrite(3, Errno::NoSpace));
        assert!(file.append(b"x").unwrap_err().to_string().contains("cannot spill to"));
        assert!(file.append(b"x").is_err(), "half a piece stands at its end");
    }
}
