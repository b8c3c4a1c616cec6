//! How many compute threads there are.

use std::fmt;
use std::num::NonZero;
use std::str::FromStr;

/// Where the work runs: on how many threads of this machine.
///
/// A receiver takes one of these threads for as long as it lives, as in Spark, so a program needs more
/// threads than it has receivers.
///
/// ```
/// use millstream_engine::config::Master;
/// assert_eq!("local[4]".parse(), Ok(Master::Local(4)));
/// assert_eq!("local".parse::<Master>().unwrap().threads(), 1);
/// assert_eq!(Master::AllCores.to_string(), "local[*]");
/// assert!("yarn".parse::<Master>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Master {
    /// `local[n]`: this many threads, at least one. `local` is `local[1]`.
    Local(usize),
    /// `local[*]`: as many threads as the machine gives this process cores.
    AllCores,
}

impl Master {
    /// What may be written for a master.
    pub(super) const FORMS: &str = "local, local[n] with n of 1 or more, local[*]";

    /// The number of threads, on this machine.
    pub fn threads(self) -> usize {
        match self {
            Master::Local(threads) => threads,
            Master::AllCores => std::thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl FromStr for Master {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("not a master (one of {})", Master::FORMS);
        match text.trim() {
            "local" => Ok(Master::Local(1)),
            "local[*]" => Ok(Master::AllCores),
            other => {
                let inside = other.strip_prefix("local[").and_then(|rest| rest.strip_suffix(']'));
                let threads: NonZero<usize> = inside.and_then(|n| n.parse().ok()).ok_or_else(refused)?;
                Ok(Master::Local(threads.get()))
            }
        }
    }
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Master::Local(threads) => write!(f, "local[{threads}]"),
            Master::AllCores => f.write_str("local[*]"),
        }
    }
}
