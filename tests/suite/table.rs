//! A table that outlives the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use millstream::deliver::{Guarantee, PartitionRecords, Sink};
use millstream::prelude::*;

/// What all lives have put into it.
#[derive(Default)]
pub(crate) struct Rows {
    /// By batch and partition.
    prepared: BTreeMap<(i64, usize), Vec<u64>>,
    /// By batch, in ms since 1970; sorted.
    pub(crate) committed: BTreeMap<i64, Vec<u64>>,
    /// How often a batch was prepared again, or committed again.
    pub(crate) repeated: usize,
    /// Batches that were committed again with other records.
    pub(crate) changed: Vec<Time>,
}

/// A sink whose commits are known by their batch.
#[derive(Clone, Default)]
pub(crate) struct Table(Arc<Mutex<Rows>>);

impl Table {
    pub(crate) fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap()
    }
}

impl Sink<u64> for Table {
    type Staged = u64;

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn prepare(
        &self,
        batch: Time,
        partition: usize,
        records: PartitionRecords<'_, u64>,
    ) -> Result<u64, BoxError> {
        let mut rows = Vec::new();
        records.for_each(|record| {
            rows.push(record);
            Ok(())
        })?;
        let mut table = self.rows();
        let before = table.prepared.insert((batch.as_millis(), partition), rows);
        table.repeated += usize::from(before.is_some());
        Ok(partition as u64)
    }

    fn commit(&self, batch: Time, staged: &[u64]) -> Result<(), BoxError> {
        let (mut table, time) = (self.rows(), batch.as_millis());
        let rows = staged.iter().flat_map(|partition| table.prepared[&(time, *partition as usize)].clone());
        let mut rows: Vec<u64> = rows.collect();
        rows.sort_unstable();
        if let Some(before) = table.committed.insert(time, rows.clone()) {
            table.repeated += 1;
            table.changed.extend((before != rows).then_some(batch));
        }
        Ok(())
    }

    fn abort(&self, _batch: Time, _staged: &[u64]) -> Result<(), BoxError> {
        Ok(())
    }
}
