//! What a checkpoint directory holds, for people and for `millstream checkpoint`. Nothing is changed, and no lock is taken.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::directory_store::DirectoryStore;
use super::generations::Generations;
use super::manifest::Manifest;
use super::records::{
    BatchRecord, DoneRecord, LateBatchRecord, OutputKey, PlacedDoneRecord, PlacedPreparedRecord, Prepared,
    PreparedRecord, SegmentHeader, kind,
};
use super::store::CheckpointStore;
use crate::codec::decode;
use crate::fs::Fs;
use crate::wal::{self, VerifyReport};
use crate::{Result, Time};

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointInfo {
    /// Its number in the directory.
    pub generation: u64,
    /// The program's `app_name`.
    pub app_name: String,
    /// The last batch that is in it.
    pub time: Time,
    /// The time before the first batch that ever was.
    pub zero: Time,
    /// The time between two batches.
    pub batch_interval: Duration,
    /// The operators that carry something from batch to batch.
    pub operators: Vec<OperatorContent>,
    /// Inputs and receivers, each with its position in a few words.
    pub inputs: Vec<(String, String)>,
}

/// What a checkpoint has of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OperatorContent {
    /// Its name.
    pub id: String,
    /// The operator and where the program defined it.
    pub description: String,
    /// Its kind and types: what a program must agree on to go on with it.
    pub types: String,
    /// The keys that it held.
    pub keys: u64,
    /// Bytes of what it held, as they are written.
    pub bytes: u64,
}

impl From<&Manifest> for CheckpointInfo {
    fn from(manifest: &Manifest) -> Self {
        let operators = manifest.operators.iter().map(|entry| OperatorContent {
            id: entry.id.clone(),
            description: entry.description.clone(),
            types: entry.types.clone(),
            keys: entry.keys,
            bytes: entry.units.iter().map(|unit| u64::from(unit.len)).sum(),
        });
        let inputs = manifest
            .inputs
            .iter()
            .map(|input| (input.name.clone(), format!("{} bytes of position", input.position.len())));
        let receivers = manifest.receivers.iter().map(|receiver| {
            let sources = receiver.marks.len();
            (
                receiver.name.clone(),
                format!("segments before {}, {sources} source(s) that count", receiver.next),
            )
        });
        CheckpointInfo {
            generation: manifest.generation,
            app_name: manifest.app_name.clone(),
            time: manifest.time,
            zero: manifest.zero,
            batch_interval: manifest.batch_interval,
            operators: operators.collect(),
            inputs: inputs.chain(receivers).collect(),
        }
    }
}

/// The checkpoints in a directory by their files, the newest first, each with what is wrong with it if it cannot be used.
///
/// # Errors
/// When the directory cannot be read.
pub fn checkpoints(fs: &Arc<dyn Fs>, dir: &Path) -> Result<Vec<(String, Result<CheckpointInfo>)>> {
    checkpoints_of(Arc::new(DirectoryStore::new(Arc::clone(fs), &checkpoints_in(dir))))
}

/// The same of a store.
///
/// # Errors
/// When the store cannot be read.
pub fn checkpoints_of(store: Arc<dyn CheckpointStore>) -> Result<Vec<(String, Result<CheckpointInfo>)>> {
    let generations = Generations::look_at(store);
    let found = generations.all()?.into_iter();
    let checked = |manifest: Manifest| {
        for entry in &manifest.operators {
            generations.load(entry)?;
        }
        Ok(CheckpointInfo::from(&manifest))
    };
    Ok(found.map(|(path, manifest)| (path, manifest.and_then(checked))).collect())
}

/// The log of a checkpoint directory, checked.
///
/// # Errors
/// When a file cannot be read or was written by a newer version. Damage is in the report.
pub fn log(fs: &dyn Fs, dir: &Path) -> Result<VerifyReport> {
    wal::verify(fs, &log_in(dir))
}

/// Shows every sound record of the log, in order, with its number, its bytes and what it says.
///
/// # Errors
/// As [`log`].
pub fn dump(fs: &dyn Fs, dir: &Path, mut visit: impl FnMut(u64, u32, String)) -> Result<wal::Report> {
    wal::dump(fs, &log_in(dir), |record| {
        visit(record.id.0, record.stored_bytes, words(record.kind, record.payload))
    })
}

fn words_of_batch(batch: &BatchRecord) -> String {
    let blocks =
        batch.blocks.iter().map(|b| format!(", segments {}..{} of stream {}", b.from, b.to, b.stream));
    let claims = batch
        .claims
        .iter()
        .map(|c| format!(", {} bytes of stream {} for {}", c.claim.len(), c.stream, c.time));
    format!("batch {}{}", batch.time, blocks.chain(claims).collect::<String>())
}

fn words_of_done(time: Time, output: &OutputKey) -> String {
    format!("{output} of batch {time} is done")
}

fn words_of_prepared(time: Time, output: &OutputKey, Prepared { sink, staged }: &Prepared) -> String {
    format!("{output} of batch {time} is prepared: {} bytes of {sink}", staged.len())
}

/// What a record says.
fn words(of: u8, mut payload: &[u8]) -> String {
    let bytes = &mut payload;
    let said = match of {
        kind::SEGMENT => decode::<SegmentHeader>(bytes).map(|segment| {
            let SegmentHeader { stream, number, block, records, mark, .. } = segment;
            let mark =
                mark.map(|mark| format!(", {:?} up to {}", mark.source, mark.number)).unwrap_or_default();
            format!("segment {number} of stream {stream}: {records} record(s), received at {block}{mark}")
        }),
        kind::BATCH => decode::<BatchRecord>(bytes).map(|batch| words_of_batch(&batch)),
        kind::LATE_BATCH => decode::<LateBatchRecord>(bytes)
            .map(|late| format!("{}, the next after {}", words_of_batch(&late.batch), late.after)),
        kind::DONE => decode::<DoneRecord>(bytes)
            .map(|DoneRecord { time, output }| words_of_done(time, &OutputKey::Name(output))),
        kind::PREPARED => decode::<PreparedRecord>(bytes)
            .map(|record| words_of_prepared(record.time, &OutputKey::Name(record.output), &record.prepared)),
        kind::PLACED_DONE => decode::<PlacedDoneRecord>(bytes)
            .map(|PlacedDoneRecord { time, output }| words_of_done(time, &OutputKey::Place(output))),
        kind::PLACED_PREPARED => decode::<PlacedPreparedRecord>(bytes)
            .map(|record| words_of_prepared(record.time, &OutputKey::Place(record.output), &record.prepared)),
        other => Ok(format!("a record of the unknown kind {other}")),
    };
    said.unwrap_or_else(|error| format!("what cannot be read: {error}"))
}

/// Where the checkpoints are.
pub(crate) fn checkpoints_in(dir: &Path) -> PathBuf {
    dir.join("checkpoints")
}

/// Where the log is.
pub(crate) fn log_in(dir: &Path) -> PathBuf {
    dir.join("log")
}
