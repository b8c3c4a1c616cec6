//! The synchronous core: groups of records in, durable segments out. It has no thread and no clock, so that every fault and every
//! power cut of it can be played.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::{
    FLAG_CLOSED, MANIFEST, MANIFEST_NAME, Manifest, SEGMENT_HEADER, SegmentHeader, segment_name,
};
use super::index::{Index, Segment};
use super::segment_file::{Pending, SegmentFile};
use super::trouble::Trouble;
use crate::fs::Fs;

/// So many files in a row may break before the log gives up.
const FAILURES_MAX: u32 = 3;

/// Writes the log.
pub(super) struct Writer {
    fs: Arc<dyn Fs>,
    dir: PathBuf,
    segment_bytes: u64,
    /// As it stands on the disk, or would if that had not been full.
    manifest: Manifest,
    /// None before the first record, and after a segment was given up.
    active: Option<SegmentFile>,
    /// A new segment that the manifest does not know for certain.
    made: Option<SegmentFile>,
    next_sequence: u64,
    /// Records below are durable.
    durable: u64,
    /// The first record of this epoch; those before were recovered.
    base: u64,
    failures: u32,
    index: Arc<Mutex<Index>>,
}

/// Where a writer begins.
pub(super) struct Start {
    pub(super) fs: Arc<dyn Fs>,
    pub(super) dir: PathBuf,
    pub(super) segment_bytes: u64,
    /// With the new epoch.
    pub(super) manifest: Manifest,
    pub(super) next_sequence: u64,
    pub(super) durable: u64,
    /// The first record that is not recovered.
    pub(super) base: u64,
    pub(super) index: Arc<Mutex<Index>>,
}

impl Writer {
    /// A writer of a new epoch. Others of the same log find out when they write next.
    ///
    /// # Errors
    /// Those of the manifest. A full disk is none: the epoch is written with the first segment.
    pub(super) fn start(start: Start) -> Result<Self, Trouble> {
        let Start { fs, dir, segment_bytes, manifest, next_sequence, durable, base, index } = start;
        let (active, made, failures) = (None, None, 0);
        let writer = Writer {
            fs,
            dir,
            segment_bytes,
            manifest,
            active,
            made,
            next_sequence,
            durable,
            base,
            failures,
            index,
        };
        match writer.write_manifest(manifest) {
            Ok(()) | Err(Trouble::Wait(_)) => Ok(writer),
            Err(trouble) => Err(trouble),
        }
    }

    pub(super) fn epoch(&self) -> u64 {
        self.manifest.epoch
    }

