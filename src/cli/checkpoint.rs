use std::io::Write;
use std::path::Path;
use std::sync::Arc;

#[cfg(not(feature = "object-store"))]
use millstream::Error;
use millstream::Result;
use millstream::fs::{Fs, RealFs};
use millstream::recovery::inspect::{self, CheckpointInfo};

use crate::{Outcome, wal};

/// The checkpoints of a directory, or of a store if it is a URL.
fn checkpoints(place: &Path) -> Result<Vec<(String, Result<CheckpointInfo>)>> {
    if let Some(url) = as_url(place) {
        return checkpoints_at(url);
    }
    let fs: Arc<dyn Fs> = Arc::new(RealFs);
    inspect::checkpoints(&fs, place)
}

fn as_url(place: &Path) -> Option<&str> {
    place.to_str().filter(|place| place.contains("://"))
}

#[cfg(feature = "object-store")]
fn checkpoints_at(url: &str) -> Result<Vec<(String, Result<CheckpointInfo>)>> {
    inspect::checkpoints_of(Arc::new(millstream::io::object_store::ObjectStoreCheckpoints::from_url(url)?))
}

#[cfg(not(feature = "object-store"))]
fn checkpoints_at(url: &str) -> Result<Vec<(String, Result<CheckpointInfo>)>> {
    Err(Error::Config(format!(
        "{url} is in an object store, and this program is built without: build it with --features object-store, or give a directory"
    )))
}

/// Shows the checkpoints of `dir`.
pub(crate) fn show(dir: &Path, out: &mut impl Write) -> Outcome {
    let mut all_sound = true;
    let checkpoints = checkpoints(dir)?;
    if checkpoints.is_empty() {
        writeln!(out, "{} has no checkpoint", dir.display())?;
    }
    for (path, checkpoint) in checkpoints {
        match checkpoint {
            Ok(checkpoint) => describe(&checkpoint, out)?,
            Err(error) => {
                all_sound = false;
                writeln!(out, "{} cannot be used: {error}", path)?;
            }
        }
    }
    Ok(all_sound)
}

fn describe(checkpoint: &CheckpointInfo, out: &mut impl Write) -> std::io::Result<()> {
    let interval = checkpoint.batch_interval.as_millis();
    let batches = checkpoint.time.since(checkpoint.zero).as_millis() / interval.max(1);
    writeln!(
        out,
        "checkpoint {} of {:?}: up to batch {} (number {batches}, one every {interval} ms)",
        checkpoint.generation, checkpoint.app_name, checkpoint.time
    )?;
    for operator in &checkpoint.operators {
        writeln!(
            out,
            "  {:<24} {:>12} keys {:>14} bytes  {}",
            operator.id, operator.keys, operator.bytes, operator.types
        )?;
        writeln!(out, "  {:<24} {}", "", operator.description)?;
    }
    for (name, position) in &checkpoint.inputs {
        writeln!(out, "  {name:<24} {position}")?;
    }
    Ok(())
}

/// Reads all checkpoints of `dir`, and its log if that is there.
pub(crate) fn verify(dir: &Path, out: &mut impl Write) -> Outcome {
    let mut sound = 0;
    let checkpoints = checkpoints(dir)?;
    for (path, checkpoint) in &checkpoints {
        match checkpoint {
            Ok(checkpoint) => {
                sound += 1;
                writeln!(out, "{}: sound, up to batch {}", path, checkpoint.time)?;
            }
            Err(error) => writeln!(out, "{}: {error}", path)?,
        }
    }
    // The log of a program whose checkpoints are in a store is on its machine.
    let log = if as_url(dir).is_some() { true } else { wal::verify(dir, out)? };
    if sound == 0 {
        writeln!(out, "there is no checkpoint to go on from")?;
    } else if sound < checkpoints.len() {
        writeln!(
            out,
            "the program goes on from the newest sound one, and makes the batches behind it again from the log"
        )?;
    }
    Ok(log && sound > 0 && sound == checkpoints.len())
}
