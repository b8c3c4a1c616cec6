use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::part::Part;
use super::store::Store;
use crate::Result;
use crate::job::{Job, Stage};
use crate::rdd::{Key, Stored};
use crate::recovery::{Captured, Saved, Unit, decode, encode, encoded, type_name};
use crate::shuffle::partition_of;

/// The buckets of a state as they were after a batch.
struct CapturedState<K, S> {
    /// All of them, in their order.
    buckets: Vec<Arc<Bucket<K, S>>>,
    rest: Rest,
}

/// What a checkpoint has of a state beside its buckets.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Rest {
    /// Whether there was a batch, or an initial state.
    pub(super) has_begun: bool,
    /// Whether each key has the number of the batch that touched it last.
    has_stamps: bool,
}

/// So many units are read, and their keys put in, before the next: what is between takes little memory.
const UNITS_AT_ONCE: usize = 64;

/// A key with what is known of it, and its hash.
struct Entry<K, S> {
    hash: u64,
    key: K,
    state: S,
    last: u32,
}

impl<K: Key + Stored, S: Stored> Captured for CapturedState<K, S> {
    fn units(&self) -> Vec<Unit> {
        let buckets = self.buckets.iter().zip(0..).filter(|(bucket, _)| bucket.len() > 0);
        buckets.map(|(bucket, id)| Unit { id, version: bucket.changed.into() }).collect()
    }

    fn encode(&self, unit: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let bucket = &self.buckets[unit as usize];
        encode(&bucket.len(), bytes)?;
        for (place, entry) in bucket.entries().iter().enumerate() {
            encode(entry, bytes)?;
            if let Some(stamp) = bucket.stamp(place) {
                encode(&stamp.last, bytes)?;
            }
        }
        Ok(())
    }

    fn rest(&self) -> Result<Vec<u8>> {
        encoded(&self.rest)
    }
}

impl<K: Key + Stored, S: Stored> Store<K, S> {
    /// The types, and that it is the state of an operator of this kind.
    pub(super) fn types(&self) -> String {
        format!("{}: {} by {}", self.name(), type_name::<S>(), type_name::<K>())
    }

    pub(super) fn capture(&self, has_begun: bool) -> Box<dyn Captured> {
        let buckets = self.snapshot().into_buckets();
        Box::new(CapturedState { buckets, rest: Rest { has_begun, has_stamps: self.span().is_some() } })
    }

    /// Puts the saved keys where they belong by the hash function of this process. Keys without a stamp count as touched by the last
    /// batch.
    pub(super) fn restore(&self, job: &Job, saved: &Saved) -> Result<Rest> {
        let rest: Rest = decode(&mut &*saved.rest)?;
        let counts = saved.units.iter().map(|(_, bytes)| decode::<usize>(&mut &**bytes));
        // Each takes a byte at least.
        let bytes: usize = saved.units.iter().map(|(_, bytes)| bytes.len()).sum();
        let keys = counts.sum::<Result<usize>>()?.min(bytes);
        let part = |partition| {
            Mutex::new(Part::with_slots(
                partition,
                self.partitions(),
                self.executor().hasher(),
                self.span(),
                keys,
            ))
        };
        let parts: Vec<_> = (0..self.partitions()).map(part).collect();
        for units in saved.units.chunks(UNITS_AT_ONCE) {
            let last = if rest.has_stamps { None } else { Some(saved.number) };
            self.restore_units(job, units, last, &parts)?;
        }
        let parts = parts.into_iter().map(|part| part.into_inner().unwrap_or_else(PoisonError::into_inner));
        self.resume(parts.collect());
        Ok(rest)
    }

    /// Puts some of the saved keys where they belong. `last`: which batch all of them count as touched by, if they do not say so.
    fn restore_units(
        &self,
        job: &Job,
        units: &[(u64, Vec<u8>)],
        last: Option<u32>,
        parts: &[Mutex<Part<K, S>>],
    ) -> Result<()> {
        let weight = units.iter().map(|(_, bytes)| bytes.len()).sum();
        let stage = Stage { name: "reading a state", partitions: units.len(), weight };
        let read =
            self.executor().run(job, stage, |task| self.read_unit(&units[task.partition()].1, last))?;
        let read = read.into_iter().collect::<Result<Vec<_>>>()?;
        let stage = Stage { name: "restoring a state", partitions: self.partitions(), weight };
        self.executor().run(job, stage, |task| {
            let mut part = parts[task.partition()].lock().unwrap_or_else(PoisonError::into_inner);
            for entry in read.iter().flat_map(|unit| &unit[task.partition()]) {
                part.put(entry.hash, entry.key.clone(), entry.state.clone(), entry.last);
            }
            drop(part.commit());
        })?;
        Ok(())
    }

    /// The keys of a bucket, by the partition that they are in now.
    fn read_unit(&self, mut bytes: &[u8], last: Option<u32>) -> Result<Vec<Vec<Entry<K, S>>>> {
        let bytes = &mut bytes;
        let keys: usize = decode(bytes)?;
        // A damaged number must not ask for memory; what is right fills it.
        let room = keys.min(bytes.len()) / self.partitions();
        let mut parts: Vec<Vec<_>> =
            (0..self.partitions()).map(|_| Vec::with_capacity(room + room / 8)).collect();
        for _ in 0..keys {
            let (key, state): (K, S) = decode(bytes)?;
            let last = match last {
                Some(last) => last,
                None => decode(bytes)?,
            };
            let hash = self.executor().hasher().hash_one(&key);
            parts[partition_of(hash, self.partitions())].push(Entry { hash, key, state, last });
        }
        Ok(parts)
    }
}