    /// Makes a group of records durable, whole or not at all. After [`Trouble::Wait`] the same group is to come again.
    ///
    /// # Errors
    /// [`Trouble::Wait`] and [`Trouble::Stop`].
    pub(super) fn commit(&mut self, group: &[Pending]) -> Result<(), Trouble> {
        loop {
            match self.attempt(group) {
                Ok(()) => {
                    self.failures = 0;
                    return Ok(());
                }
                Err(Trouble::Broken(error)) => {
                    self.give_up();
                    self.failures += 1;
                    if self.failures >= FAILURES_MAX {
                        return Err(Trouble::Stop(error));
                    }
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn attempt(&mut self, group: &[Pending]) -> Result<(), Trouble> {
        let durable = self.durable;
        let active = self.ready()?;
        let spots = match active.write(group, durable) {
            Ok(spots) => spots,
            Err(error) => {
                let trouble = Trouble::of("write to", &active.path, error);
                if active.retreat().is_err() {
                    self.active = None;
                }
                return Err(trouble);
            }
        };
        if let Err(error) = active.sync() {
            // The kernel may have dropped the bytes and call them clean: never sync this file again.
            let trouble = Trouble::of("sync", &active.path, error);
            self.give_up();
            return Err(trouble);
        }
        if let Err(trouble) = self.still_ours() {
            // Who has replaced us may have taken these records over: then the file is left as it is.
            match trouble {
                Trouble::Stop(_) => self.active = None,
                Trouble::Wait(_) | Trouble::Broken(_) => self.give_up(),
            }
            return Err(trouble);
        }
        if let Some(active) = &mut self.active {
            active.accept(group);
            let len = active.len;
            self.index().grow(spots.into_iter(), len);
        }
        self.durable = group.last().map_or(durable, |last| last.number + 1);
        Ok(())
    }

    /// The segment to write to: a new one when there is none, or when it is full.
    fn ready(&mut self) -> Result<&mut SegmentFile, Trouble> {
        let full = self.active.as_ref().is_some_and(|active| active.len >= self.segment_bytes);
        if full {
            self.roll()?;
        }
        let active = match self.active.take() {
            Some(active) => active,
            None => self.create()?,
        };
        Ok(self.active.insert(active))
    }

    /// Begins a new segment; then the old one gets its footer. In this order a footer promises that there is a next one.
    fn roll(&mut self) -> Result<(), Trouble> {
        // Whatever comes of it, nothing more is written to the old one: what is left of a new segment, if only a header that comes
        // back after a power cut, says that all later records are behind it.
        let old = self.active.take();
        self.active = Some(self.create()?);
        if let Some(mut old) = old {
            // Without a footer it is a segment that was given up, and as good: so nobody waits for a sync of it.
            let _ = old.seal(0);
        }
        Ok(())
    }

    /// A new segment that can be written to.
    fn create(&mut self) -> Result<SegmentFile, Trouble> {
        let file = match self.made.take() {
            Some(made) => made,
            None => self.make()?,
        };
        let sequence = file.header.sequence;
        let manifest = Manifest { last_sequence: sequence, ..self.manifest };
        if let Err(trouble) = self.write_manifest(manifest) {
            // It may ask for the segment now, or not: the segment stays, and is used next time.
            self.made = Some(file);
            return Err(trouble);
        }
        self.manifest = manifest;
        let (path, first) = (file.path.clone(), file.header.base);
        self.index().begin(Segment { path, sequence, first, bytes: SEGMENT_HEADER, records: Vec::new() });
        Ok(file)
    }

    fn make(&mut self) -> Result<SegmentFile, Trouble> {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let path = self.dir.join(segment_name(sequence));
        let Manifest { log, epoch, .. } = self.manifest;
        let (first, base) = (self.durable, self.durable.max(self.base));
        let header = SegmentHeader { log, epoch, sequence, first, base };
        let made = SegmentFile::create(&*self.fs, path.clone(), header);
        let made = made.and_then(|file| self.fs.sync_dir(&self.dir).map(|()| file));
        made.map_err(|error| {
            // What stays is a segment without records, which recovery passes over.
            let _ = self.fs.remove_file(&path);
            Trouble::of("make", &path, error)
        })
    }

    /// Never writes to the active segment again. What is durable in it counts; a new one begins behind that.
    fn give_up(&mut self) {
        if let Some(mut active) = self.active.take() {
            // Only to free space: recovery does not read what the next segment has again.
            let _ = active.retreat();
        }
    }

    fn manifest_path(&self) -> PathBuf {
        self.dir.join(MANIFEST_NAME)
    }

    fn write_manifest(&self, manifest: Manifest) -> Result<(), Trouble> {
        let path = self.manifest_path();
        self.fs.write_atomic(&path, &manifest.encode()).map_err(|error| Trouble::of("write", &path, error))
    }

    /// Whether the directory is there and no other writer has begun. It is asked between the sync and the acknowledgement: a
    /// writer that begins later finds what we have synced.
    fn still_ours(&self) -> Result<(), Trouble> {
        let path = self.manifest_path();
        let bytes =
            self.fs.read_at(&path, 0, MANIFEST + 1).map_err(|error| Trouble::of("read", &path, error))?;
        match Manifest::decode(&bytes) {
            Ok(manifest) if (manifest.log, manifest.epoch) == (self.manifest.log, self.manifest.epoch) => {
                Ok(())
            }
            Ok(_) => Err(Trouble::replaced(&self.dir)),
            Err(_) => Err(Trouble::of("read", &path, std::io::ErrorKind::InvalidData.into())),
        }
    }

    /// Deletes the segments whose records are all below `before`. That they may be gone is durable before the first one is.
    ///
    /// # Errors
    /// Those of the files; what was not deleted is deleted another time.
    pub(super) fn release(&mut self, before: u64) -> Result<(), Trouble> {
        let before = before.min(self.durable);
        let idle =
            before == self.durable && self.active.as_ref().is_some_and(|a| a.len >= self.segment_bytes / 4);
        if idle {
            self.roll()?;
        }
        let paths = self.index().below(before);
        if paths.is_empty() {
            return Ok(());
        }
        self.still_ours()?;
        let manifest = Manifest { released: before.max(self.manifest.released), ..self.manifest };
        self.write_manifest(manifest)?;
        self.manifest = manifest;
        paths.iter().try_for_each(|path| self.delete(path))?;
        self.fs.sync_dir(&self.dir).map_err(|error| Trouble::of("sync", &self.dir, error))
    }

    fn delete(&mut self, path: &Path) -> Result<(), Trouble> {
        match self.fs.remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Trouble::of("delete", path, error))
            }
            _ => {
                self.index().remove(path);
                Ok(())
            }
        }
    }

    /// Seals the last segment. What was committed is durable without.
    pub(super) fn close(&mut self) {
        if let Some(mut active) = self.active.take() {
            let _ = active.seal(FLAG_CLOSED).and_then(|()| active.sync());
        }
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
