//! The options of programs that can also look at the last while.

use millstream::prelude::*;

use crate::duration;

/// Windows, if asked for.
#[derive(clap::Args)]
pub(crate) struct Windows {
    /// Length of a window, such as 30s: a multiple of the interval
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    window: Option<Duration>,
    /// How often a window is shown: a multiple of the interval
    #[arg(long, value_name = "TIME", value_parser = duration::parse, default_value = "10s", requires = "window")]
    slide: Duration,
}

impl Windows {
    /// The lengths of window and slide, if windows were asked for.
    pub(crate) fn spans(&self) -> Option<(Duration, Duration)> {
        Some((self.window?, self.slide))
    }
}
