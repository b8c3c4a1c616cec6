use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::observe::LongAccumulator;
use millstream_engine::{StreamingContext, Time};
use serde::{Deserialize, Serialize};

use super::MendedLines;

/// A file that a directory stream found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FoundFile {
    /// When it was last changed.
    pub modified: Time,
    /// Where it is.
    #[serde(with = "path_bytes")]
    pub path: Arc<Path>,
    /// How long it was when it was found; what is appended later is not read.
    pub bytes: u64,
}

/// A path as its bytes: names need not be UTF-8.
mod path_bytes {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Arc<Path>, serializer: S) -> Result<S::Ok, S::Error> {
        path.as_os_str().as_bytes().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Path>, D::Error> {
        let bytes = Vec::deserialize(deserializer)?;
        Ok(PathBuf::from(OsString::from_vec(bytes)).into())
    }
}

/// Files that could not be read, or not to their end, and were left out: each is logged and counted.
#[derive(Clone, Debug, Default)]
pub struct SkippedFiles {
    files: LongAccumulator,
    mended: MendedLines,
}

impl SkippedFiles {
    /// A count that is shown with every batch.
    pub(crate) fn shown(context: &StreamingContext, source: &str) -> Self {
        SkippedFiles {
            files: context.accumulators().long(format!("{source}: skipped files")),
            mended: MendedLines::shown(context, source),
        }
    }

    /// Notes that `path`, or what is left of it, is left out.
    pub fn skip(&self, path: &Path, error: &io::Error) {
        tracing::error!(file = %path.display(), %error, "the file, or what was not yet read of it, is left out of its batch");
        self.files.add(1);
    }

    /// What was mended in the lines of the files that could be read.
    pub fn mended(&self) -> &MendedLines {
        &self.mended
    }

    /// The files so far.
    pub fn count(&self) -> u64 {
        self.files.count()
    }
}
