use std::sync::Arc;

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

/// A key with what is known of it, and its hash.
struct Entry<K, S> {
    hash: u64,
    key: K,
    state: S,
    last: Option<u32>,
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
        let weight = saved.units.iter().map(|(_, bytes)| bytes.len()).sum();
        let stage = Stage { name: "reading a state", partitions: saved.units.len(), weight };
        let read = self
            .executor()
            .run(job, stage, |task| self.read_unit(&saved.units[task.partition()].1, rest.has_stamps))?;
        let read = read.into_iter().collect::<Result<Vec<_>>>()?;
        let stage = Stage { name: "restoring a state", partitions: self.partitions(), weight };
        let parts = self.executor().run(job, stage, |task| {
            let mut part =
                Part::new(task.partition(), self.partitions(), self.executor().hasher(), self.span());
            for entry in read.iter().flat_map(|unit| &unit[task.partition()]) {
                let last = entry.last.unwrap_or(saved.number);
                part.put(entry.hash, entry.key.clone(), entry.state.clone(), last);
            }
            drop(part.commit());
            part
        })?;
        self.resume(parts);
        Ok(rest)
    }

    /// The keys of a bucket, by the partition that they are in now.
    fn read_unit(&self, mut bytes: &[u8], has_stamps: bool) -> Result<Vec<Vec<Entry<K, S>>>> {
        let bytes = &mut bytes;
        let mut parts: Vec<Vec<_>> = (0..self.partitions()).map(|_| Vec::new()).collect();
        for _ in 0..decode::<usize>(bytes)? {
            let (key, state): (K, S) = decode(bytes)?;
            let last = if has_stamps { Some(decode(bytes)?) } else { None };
            let hash = self.executor().hasher().hash_one(&key);
            parts[partition_of(hash, self.partitions())].push(Entry { hash, key, state, last });
        }
        Ok(parts)
    }
}
