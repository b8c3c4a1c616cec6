//! Hop 5, keyed state: what is known of each key, kept from batch to batch.
//!
//! Keys fall into [`BUCKETS`](crate::shuffle::BUCKETS) buckets by their hash, whatever the number of partitions; a partition
//! owns a run of buckets. A bucket is a dense hash table behind an `Arc`. What a batch gives away of the state is these
//! `Arc`s: a bucket that nobody else holds is changed in place, one that somebody does is copied first.
//!
//! ```text
//! Store      partitions, changed together or not at all
//!   Part     a run of buckets, the timers of their keys, and the journal of the step that is under way
//!     Bucket   KeyMap { key: state }, a stamp for each key if keys time out, the batch that changed it last
//! ```
//!
//! **All or nothing.** Functions see a state by reference and say what is to become of it; only when one has returned, it is
//! changed, and what undoes the change is written into the *journal*. A task that is tried again, and a batch that fails, undo
//! from the last change to the first. No state is cloned for this.
//!
//! **Timeouts.** A key has one timer, set for the batch in which it would time out if nothing more came. Records do not touch the
//! timer: they change the stamp of their key. When the timer fires, the key either times out or is given a new timer. No batch
//! looks at keys that have neither a record nor a timer.

mod bucket;
mod function;
mod groups;
mod handle;
mod journal;
mod key_map;
mod key_updates;
mod map_state;
mod pages;
mod part;
mod persist;
mod snapshot;
mod spec;
mod store;
mod timers;
mod update_function;
mod update_spec;
mod update_state;

pub use handle::State;
pub(crate) use key_map::KeyMap;
pub use key_updates::KeyUpdates;
pub(crate) use map_state::{Arriving, Emitted, MapState, States};
pub(crate) use pages::Pages;
pub(crate) use snapshot::Snapshot;
pub use spec::StateSpec;
pub(crate) use spec::span;
pub use update_spec::UpdateSpec;
pub(crate) use update_state::{AllKeys, UpdateState};
