use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::manifest::{Damage, Manifest, OperatorEntry, UnitEntry};
use super::persist::{Captured, Saved, Unit};
use crate::fs::{Fs, FsFile};
use crate::{Error, Result};

/// The checkpoints in a directory: their manifests, and the data files that these name.
///
/// A checkpoint is written in this order: data file, sync, manifest by rename, sync of the directory; and only then what no
/// manifest needs any more is removed. Of two generations nothing is removed, so there is one to fall back on.
pub(crate) struct Generations {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    /// The number of the newest.
    last: u64,
    /// The manifests that are kept, the newest last.
    kept: Vec<Manifest>,
    /// Where the units are that need not be written again, with their versions, by the operator's id.
    known: BTreeMap<String, BTreeMap<u64, (u64, UnitEntry)>>,
}

/// What there is to be written.
pub(crate) struct Snapshot {
    /// Everything but its generation and the units.
    pub(crate) manifest: Manifest,
    /// The operators' contents, in the order of the manifest's entries.
    pub(crate) captured: Vec<Box<dyn Captured>>,
}

/// What writing a checkpoint came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) generation: u64,
    /// Bytes of changed units.
    pub(crate) bytes: u64,
    /// Changed units.
    pub(crate) units: usize,
}

/// How many generations are kept.
const KEPT: usize = 2;

/// How much is collected before it is written to the data file.
const WRITE_BYTES: usize = 1 << 20;

/// A data file of which less than one part in so many is needed is emptied into the next one.
const SPARSE: u64 = 2;

impl Generations {
    /// Those in `dir`, which is made if need be. Nothing is read but names.
    ///
    /// # Errors
    /// When the directory cannot be made or read.
    pub(crate) fn open(fs: Arc<dyn Fs>, dir: &Path) -> Result<Self> {
        let failed = |e| Error::io(format!("opening the checkpoints in {}", dir.display()), e);
        fs.create_dir_all(dir).map_err(failed)?;
        let mut generations = Generations::look_at(fs, dir);
        generations.last = generations.numbers(MANIFEST)?.into_iter().next_back().unwrap_or(0);
        generations.last =
            generations.last.max(generations.numbers(DATA)?.into_iter().next_back().unwrap_or(0));
        Ok(generations)
    }

    /// The same, to look and not to write.
    pub(crate) fn look_at(fs: Arc<dyn Fs>, dir: &Path) -> Self {
        Generations { fs, dir: dir.to_owned(), last: 0, kept: Vec::new(), known: BTreeMap::new() }
    }

