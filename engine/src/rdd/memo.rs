use std::sync::{Arc, Mutex, PoisonError};

use crate::Result;

/// A value that is computed once, by whoever asks first; the others wait. A failure is not remembered.
pub struct Memo<T>(Arc<Mutex<Option<Arc<T>>>>);

impl<T> Memo<T> {
    /// The value, if it has been computed.
    pub fn get(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Computes the value unless that has been done.
    ///
    /// # Errors
    /// Those of `compute`; the next call tries again.
    pub fn fill(&self, compute: impl FnOnce() -> Result<T>) -> Result<()> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(Arc::new(compute()?));
        }
        Ok(())
    }
}

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Memo(Arc::default())
    }
}

impl<T> Clone for Memo<T> {
    fn clone(&self) -> Self {
        Memo(Arc::clone(&self.0))
    }
}
