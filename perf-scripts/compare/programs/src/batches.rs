//! Inputs in batches: a folder with one file for each second of the stream.

use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// The files of the batches, in the order of their names.
///
/// # Errors
/// When the folder cannot be read or is empty.
pub fn files(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let read = |error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(read)?;
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(read)?;
    files.sort();
    if files.is_empty() {
        return Err(format!("{}: no batches", folder.display()).into());
    }
    Ok(files)
}