    /// Whether there is any data. The first checkpoint of a program has none, so where there is some, there has been a
    /// manifest.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub(crate) fn has_data(&self) -> Result<bool> {
        Ok(!self.numbers(DATA)?.is_empty())
    }

    /// All manifests, the newest first, each with what is wrong with it if it cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<(PathBuf, Result<Manifest>)>> {
        let paths = self.numbers(MANIFEST)?.into_iter().rev().map(|number| self.path(number, MANIFEST));
        let read = |path: PathBuf| {
            let manifest = self.read(&path).map_err(|damage| damage.into_error(&path.display().to_string()));
            (path, manifest)
        };
        Ok(paths.map(read).collect())
    }

    /// The numbers of the files of a kind, ascending.
    fn numbers(&self, extension: &str) -> Result<BTreeSet<u64>> {
        let failed = |e| Error::io(format!("listing the checkpoints in {}", self.dir.display()), e);
        let entries = self.fs.list(&self.dir).map_err(failed)?;
        let names = entries.iter().filter_map(|entry| entry.name.to_str()?.strip_suffix(extension));
        Ok(names.filter_map(|name| u64::from_str_radix(name, 16).ok()).collect())
    }

    /// The newest checkpoint whose manifest is good and for which `check` finds the rest good. What is skipped is told in the log and
    /// returned; nothing of it is removed.
    ///
    /// # Errors
    /// When there are manifests and none is good, or one is of a newer version.
    pub(crate) fn newest<T>(
        &mut self,
        check: impl Fn(&Generations, &Manifest) -> Result<T>,
    ) -> Result<Option<(Manifest, T, Vec<String>)>> {
        let mut skipped = Vec::new();
        for number in self.numbers(MANIFEST)?.into_iter().rev() {
            let path = self.path(number, MANIFEST);
            let manifest = match self.read(&path) {
                Err(Damage::Newer(format)) => {
                    return Err(Damage::Newer(format).into_error(&path.display().to_string()));
                }
                Err(damage) => Err(damage.into_error(&path.display().to_string())),
                Ok(manifest) => check(self, &manifest).map(|checked| (manifest, checked)),
            };
            match manifest {
                Ok((manifest, checked)) => {
                    self.kept = vec![manifest.clone()];
                    return Ok(Some((manifest, checked, skipped)));
                }
                Err(error) => {
                    tracing::error!(checkpoint = %path.display(), %error, "the checkpoint is skipped");
                    skipped.push(error.to_string());
                }
            }
        }
        if skipped.is_empty() {
            return Ok(None);
        }
        Err(Error::Recovery(format!(
            "none of the checkpoints in {} can be used, so nothing is started: {}. Restore the directory from a copy, or start with \
             an empty one, which begins anew",
            self.dir.display(),
            skipped.join("; ")
        )))
    }

    fn read(&self, path: &Path) -> Result<Manifest, Damage> {
        let bytes = self.fs.read(path).map_err(|error| Damage::Broken(error.to_string()))?;
        Manifest::from_bytes(&bytes)
    }

    /// The content of an operator.
    ///
    /// # Errors
    /// When a unit is missing or is not what was written.
    pub(crate) fn load(&self, operator: &OperatorEntry) -> Result<Saved> {
        let units = operator.units.iter().map(|unit| Ok((unit.id, self.load_unit(operator, unit)?)));
        Ok(Saved {
            number: operator.number,
            rest: operator.rest.clone(),
            units: units.collect::<Result<_>>()?,
        })
    }

    fn load_unit(&self, operator: &OperatorEntry, unit: &UnitEntry) -> Result<Vec<u8>> {
        let path = self.path(unit.file, DATA);
        let what = || format!("part {} of {:?} in {}", unit.id, operator.id, path.display());
        let bytes =
            self.fs.read_at(&path, unit.offset, unit.len as usize).map_err(|e| Error::io(what(), e))?;
        if bytes.len() != unit.len as usize || crc32c::crc32c(&bytes) != unit.crc {
            return Err(Error::Recovery(format!("{} is damaged: its checksum does not fit", what())));
        }
        Ok(bytes)
    }

    /// Writes a checkpoint; when this returns, it is durable, and what none of the kept ones needs is gone.
    ///
    /// # Errors
    /// Those of the disk; what was written before is untouched, and the next attempt begins anew.
    pub(crate) fn write(&mut self, snapshot: Snapshot) -> Result<Written> {
        self.last += 1;
        let written = self.write_next(snapshot);
        if written.is_err() {
            // On a full disk it would take the space that the next attempt needs. First what names the rest.
            [MANIFEST, TEMPORARY, DATA].iter().for_each(|kind| self.remove(&self.path(self.last, kind)));
        }
        written
    }

    fn write_next(&mut self, snapshot: Snapshot) -> Result<Written> {
        let Snapshot { mut manifest, captured } = snapshot;
        manifest.generation = self.last;
        let mut data = DataFile::new(&*self.fs, self.path(self.last, DATA), self.last);
        let sparse = self.sparse_files();
        let mut known = BTreeMap::new();
        for (entry, captured) in manifest.operators.iter_mut().zip(&captured) {
            let before = self.known.get(&entry.id);
            let units = self.write_units(&mut data, before, &sparse, &**captured)?;
            entry.rest = captured.rest()?;
            entry.units = units.values().map(|(_, unit)| *unit).collect();
            known.insert(entry.id.clone(), units);
        }
        let (bytes, units) = data.finish()?;
        let path = self.path(self.last, MANIFEST);
        let failed = |e| Error::io(format!("writing the checkpoint {}", path.display()), e);
        self.fs.write_atomic(&path, &manifest.to_bytes()?).map_err(failed)?;
        self.known = known;
        self.kept.push(manifest);
        self.remove_old();
        Ok(Written { generation: self.last, bytes, units })
    }

    fn write_units(
        &self,
        data: &mut DataFile<'_>,
        before: Option<&BTreeMap<u64, (u64, UnitEntry)>>,
        sparse: &BTreeSet<u64>,
        captured: &dyn Captured,
    ) -> Result<BTreeMap<u64, (u64, UnitEntry)>> {
        let mut units = BTreeMap::new();
        for Unit { id, version } in captured.units() {
            let known = before.and_then(|known| known.get(&id));
            let known = known.filter(|(known, unit)| *known == version && !sparse.contains(&unit.file));
            let unit = match known {
                Some((_, unit)) => *unit,
                None => data.append(id, |bytes| captured.encode(id, bytes))?,
            };
            units.insert(id, (version, unit));
        }
        Ok(units)
    }

    /// The data files of which little is needed any more.
    fn sparse_files(&self) -> BTreeSet<u64> {
        let mut files: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
        for (_, unit) in self.known.values().flat_map(BTreeMap::values) {
            let (needed, end) = files.entry(unit.file).or_default();
            *needed += u64::from(unit.len);
            *end = (*end).max(unit.offset + u64::from(unit.len));
        }
        // The end of what is needed, not of the file: a tail that is not needed costs disk space for a while.
        files.into_iter().filter(|(_, (needed, end))| needed * SPARSE < *end).map(|(file, _)| file).collect()
    }

    /// The oldest checkpoint that one may have to go back to.
    pub(crate) fn oldest(&self) -> Option<&Manifest> {
        self.kept.first()
    }

    /// Removes what no kept manifest needs. What cannot be removed now is tried again after the next checkpoint.
    fn remove_old(&mut self) {
        let excess = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..excess);
        let manifests: BTreeSet<u64> = self.kept.iter().map(|manifest| manifest.generation).collect();
        let units = self.kept.iter().flat_map(|manifest| &manifest.operators).flat_map(|entry| &entry.units);
        let files: BTreeSet<u64> = units.map(|unit| unit.file).collect();
        for (extension, needed) in [(MANIFEST, &manifests), (TEMPORARY, &BTreeSet::new()), (DATA, &files)] {
            let numbers = self.numbers(extension).unwrap_or_default();
            for number in numbers.difference(needed) {
                self.remove(&self.path(*number, extension));
            }
        }
    }

    fn remove(&self, path: &Path) {
        if let Err(error) = self.fs.remove_file(path)
            && error.kind() != ErrorKind::NotFound
        {
            tracing::warn!(file = %path.display(), %error, "an old checkpoint could not be removed");
        }
    }

    fn path(&self, number: u64, extension: &str) -> PathBuf {
        self.dir.join(format!("{number:016x}{extension}"))
    }
}

