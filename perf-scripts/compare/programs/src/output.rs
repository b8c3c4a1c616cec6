//! Results, as lines of fields between tabs, in no particular order.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// A file of the output folder.
pub type Lines = BufWriter<File>;

/// Opens the file of a program that writes only one.
///
/// # Errors
/// When it cannot be made.
pub fn create(folder: &Path) -> io::Result<Lines> {
    create_part(folder, 0)
}

/// Opens one of several.
///
/// # Errors
/// When it cannot be made.
pub fn create_part(folder: &Path, part: usize) -> io::Result<Lines> {
    Ok(BufWriter::with_capacity(1 << 20, File::create(folder.join(format!("part-{part}")))?))
}

/// Removes what a pass has written.
///
/// # Errors
/// Those of the file system.
pub fn clear(folder: &Path) -> io::Result<()> {
    fs::read_dir(folder)?.try_for_each(|entry| fs::remove_file(entry?.path()))
}

/// Writes keys with their counts.
///
/// # Errors
/// When the disk is full, for one.
pub fn write_counts<K: AsRef<[u8]>>(
    folder: &Path,
    counts: impl IntoIterator<Item = (K, u64)>,
) -> io::Result<()> {
    let mut lines = create(folder)?;
    counts.into_iter().try_for_each(|(key, count)| write_count(&mut lines, &key, count))?;
    lines.flush()
}

/// Writes a key with its count.
///
/// # Errors
/// Those of the file.
pub fn write_count<K: AsRef<[u8]>>(lines: &mut Lines, key: &K, count: u64) -> io::Result<()> {
    lines.write_all(key.as_ref())?;
    writeln!(lines, "\t{count}")
}
