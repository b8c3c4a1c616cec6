use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;

use super::data_object::DataObject;
use super::manifest::{Damage, Manifest, OperatorEntry, UnitEntry};
use super::persist::{Captured, Saved, Unit};
use super::store::CheckpointStore;
use super::unit_reader::read_units;
use crate::{Error, Result};

/// The checkpoints in a store: their manifests, and the data objects that these name.
///
/// A checkpoint is written in this order: data, made durable; manifest, put whole; and only then what no manifest needs any more is
/// removed. Of two generations nothing is removed, so there is one to fall back on.
///
/// A store without a lock may be written by two programs: the old one has been taken for dead, and a new one goes on elsewhere. So a
/// program [claims](Self::claim) such a store when it starts: it puts the checkpoint that it goes on from once more, under a number
/// that begins a new *run*, if nobody has put that. Numbers are a run in the upper half and a count in the lower; all that a program
/// writes has its own run's numbers, and the newest run's checkpoints are the newest. A program that finds a later run than its own
/// writes nothing more.
pub(crate) struct Generations {
    store: Arc<dyn CheckpointStore>,
    /// Who claims the store; `None` where a lock keeps others out, and runs are not told apart.
    owner: Option<String>,
    /// The number of the newest.
    last: u64,
    /// The manifests that are kept, the newest last.
    kept: Vec<Manifest>,
    /// Where the units are that need not be written again, with their versions, by the operator's id.
    known: BTreeMap<String, BTreeMap<u64, (u64, UnitEntry)>>,
    /// That another program has claimed the store, once it was found.
    taken_over: Option<Error>,
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

/// A data file of which less than one part in so many is needed is emptied into the next one.
const SPARSE: u64 = 2;

/// Where the run's number stands in a generation's.
const RUN_SHIFT: u32 = 32;

impl Generations {
    /// Those in `store`. Nothing is read but names.
    ///
    /// # Errors
    /// When the names cannot be read.
    pub(crate) fn open(store: Arc<dyn CheckpointStore>, owner: Option<String>) -> Result<Self> {
        let mut generations = Generations::look_at(store);
        generations.owner = owner;
        let newest = |numbers: BTreeSet<u64>| numbers.into_iter().next_back().unwrap_or(0);
        generations.last = newest(generations.numbers(MANIFEST)?).max(newest(generations.numbers(DATA)?));
        Ok(generations)
    }

    /// The same, to look and not to write.
    pub(crate) fn look_at(store: Arc<dyn CheckpointStore>) -> Self {
        let (kept, known) = (Vec::new(), BTreeMap::new());
        Generations { store, owner: None, last: 0, kept, known, taken_over: None }
    }

    /// Whether there is any data. The first checkpoint of a program has none, so where there is some, there has been a
    /// manifest.
    ///
    /// # Errors
    /// When the names cannot be read.
    pub(crate) fn has_data(&self) -> Result<bool> {
        Ok(!self.numbers(DATA)?.is_empty())
    }

    /// All manifests by their places, the newest first, each with what is wrong with it if it cannot be read.
    pub(crate) fn all(&self) -> Result<Vec<(String, Result<Manifest>)>> {
        let names = self.numbers(MANIFEST)?.into_iter().rev().map(|number| name(number, MANIFEST));
        let read = |name: String| {
            let (place, manifest) = (self.place_of(&name), self.read(&name));
            (place.clone(), manifest.map_err(|damage| damage.into_error(&place)))
        };
        Ok(names.map(read).collect())
    }

    /// The numbers of the objects of a kind, ascending.
    fn numbers(&self, kind: &str) -> Result<BTreeSet<u64>> {
        Ok(numbers_in(&self.names()?, kind))
    }

    fn names(&self) -> Result<Vec<String>> {
        let failed = |e| Error::io(format!("listing the checkpoints in {}", self.store.location()), e);
        self.store.list().map_err(failed)
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
            let name = name(number, MANIFEST);
            let place = self.place_of(&name);
            let manifest = match self.read(&name) {
                Err(Damage::Newer(format)) => return Err(Damage::Newer(format).into_error(&place)),
                Err(damage) => Err(damage.into_error(&place)),
                Ok(manifest) => check(self, &manifest).map(|checked| (manifest, checked)),
            };
            match manifest {
                Ok((manifest, checked)) => {
                    self.kept = vec![manifest.clone()];
                    return Ok(Some((manifest, checked, skipped)));
                }
                Err(error) => {
                    tracing::error!(checkpoint = %place, %error, "the checkpoint is skipped");
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
            self.store.location(),
            skipped.join("; ")
        )))
    }

    fn read(&self, name: &str) -> Result<Manifest, Damage> {
        let bytes = self.store.read(name).map_err(|error| Damage::Broken(error.to_string()))?;
        Manifest::from_bytes(&bytes)
    }

    /// The content of an operator.
    ///
    /// # Errors
    /// When a unit is missing or is not what was written.
    pub(crate) fn load(&self, operator: &OperatorEntry) -> Result<Saved> {
        let units = read_units(&*self.store, operator)?;
        Ok(Saved { number: operator.number, rest: operator.rest.clone(), units })
    }

    /// Takes the store for this program from the one that wrote the checkpoint which is gone on from, where no lock does that.
    ///
    /// # Errors
    /// When another program does the same at this moment; those of the store.
    pub(crate) fn claim(&mut self) -> Result<()> {
        let (Some(owner), Some(newest)) = (self.owner.clone(), self.kept.last()) else { return Ok(()) };
        let mut manifest = newest.clone();
        manifest.owner = Some(owner);
        self.last = first_of_run(self.last);
        manifest.generation = self.last;
        self.put(&manifest)?;
        // What is gone on from is the same, so it is no generation to fall back on; the one before it still is there.
        self.kept = vec![manifest];
        Ok(())
    }

