//! Operators that carry something from batch to batch: windows and keyed state.
//!
//! What such an operator gives for a batch depends on all batches before, so its *steps* run one after the other, in the order
//! of time, whatever the order in which jobs ask for them: a [`Sequence`] runs every step that is due up to the one that is
//! asked for. A step runs once; every consumer of the batch reads what it gave. A step is all or nothing: when it fails, the
//! operator is as it was before, and the step can be tried again.

mod step_rdd;
mod steps;

pub(crate) use step_rdd::{StepRdd, View};
pub(crate) use steps::{Sequence, Sequential, Step};
