use std::sync::{Arc, PoisonError};

use super::test_input::Shelf;
use crate::Time;
use crate::rdd::Data;

/// What a stream gave, batch by batch. A batch that is run again replaces what it gave before.
pub struct Collected<T>(pub(super) Shelf<T>);

impl<T: Data> Collected<T> {
    /// The records of each batch that had an RDD, in batch order.
    pub fn batches(&self) -> Vec<Vec<T>> {
        self.timed().into_iter().map(|(_, records)| records).collect()
    }

    /// The same with the batch times.
    pub fn timed(&self) -> Vec<(Time, Vec<T>)> {
        self.partitions().into_iter().map(|(time, parts)| (time, parts.concat())).collect()
    }

    /// The records of each partition of each batch.
    pub fn partitions(&self) -> Vec<(Time, Vec<Vec<T>>)> {
        let shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        shelf.iter().map(|(time, parts)| (*time, parts.clone())).collect()
    }

    /// The records of all batches.
    pub fn all(&self) -> Vec<T> {
        self.batches().concat()
    }

    /// The records of each batch, sorted: for streams whose order is not defined.
    pub fn sorted(&self) -> Vec<Vec<T>>
    where
        T: Ord,
    {
        let mut batches = self.batches();
        batches.iter_mut().for_each(|batch| batch.sort());
        batches
    }
}

impl<T> Clone for Collected<T> {
    fn clone(&self) -> Self {
        Collected(Arc::clone(&self.0))
    }
}