    /// Whether another program has claimed the store since this one has.
    pub(crate) fn taken_over(&self) -> Option<&Error> {
        self.taken_over.as_ref()
    }

    /// Writes a checkpoint; when this returns, it is durable, and what none of the kept ones needs is gone.
    ///
    /// # Errors
    /// Those of the store; what was written before is untouched, and the next attempt begins anew. When another program has claimed the
    /// store, no attempt succeeds any more.
    pub(crate) fn write(&mut self, snapshot: Snapshot) -> Result<Written> {
        if let Some(error) = &self.taken_over {
            return Err(error.clone());
        }
        let begins = self.owner.is_some() && self.kept.is_empty();
        self.last = if begins { first_of_run(self.last) } else { self.last + 1 };
        let written = self.write_next(snapshot);
        // What begins a run may be somebody else's.
        if written.is_err() && !begins {
            // On a full disk it would take the space that the next attempt needs. First what names the rest; while that may be there,
            // the rest must be.
            let _ = self.remove(&name(self.last, MANIFEST)) && self.remove(&name(self.last, DATA));
        }
        written
    }

    fn write_next(&mut self, snapshot: Snapshot) -> Result<Written> {
        let Snapshot { mut manifest, captured } = snapshot;
        (manifest.generation, manifest.owner) = (self.last, self.owner.clone());
        let mut data = DataObject::new(&*self.store, name_of_data(self.last), self.last);
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
        self.put(&manifest)?;
        let names = self.names().unwrap_or_default();
        self.check_not_taken_over(&names)?;
        self.known = known;
        self.kept.push(manifest);
        self.remove_old(&names);
        Ok(Written { generation: self.last, bytes, units })
    }

    /// Puts the manifest of the checkpoint `last`. What begins a run must be the first to do so.
    fn put(&self, manifest: &Manifest) -> Result<()> {
        let (name, bytes) = (name(self.last, MANIFEST), manifest.to_bytes()?);
        let begins = self.owner.is_some() && self.last == first_of_run(self.last - 1);
        let put = if begins { self.store.put_new(&name, &bytes) } else { self.store.put(&name, &bytes) };
        match put {
            Err(error) if begins && error.kind() == ErrorKind::AlreadyExists => {
                // A request that was sent twice finds what it has put itself. The owner is in the bytes.
                if self.store.read(&name).is_ok_and(|there| there == bytes) {
                    Ok(())
                } else {
                    Err(self.not_first())
                }
            }
            put => put.map_err(|e| Error::io(format!("writing the checkpoint {}", self.place_of(&name)), e)),
        }
    }

    fn not_first(&self) -> Error {
        Error::Recovery(format!(
            "another program has begun with the checkpoints in {} at the same moment, so nothing is started: one program at a time may \
             use them. Stop the other one and start again, or give this one a place of its own",
            self.store.location()
        ))
    }

    /// Checks that no later run has begun.
    fn check_not_taken_over(&mut self, names: &[String]) -> Result<()> {
        let later = numbers_in(names, MANIFEST).into_iter().next_back().filter(|newest| *newest > self.last);
        let (Some(later), Some(_)) = (later, &self.owner) else { return Ok(()) };
        let error = Error::Recovery(format!(
            "another program has taken over the checkpoints in {}: {} is of a later run than this one. So this program stops; the other \
             has gone on from an earlier checkpoint, and makes again what came after that. Run one program at a time, or give each a \
             place of its own",
            self.store.location(),
            name(later, MANIFEST)
        ));
        self.taken_over = Some(error.clone());
        Err(error)
    }

    fn write_units(
        &self,
        data: &mut DataObject<'_>,
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
    fn remove_old(&mut self, names: &[String]) {
        let excess = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..excess);
        let manifests: BTreeSet<u64> = self.kept.iter().map(|manifest| manifest.generation).collect();
        let units = self.kept.iter().flat_map(|manifest| &manifest.operators).flat_map(|entry| &entry.units);
        let objects: BTreeSet<u64> = units.map(|unit| unit.file).collect();
        for (kind, needed) in [(MANIFEST, &manifests), (TEMPORARY, &BTreeSet::new()), (DATA, &objects)] {
            for number in numbers_in(names, kind).difference(needed) {
                self.remove(&name(*number, kind));
            }
        }
    }

    /// True when there is no such object any more.
    fn remove(&self, name: &str) -> bool {
        let removed = self.store.delete(name);
        if let Err(error) = &removed {
            tracing::warn!(object = %self.place_of(name), %error, "an old checkpoint could not be removed");
        }
        removed.is_ok()
    }

    fn place_of(&self, name: &str) -> String {
        format!("{}/{name}", self.store.location())
    }
}

const MANIFEST: &str = ".manifest";
const DATA: &str = ".data";

/// A manifest that a directory was taking when the process died.
const TEMPORARY: &str = ".manifest.tmp";

fn name(number: u64, kind: &str) -> String {
    format!("{number:016x}{kind}")
}

/// The object with the units that were written with a checkpoint.
pub(super) fn name_of_data(generation: u64) -> String {
    name(generation, DATA)
}

/// The numbers of the objects of a kind, ascending.
fn numbers_in(names: &[String], kind: &str) -> BTreeSet<u64> {
    let numbers = names.iter().filter_map(|name| name.strip_suffix(kind));
    numbers.filter_map(|number| u64::from_str_radix(number, 16).ok()).collect()
}

/// The first number of the run that comes after the one of `number`.
fn first_of_run(number: u64) -> u64 {
    ((number >> RUN_SHIFT) + 1) << RUN_SHIFT
}

#[cfg(test)]
mod tests;
