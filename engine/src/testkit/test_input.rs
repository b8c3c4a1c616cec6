use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::graph::{BatchInput, InputStream, StartInfo};
use crate::rdd::{Data, Parallelized};
use crate::{Result, Time};

/// A replayable input: what each batch holds is written down before, as with a reliable message queue. Batches past the end are
/// empty; a batch of `None` has no RDD at all.
pub struct TestInput<T> {
    batches: Vec<Option<Vec<T>>>,
    partitions: usize,
    zero: Mutex<Time>,
    interval: std::time::Duration,
}

impl<T: Data> TestInput<T> {
    /// Each batch is cut into `partitions` partitions.
    pub fn new(
        batches: impl IntoIterator<Item = Option<Vec<T>>>,
        partitions: usize,
        interval: std::time::Duration,
    ) -> Self {
        let batches = batches.into_iter().collect();
        TestInput { batches, partitions, zero: Mutex::default(), interval }
    }
}

impl<T: Data> InputStream for TestInput<T> {
    type Rdd = Parallelized<T>;

    fn start(&self, start: &StartInfo) -> Result<()> {
        *self.zero.lock().unwrap_or_else(PoisonError::into_inner) = start.zero;
        Ok(())
    }

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Parallelized<T>>> {
        let zero = *self.zero.lock().unwrap_or_else(PoisonError::into_inner);
        let index = batch.time().since(zero).as_millis() / self.interval.as_millis().max(1);
        let index = usize::try_from(index).unwrap_or(usize::MAX) - 1;
        let records = match self.batches.get(index) {
            Some(None) => return Ok(None),
            Some(Some(records)) => records.clone(),
            None => Vec::new(),
        };
        batch.report(records.len() as u64, 0, BTreeMap::new())?;
        Ok(Some(Parallelized::new(batch.executor().clone(), records, self.partitions)))
    }
}

impl<T> std::fmt::Debug for TestInput<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TestInput").field("batches", &self.batches.len()).finish_non_exhaustive()
    }
}

/// Shared with the output operation that fills it.
pub(super) type Shelf<T> = Arc<Mutex<BTreeMap<Time, Vec<Vec<T>>>>>;
