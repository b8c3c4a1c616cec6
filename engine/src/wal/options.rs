use std::hash::{BuildHasher, Hasher, RandomState};

use super::format::{RECORD_OVERHEAD, SEGMENT_HEADER};
use crate::error::{Error, Result};

/// What happens when a log is opened and something that was durable is damaged or missing. The end of a log after a crash is
/// no damage: it is cut off in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnCorruption {
    /// Opening fails, says what is damaged, and changes nothing.
    #[default]
    Stop,
    /// What is sound is used; what is not is in the report.
    Skip,
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// A new segment begins when the last one has this many bytes.
    pub segment_bytes: u64,
    /// The files of the log stay below this many bytes: appending waits for a release, or goes past it by what must not wait. At least
    /// four segments.
    pub max_bytes: u64,
    /// Bytes that were appended and are not durable yet stay below this: appending waits for the disk.
    pub queue_bytes: usize,
    /// Whether payloads are compressed with lz4, where it pays.
    pub compression: bool,
    /// What to do about damage.
    pub on_corruption: OnCorruption,
    /// What a new log is known by, so that a segment of another log is told from its own. Drawn at random by default.
    pub new_log_id: u64,
}

impl Default for LogOptions {
    fn default() -> Self {
        LogOptions {
            segment_bytes: 64 << 20,
            max_bytes: 10 << 30,
            queue_bytes: 64 << 20,
            compression: false,
            on_corruption: OnCorruption::Stop,
            new_log_id: RandomState::new().build_hasher().finish(),
        }
    }
}

impl LogOptions {
    pub(super) fn check(&self) -> Result<()> {
        let least = SEGMENT_HEADER + RECORD_OVERHEAD;
        if self.segment_bytes < least {
            let given = self.segment_bytes;
            return Err(Error::Config(format!(
                "write-ahead log: segments of {given} bytes hold nothing; give at least {least}"
            )));
        }
        if self.max_bytes / 4 < self.segment_bytes {
            let (max, segment) = (self.max_bytes, self.segment_bytes);
            return Err(Error::Config(format!(
                "write-ahead log: at most {max} bytes in segments of {segment} leave no room to release one while another is \
                 written; give at least four segments"
            )));
        }
        Ok(())
    }
}
