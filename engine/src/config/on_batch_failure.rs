//! What becomes of the program when a batch has failed for good.

use std::fmt;
use std::str::FromStr;

/// What to do after a task of a batch failed as often as `task.max_failures` allows.
///
/// Spark goes on and leaves the batch out unless the program watches for it; that loses data silently,
/// so the default here is to stop. A full disk is no failure of the batch: outputs that [say so](crate::Error::is_disk_full), as all
/// file outputs do, wait for space, whatever is chosen here.
///
/// ```
/// use millstream_engine::config::OnBatchFailure;
/// assert_eq!("retry".parse(), Ok(OnBatchFailure::Retry));
/// assert_eq!(OnBatchFailure::default().to_string(), "stop");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBatchFailure {
    /// Stop the program and hand the error to whoever waits for its end.
    #[default]
    Stop,
    /// Run the batch again until it succeeds; later batches wait.
    Retry,
    /// Report the batch as failed and go on with the next, as Spark does.
    Skip,
}

impl OnBatchFailure {
    const ALL: [OnBatchFailure; 3] = [OnBatchFailure::Stop, OnBatchFailure::Retry, OnBatchFailure::Skip];
    /// What may be written for this choice.
    pub(super) const FORMS: &str = "stop, retry, skip";
}

impl FromStr for OnBatchFailure {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|choice| choice.to_string() == text.trim());
        found.ok_or_else(|| format!("not one of {}", Self::FORMS))
    }
}

impl fmt::Display for OnBatchFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OnBatchFailure::Stop => "stop",
            OnBatchFailure::Retry => "retry",
            OnBatchFailure::Skip => "skip",
        })
    }
}
