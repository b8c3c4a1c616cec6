use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::resumption::Opened;
use crate::fs::Fs;
use crate::recovery::{CheckpointStore, DirectoryStore, Generations, Manifest, Saved, inspect};
use crate::{Error, Result};

/// Where a context keeps what outlives the process.
#[derive(Clone, Debug)]
pub(crate) struct CheckpointDir {
    pub(crate) fs: Arc<dyn Fs>,
    /// The lock, the log, and the checkpoints unless they have a store.
    pub(crate) dir: PathBuf,
    pub(crate) store: Option<Arc<dyn CheckpointStore>>,
    /// Whether what an earlier run has left there is to be gone on with; if not, there must be nothing.
    pub(crate) goes_on: bool,
}

impl CheckpointDir {
    /// Takes the directory for this process and reads what is there.
    ///
    /// # Errors
    /// When another process has it; when there is something, and this is not to be gone on with; when it cannot be read, or is
    /// damaged so that nothing can be gone on with.
    pub(super) fn open(&self) -> Result<Opened> {
        let shown = self.dir.display();
        let failed = |e| {
            let what = format!(
                "the checkpoint directory {shown} cannot be used, so nothing is started: have it exist and be writable for this program, \
                 or name another one"
            );
            Error::io(what, e)
        };
        self.fs.create_dir_all(&self.dir).map_err(failed)?;
        let lock = self.fs.lock(&self.dir.join("lock")).map_err(|e| match e.kind() {
            ErrorKind::ResourceBusy => Error::io(
                format!("the checkpoint directory {shown} is not free: one program at a time may use it"),
                e,
            ),
            _ => failed(e),
        })?;
        let (mut generations, owner) = match &self.store {
            Some(store) => {
                let owner = self.owner().map_err(failed)?;
                (Generations::open(Arc::clone(store), Some(owner.clone()))?, Some(owner))
            }
            None => (self.generations_in_directory()?, None),
        };
        let newest = generations.newest(contents)?.map(|(manifest, operators, _)| (manifest, operators));
        let found = newest.as_ref().map(|(manifest, _)| manifest);
        self.check_expected(found, generations.has_data()?)?;
        if let (Some(found), Some(owner)) = (found, owner) {
            self.check_log_of(found, &owner)?;
        }
        Ok(Opened { dir: self.clone(), lock, generations, newest, log: None })
    }

    fn generations_in_directory(&self) -> Result<Generations> {
        let dir = inspect::checkpoints_in(&self.dir);
        let store = DirectoryStore::made(Arc::clone(&self.fs), &dir)
            .map_err(|e| Error::io(format!("opening the checkpoints in {}", dir.display()), e))?;
        Generations::open(Arc::new(store), None)
    }

    /// What this directory is known by in a store, drawn when it is used with one for the first time.
    fn owner(&self) -> std::io::Result<String> {
        let path = self.dir.join("owner");
        if self.fs.exists(&path)? {
            return Ok(String::from_utf8_lossy(&self.fs.read(&path)?).into_owned());
        }
        let draw = || RandomState::new().build_hasher().finish();
        let owner = format!("{:016x}{:016x}", draw(), draw());
        self.fs.write_atomic(&path, owner.as_bytes())?;
        Ok(owner)
    }

    /// Where the checkpoints are, for people.
    fn place(&self) -> String {
        self.store.as_ref().map_or_else(|| self.dir.display().to_string(), |store| store.location())
    }

    /// `has_data`: whether there is data of a checkpoint, be it found or not.
    fn check_expected(&self, found: Option<&Manifest>, has_data: bool) -> Result<()> {
        let (dir, place) = (self.dir.display(), self.place());
        match found {
            Some(manifest) if !self.goes_on => Err(Error::Recovery(format!(
                "{place} holds the checkpoint of {:?} at {}: StreamingContext::{} goes on from there; to begin anew, use \
                 another directory or empty this one",
                manifest.app_name,
                manifest.time,
                if self.store.is_some() { "get_or_create_from" } else { "get_or_create" },
            ))),
            None if has_files(&*self.fs, &inspect::log_in(&self.dir)) => {
                Err(Error::Recovery(match &self.store {
                    None => format!(
                        "{dir} has a log but no checkpoint, so what is in the log cannot be gone on with: restore the folder checkpoints \
                     from a copy; to begin anew, and lose what is in the log, use another directory or empty this one"
                    ),
                    Some(_) => format!(
                        "{dir} has a log but no checkpoint is in {place}, so what is in the log cannot be gone on with: name the place \
                     where the checkpoints are, or restore them there (those that were written before there was a store are in \
                     {dir}/checkpoints, and may be copied); to begin anew, and lose what is in the log, use another directory or \
                     empty this one"
                    ),
                }))
            }
            None if has_data => Err(Error::Recovery(format!(
                "{place} has the data of a checkpoint but no manifest that says what it is, and no log, so nothing is started: restore \
                 the directory from a copy; to begin anew, and lose what is in it, use another directory or empty this one"
            ))),
            _ => Ok(()),
        }
    }

    /// Checks that the log is the one that goes on from the checkpoint in the store. That there is none is told: the machine is a new one.
    fn check_log_of(&self, manifest: &Manifest, owner: &str) -> Result<()> {
        let (dir, place) = (self.dir.display(), self.place());
        let has_log = has_files(&*self.fs, &inspect::log_in(&self.dir));
        let is_ours = manifest.owner.as_deref().is_none_or(|of| of == owner);
        if has_log && !is_ours {
            return Err(Error::Recovery(format!(
                "the log in {dir} does not belong to the newest checkpoint in {place}: a program with another directory has gone on from \
                 the one that it belongs to. So nothing is started. To go on from the newest, and lose what only this log has, empty \
                 the directory or name another one; `millstream wal dump {dir}` shows what it has"
            )));
        }
        if !has_log && manifest.time > manifest.zero {
            tracing::warn!(
                directory = %dir, store = %place, checkpoint = %manifest.time,
                "there is a checkpoint in the store and no log in the directory, as on a new machine: what was received since the \
                 checkpoint comes again only from sources that can send it again; outputs that were done since are done again; and \
                 windows over whole records begin without what their batches before the checkpoint had"
            );
        }
        Ok(())
    }
}

/// Whether there is any file of the log.
fn has_files(fs: &dyn Fs, dir: &Path) -> bool {
    fs.list(dir).is_ok_and(|entries| entries.iter().any(|entry| !entry.is_dir))
}

/// The contents of all operators of a checkpoint: only one whose data is whole is gone on from.
fn contents(generations: &Generations, manifest: &Manifest) -> Result<BTreeMap<String, Saved>> {
    let contents = manifest.operators.iter().map(|entry| Ok((entry.id.clone(), generations.load(entry)?)));
    contents.collect()
}
