//! Hop 2: the batch interval cuts what was received into batches.

mod recurring_timer;

pub use recurring_timer::RecurringTimer;
