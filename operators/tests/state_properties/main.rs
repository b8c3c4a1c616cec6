//! Keyed state against a plain `HashMap`, at any partitioning, with keys that come and go, gaps, timeouts and failures.

mod common;
mod map_with_state;
mod update_state_by_key;
