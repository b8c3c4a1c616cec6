//! From the files of a log to a writer that goes on behind them.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex};

use super::format::Manifest;
use super::index::Index;
use super::options::{LogOptions, OnCorruption};
use super::recovery::{Recovery, uncertain};
use super::repair::repair;
use super::segment_file::Pending;
use super::survey::{Survey, survey, unreadable};
use super::trouble::Trouble;
use super::writer::{Start, Writer};
use crate::error::{Error, Result};
use crate::fs::Fs;

/// An opened log, without a thread.
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) recovery: Recovery,
    /// Recovered records that are to be written again first.
    pub(super) again: VecDeque<Pending>,
    pub(super) index: Arc<Mutex<Index>>,
    pub(super) next: u64,
    pub(super) durable: u64,
    pub(super) lock: Box<dyn Send + Sync>,
}

/// Opens the log in `dir`: looks, refuses what is damaged, repairs, and begins a new epoch.
pub(super) fn open(fs: Arc<dyn Fs>, dir: &Path, options: &LogOptions) -> Result<Opened> {
    options.check()?;
    fs.create_dir_all(dir).map_err(|error| unreadable(dir, error))?;
    let lock = fs.lock(&dir.join("lock")).map_err(|error| locked(dir, error))?;
    let survey = survey(&*fs, dir, options.on_corruption)?;
    refuse_damage(dir, &survey, options.on_corruption)?;
    repair((&*fs, options.on_corruption), dir, &survey)?;
    let again = uncertain(&*fs, &survey)?;
    let recovery = Recovery::new(Arc::clone(&fs), &survey);
    let manifest = manifest(&survey, options);
    let Survey { segments, next, durable, sequence, manifest: before, .. } = survey;
    let last_sequence = before.map_or(0, |manifest| manifest.last_sequence).max(sequence);
    let index = Arc::new(Mutex::new(Index::new(segments)));
    let start = Start {
        fs,
        dir: dir.to_owned(),
        segment_bytes: options.segment_bytes,
        manifest,
        next_sequence: last_sequence + 1,
        durable,
        base: next,
        index: Arc::clone(&index),
    };
    let writer = Writer::start(start).map_err(|trouble| match trouble {
        Trouble::Wait(error) | Trouble::Broken(error) | Trouble::Stop(error) => error,
    })?;
    Ok(Opened { writer, recovery, again, index, next, durable, lock })
}

/// The manifest of the new epoch. What is missing was reported; from now on there must be what there is.
fn manifest(survey: &Survey, options: &LogOptions) -> Manifest {
    let log = survey.log.unwrap_or(options.new_log_id);
    let last_sequence = survey.segments.last().map_or(0, |segment| segment.sequence);
    let first = survey.segments.first().map_or(survey.next, |segment| segment.first);
    let released = survey.manifest.map_or(first, |manifest| manifest.released).max(first);
    Manifest { log, epoch: survey.epoch + 1, last_sequence, released }
}

fn locked(dir: &Path, error: std::io::Error) -> Error {
    let dir = dir.display();
    Error::io(
        format!(
            "write-ahead log: {dir} cannot be locked; stop who holds it, or give this program another directory"
        ),
        error,
    )
}

fn refuse_damage(dir: &Path, survey: &Survey, policy: OnCorruption) -> Result<()> {
    let damage: Vec<String> = survey.report.damage().map(ToString::to_string).collect();
    if damage.is_empty() || policy == OnCorruption::Skip {
        return Ok(());
    }
    let (places, dir, shown) = (damage.len(), dir.display(), damage[..damage.len().min(5)].join("; "));
    let what = format!(
        "write-ahead log: {dir} is damaged in {places} place(s): {shown}. Nothing was changed. Bring the files back, or go on without \
         what is lost by wal.skip_damage = true (on_corruption = skip)"
    );
    Err(Error::io(what, std::io::ErrorKind::InvalidData.into()))
}
