//! Hop 5, windows: what the batches of the last while hold together, kept up batch by batch.
//!
//! A window is a row of *panes*, one per batch of the parent stream. A pane is what the batch comes down to: its keys, each with
//! one value, in the partition of the key's hash. Panes are never changed. Beside them stands an *index*: for every key that
//! occurs in the window, what its values come to, as far as the [`Sliding`] function wants to know it in advance. When the
//! window slides, the entering pane is added to the index and the leaving pane taken out of it: only the keys of these two are
//! touched, however many panes and keys the window has.
//!
//! - [`Invertible`]: the values' sum; a leaving value is subtracted.
//! - [`TwoStacks`]: for functions without an inverse (max, sketches, top-k). Each value is merged twice, and every slide does the
//!   same amount of work.
//! - [`Gather`]: nothing; the values are looked up when the window is read.
//!
//! Each key counts the panes that it occurs in, so it is dropped exactly when nothing in the window has it. The index can be
//! made from the panes at any time, and is, after a step that failed half-way.
//!
//! ```text
//! panes    [ a:1 b:2 ] [ b:1 ] [ a:5 c:1 ]        one per batch, oldest first; each entry knows the key's entry before
//! index      a: 6, in 2 panes   b: 3, in 2   c: 1, in 1
//! slide      the first leaves, [ c:4 ] enters:   a: 5, in 1   b: 1, in 1   c: 5, in 2
//! ```

mod chain;
mod gather;
mod invertible;
mod keyed_window;
mod keys;
mod live;
mod persist;
mod raw;
mod rounding;
mod sliding;
mod span;
mod two_stacks;

#[cfg(test)]
mod tests;

pub use chain::Chain;
pub(crate) use chain::{EntryRef, Pane, PaneEntry};
pub use gather::Gather;
pub use invertible::Invertible;
pub(crate) use keyed_window::{Arriving, KeyedWindow, Whole};
pub use keys::Keys;
pub(crate) use raw::RawPane;
pub use sliding::Sliding;
pub use span::Span;
pub use two_stacks::{Merge, MergeByValue, TwoStacks};
