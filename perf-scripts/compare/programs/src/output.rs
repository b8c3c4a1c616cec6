//! Results, as lines of fields between tabs, in no particular order.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The one file that a program writes into its output folder.
pub type Lines = BufWriter<File>;

/// Opens it.
///
/// # Errors
/// When it cannot be made.
pub fn create(folder: &Path) -> io::Result<Lines> {
    Ok(BufWriter::with_capacity(1 << 20, File::create(folder.join("part-0"))?))
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
    for (key, count) in counts {
        lines.write_all(key.as_ref())?;
        writeln!(lines, "\t{count}")?;
    }
    lines.flush()
}
