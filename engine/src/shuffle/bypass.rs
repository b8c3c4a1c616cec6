//! The way past the combine, for keys that hardly ever come twice.
//!
//! A table with a million keys misses the cache at every record, and when nearly every record has a new key, combining saves
//! nothing. Then records are only put aside, divided by partition and further into *runs* by their tags: that is writing one after
//! the other. The merge combines run by run; the keys of one run are few enough for the cache ("Hashing is sorting", Müller et al.,
//! SIGMOD 2015).
//!
//! What is decided, and when (`Table::review`):
//!
//! | the table                                 | what the last records showed              | from now on                          |
//! |-------------------------------------------|-------------------------------------------|--------------------------------------|
//! | has fewer than [`KEYS_MIN`] keys          |                                           | all are combined                     |
//! | has more                                  | fewer than a quarter had new keys         | all are combined                     |
//! |                                           | more had                                  | records with new keys are put aside  |
//! |                                           | nearly all had                            | all are put aside                    |
//! | has put as many aside as it may           | they have few keys, each more than 4 times | all are combined, also those, for good |
//! |                                           | they have many                            | it may put aside twice as many       |
//!
//! With one worker there is no merge, and a table whose misses overlap is as fast: nothing is put aside.
//!
//! So what is put aside needs memory in proportion to the keys there are. A key may be in the table and among what is put aside;
//! its earlier records are in the table.

use std::mem;

use super::slots::Slots;
use crate::rdd::Key;
use crate::text;

/// With fewer keys than this, all are combined. At a million keys that come nine times each, two tables whose misses overlap were twice as
/// fast as putting records aside, so only tables far beyond that may.
pub(super) const KEYS_MIN: usize = 1 << 21;

/// Runs of a partition.
pub(super) const RUNS: usize = 1 << 7;

/// Where the run stands in a tag: below the topmost bit, far above what says in which bucket the tag is.
const RUN_SHIFT: u32 = 24;

/// Records put aside before it is first asked whether that was right.
const RECORDS_MIN: usize = 1 << 20;

/// Records of a piece of a run.
const PIECE: usize = 512;

/// A record that was put aside.
pub(super) struct Record<K, V> {
    pub(super) tag: u32,
    pub(super) key: K,
    pub(super) value: V,
}

impl<K: Key, V> Record<K, V> {
    /// A record whose key does not keep the block alive that it was cut from.
    #[inline(never)]
    pub(super) fn detached(tag: u32, key: &K, value: V) -> Self {
        Record { tag, key: text::detached(|| key.clone()), value }
    }
}

/// The records of a run, in their order, in pieces, so that growing copies nothing.
pub(super) type Run<K, V> = Vec<Vec<Record<K, V>>>;

/// What one worker has put aside.
pub(super) struct Bypass<K, V> {
    /// The piece at the end of each run: all runs of the first partition, then those of the second, and so on.
    open: Vec<Vec<Record<K, V>>>,
    /// The full pieces before it.
    full: Vec<Run<K, V>>,
    records: usize,
    /// How many it may be before it is asked again whether it is right.
    most: usize,
    /// Whether known keys are put aside, too.
    takes_all: bool,
}

/// The run of a tag.
#[inline(always)]
pub(super) fn run_of(tag: u32) -> usize {
    (tag >> RUN_SHIFT) as usize % RUNS
}

impl<K: Key, V> Bypass<K, V> {
    pub(super) fn new(partitions: usize, takes_all: bool) -> Self {
        let open = (0..partitions * RUNS).map(|_| Vec::with_capacity(PIECE)).collect();
        let full = (0..partitions * RUNS).map(|_| Run::new()).collect();
        Bypass { open, full, records: 0, most: RECORDS_MIN, takes_all }
    }

    #[inline]
    pub(super) fn takes_all(&self) -> bool {
        self.takes_all
    }

    /// Puts a record aside. Its key must not keep the block alive that it was cut from.
    #[inline]
    pub(super) fn add(&mut self, part: u32, record: Record<K, V>) {
        let run = part as usize * RUNS + run_of(record.tag);
        let piece = &mut self.open[run];
        piece.push(record);
        if piece.len() == PIECE {
            self.full[run].push(mem::replace(piece, Vec::with_capacity(PIECE)));
        }
        self.records += 1;
    }

    /// Whether there are as many records as there may be and their keys come too often. Otherwise there may be more.
    pub(super) fn is_wrong(&mut self) -> bool {
        if self.records < self.most {
            return false;
        }
        self.most = self.records * 2;
        let Some(run) = self.full.iter().max_by_key(|run| run.len()) else { return false };
        let (records, mut keys) = (run.len() * PIECE, Slots::default());
        for record in run.iter().flatten() {
            if keys.find(record.tag, |_| true).is_none() {
                keys.insert(record.tag, 0);
            }
        }
        keys.len() * 4 < records
    }

    /// The runs of each partition.
    pub(super) fn into_partitions(self) -> impl Iterator<Item = Vec<Run<K, V>>> {
        let mut runs = self.full.into_iter().zip(self.open).map(|(mut run, last)| {
            run.push(last);
            run
        });
        std::iter::from_fn(move || {
            let runs: Vec<_> = runs.by_ref().take(RUNS).collect();
            (!runs.is_empty()).then_some(runs)
        })
    }
}
