//! One value that all tasks read.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A value made once and read by every task, such as a table of exclusions.
///
/// On one machine a broadcast is an [`Arc`]: nothing is sent, a clone is cheap, reading costs nothing,
/// and the memory goes with the last clone.
///
/// ```
/// use millstream_engine::observe::Broadcast;
/// use std::collections::HashSet;
///
/// let excluded = Broadcast::new(HashSet::from(["a", "the"]));
/// let in_task = excluded.clone();
/// let keep = move |word: &str| !in_task.contains(word);
/// assert!(keep("mill") && !keep("the"));
/// assert_eq!(excluded.value().len(), 2);
/// ```
pub struct Broadcast<T: ?Sized>(Arc<T>);

impl<T> Broadcast<T> {
    /// Shares `value`.
    pub fn new(value: T) -> Self {
        Broadcast(Arc::new(value))
    }
}

impl<T: ?Sized> Broadcast<T> {
    /// The value.
    pub fn value(&self) -> &T {
        &self.0
    }

    /// Spark drops the copies on its executors here. There are none, so this does nothing; it is kept so
    /// that programs read the same.
    pub fn unpersist(&self) {}

    /// Gives this handle up. Where Spark fails tasks that still use the value, here the memory is freed
    /// when the last of them is done.
    pub fn destroy(self) {}
}

impl<T: ?Sized> Clone for Broadcast<T> {
    fn clone(&self) -> Self {
        Broadcast(Arc::clone(&self.0))
    }
}

impl<T: ?Sized> Deref for Broadcast<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Broadcast<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Broadcast").field(&&*self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_goes_with_the_last_handle() {
        let value = Arc::new(5);
        let broadcast = Broadcast::new(Arc::clone(&value));
        let in_task = broadcast.clone();
        broadcast.unpersist();
        broadcast.destroy();
        assert_eq!((**in_task, Arc::strong_count(&value)), (5, 2));
        drop(in_task);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
