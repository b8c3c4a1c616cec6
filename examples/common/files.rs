//! Which files a path means.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use millstream::io::file::is_visible;
use millstream::prelude::*;

/// The files of `paths`, each of them readable: a file is itself, a directory is all its files whose names do not begin with a
/// dot, sorted by name.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, BoxError> {
    let mut files = Vec::new();
    for path in paths {
        let metadata = fs::metadata(path).map_err(|error| failed(path, error))?;
        if metadata.is_dir() {
            let inside = visible_files(path)?;
            if inside.is_empty() {
                return Err(failed(path, "the directory has no files"));
            }
            files.extend(inside);
        } else if metadata.is_file() {
            files.push(path.clone());
        } else {
            return Err(failed(path, "neither a regular file nor a directory"));
        }
    }
    for file in &files {
        File::open(file).map_err(|error| failed(file, error))?;
    }
    Ok(files)
}

/// The regular files in a directory whose names do not begin with a dot, sorted by name.
pub(crate) fn visible_files(directory: &Path) -> Result<Vec<PathBuf>, BoxError> {
    let entries = fs::read_dir(directory).map_err(|error| failed(directory, error))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let mut files = paths.map_err(|error| failed(directory, error))?;
    files.retain(|path| is_visible(path) && path.is_file());
    files.sort();
    Ok(files)
}

fn failed(path: &Path, reason: impl Into<BoxError>) -> BoxError {
    format!("{}: {}", path.display(), reason.into()).into()
}
