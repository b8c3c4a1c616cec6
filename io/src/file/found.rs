use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_engine::job::Task;
use millstream_engine::observe::LongAccumulator;
use millstream_engine::rdd::Flow;
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
///
/// Left out is what will not be different the next time: a file that is gone, that nobody may read, that has become shorter, or of which
/// its reader says that it is not what it should be. Any other error of the system (a disk or a network that fails, no free
/// descriptor) may pass. It fails the task, which is tried again, and if that does not help the batch; so nothing is lost by it.
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

    /// Leaves `path`, or what is left of it, out, or fails the task.
    pub fn skip_or_fail(&self, path: &Path, error: &io::Error, task: &Task) -> Flow {
        if !is_lasting(error) {
            return task.fail(format!(
                "reading {}: {error}. Nothing of its batch is put out. To go on without the file, move it away",
                path.display()
            ));
        }
        self.skip(path, error);
        Flow::Continue(())
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

/// Whether trying again would not help.
pub(super) fn is_lasting(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    error.raw_os_error().is_none()
        || matches!(error.kind(), NotFound | PermissionDenied | IsADirectory | NotADirectory)
}
