use std::io::{self, Write};
use std::path::Path;

use millstream::fs::RealFs;
use millstream::recovery::inspect;

use crate::Outcome;

/// Shows the records of the log of `dir`.
pub(crate) fn dump(dir: &Path, out: &mut impl Write) -> Outcome {
    let mut written: io::Result<()> = Ok(());
    let report = inspect::dump(&RealFs, dir, |id, bytes, words| {
        if written.is_ok() {
            written = writeln!(out, "{id:>10} {bytes:>10} bytes  {words}");
        }
    })?;
    written?;
    for finding in &report.findings {
        writeln!(out, "{finding}")?;
    }
    Ok(report.damage().next().is_none())
}

/// Checks the log of `dir`.
pub(crate) fn verify(dir: &Path, out: &mut impl Write) -> Outcome {
    let log = inspect::log(&RealFs, dir)?;
    writeln!(
        out,
        "log of {}: {} record(s) in {} file(s), {} bytes, opened {} time(s)",
        dir.display(),
        log.records,
        log.segments.len(),
        log.bytes,
        log.epoch
    )?;
    for finding in &log.report.findings {
        writeln!(out, "{finding}")?;
    }
    Ok(log.report.damage().next().is_none())
}