const MANIFEST: &str = ".manifest";
const DATA: &str = ".data";

/// A manifest that is being written, or was when the process died.
const TEMPORARY: &str = ".manifest.tmp";

/// The file that takes the units of one checkpoint; there is none before the first unit.
struct DataFile<'a> {
    fs: &'a dyn Fs,
    path: PathBuf,
    generation: u64,
    file: Option<Box<dyn FsFile>>,
    /// What is not in the file yet.
    waiting: Vec<u8>,
    written: u64,
    units: usize,
}

impl<'a> DataFile<'a> {
    fn new(fs: &'a dyn Fs, path: PathBuf, generation: u64) -> Self {
        DataFile { fs, path, generation, file: None, waiting: Vec::new(), written: 0, units: 0 }
    }

    fn append(&mut self, id: u64, encode: impl FnOnce(&mut Vec<u8>) -> Result<()>) -> Result<UnitEntry> {
        let begin = self.waiting.len();
        encode(&mut self.waiting)?;
        let content = &self.waiting[begin..];
        let len = u32::try_from(content.len()).map_err(|_| {
            Error::Recovery(format!(
                "part {id} of an operator takes {} bytes, more than 4 GiB",
                content.len()
            ))
        })?;
        let entry = UnitEntry {
            id,
            file: self.generation,
            offset: self.written + begin as u64,
            len,
            crc: crc32c::crc32c(content),
        };
        self.units += 1;
        if self.waiting.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(entry)
    }

    fn flush(&mut self) -> Result<()> {
        let failed = |e| Error::io(format!("writing the checkpoint's data {}", self.path.display()), e);
        let file = match &mut self.file {
            Some(file) => file,
            None => self.file.insert(self.fs.create(&self.path).map_err(failed)?),
        };
        file.write_all(&self.waiting).map_err(failed)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes the file durable (its name becomes so with the manifest's); the bytes and units in it.
    fn finish(mut self) -> Result<(u64, usize)> {
        if !self.waiting.is_empty() || self.units > 0 {
            self.flush()?;
        }
        if let Some(file) = &mut self.file {
            let failed = |e| Error::io(format!("syncing the checkpoint's data {}", self.path.display()), e);
            file.sync().map_err(failed)?;
        }
        Ok((self.written, self.units))
    }
}

#[cfg(test)]
mod tests;
