use std::collections::BTreeMap;
use std::sync::Arc;

use super::keyed_window::{KeyedWindow, Partition};
use super::live::Live;
use super::{EntryRef, Pane, PaneEntry, Sliding};
use crate::job::{Job, Stage};
use crate::rdd::{Key, Stored};
use crate::recovery::{Captured, Persist, Saved, Unit, decode, encode, encoded, type_name};
use crate::shuffle::partition_of;
use crate::{Result, Time};

/// The panes of a window as they were after a batch. The index of their keys is made anew from them.
struct CapturedPanes<K, V> {
    /// The panes of all partitions, by their times.
    panes: BTreeMap<Time, Vec<Arc<Pane<K, V>>>>,
    /// What the last key that left came to, in windows that are never empty again.
    rests: Vec<(K, V)>,
}

impl<K: Key + Stored, V: Stored> Captured for CapturedPanes<K, V> {
    /// A pane is never changed.
    fn units(&self) -> Vec<Unit> {
        self.panes.keys().map(|time| Unit { id: time.as_millis() as u64, version: 0 }).collect()
    }

    fn encode(&self, unit: u64, bytes: &mut Vec<u8>) -> Result<()> {
        let panes = self.panes.get(&Time::from_millis(unit as i64)).map_or(&[][..], Vec::as_slice);
        encode(&panes.iter().map(|pane| pane.entries.len()).sum::<usize>(), bytes)?;
        for entry in panes.iter().flat_map(|pane| &pane.entries) {
            encode(&entry.key, bytes)?;
            encode(&entry.value, bytes)?;
        }
        Ok(())
    }

    fn rest(&self) -> Result<Vec<u8>> {
        encoded(&self.rests)
    }
}

/// The entries of one pane, by the partition that they are in now.
type Entries<K, V> = Vec<Vec<PaneEntry<K, V>>>;

impl<K: Key + Stored, V: Stored, S: Sliding<V>> KeyedWindow<K, V, S> {
    fn read_pane(&self, mut bytes: &[u8]) -> Result<Entries<K, V>> {
        let bytes = &mut bytes;
        let mut parts: Entries<K, V> = (0..self.num_partitions()).map(|_| Vec::new()).collect();
        for _ in 0..decode::<usize>(bytes)? {
            let (key, value) = (decode(bytes)?, decode(bytes)?);
            let hash = self.hasher().hash_one(&key);
            let entry = PaneEntry { key, value, hash: hash as u32, before: EntryRef::default() };
            parts[partition_of(hash, self.num_partitions())].push(entry);
        }
        Ok(parts)
    }

    /// What the panes of one partition, oldest first, and what the last key that left came to make up.
    fn live_of<'a>(
        &self,
        panes: impl Iterator<Item = (Time, &'a Vec<PaneEntry<K, V>>)>,
        rest: Option<&(K, V)>,
    ) -> Live<K, V, S> {
        let mut live = Live::new();
        for (time, entries) in panes {
            let mut entries = entries.clone();
            live.enter_pane(self.sliding(), &mut entries);
            live.push_pane(time, entries);
        }
        if let Some((key, value)) = rest {
            live.set_rest(self.sliding(), key.clone(), value);
        }
        live
    }
}

impl<K: Key + Stored, V: Stored, S: Sliding<V>> Persist for KeyedWindow<K, V, S> {
    fn types(&self) -> String {
        format!("{}: {} by {}", self.name(), type_name::<V>(), type_name::<K>())
    }

    fn capture(&self) -> Box<dyn Captured> {
        let mut captured = CapturedPanes { panes: BTreeMap::new(), rests: Vec::new() };
        for partition in 0..self.num_partitions() {
            let live = self.live(partition);
            for pane in live.panes() {
                captured.panes.entry(pane.time).or_default().push(Arc::clone(pane));
            }
            captured.rests.extend(live.rest(self.sliding()));
        }
        Box::new(captured)
    }

    fn restore(&self, job: &Job, saved: &Saved) -> Result<()> {
        let rests: Vec<(K, V)> = decode(&mut &*saved.rest)?;
        let weight = saved.units.iter().map(|(_, bytes)| bytes.len()).sum();
        let stage = Stage { name: "reading panes", partitions: saved.units.len(), weight };
        let read =
            self.executor().run(job, stage, |task| self.read_pane(&saved.units[task.partition()].1))?;
        let panes = read.into_iter().collect::<Result<Vec<_>>>()?;
        let times: Vec<_> = saved.units.iter().map(|(time, _)| Time::from_millis(*time as i64)).collect();
        let stage = Stage { name: "restoring a window", partitions: self.num_partitions(), weight };
        let partitions = self.executor().run(job, stage, |task| {
            let partition = task.partition();
            let own = |(key, _): &&(K, V)| {
                partition_of(self.hasher().hash_one(key), self.num_partitions()) == partition
            };
            let panes = times.iter().copied().zip(panes.iter().map(|parts| &parts[partition]));
            Partition::of(self.live_of(panes, rests.iter().find(own)))
        })?;
        self.resume(partitions);
        Ok(())
    }
}
