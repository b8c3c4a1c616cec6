//! How a receiver's blocks leave memory when it is short.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::block_tracker::{BatchBlocks, BlockTracker};
use crate::Result;
use crate::block::Segment;
use crate::storage::{Evict, StorageLevel};

/// About how much is spilled in one go, into one file.
const SPILLED_AT_ONCE: usize = 4 << 20;

/// How long a disk that has refused is left alone.
const DISK_REST: Duration = Duration::from_secs(1);

impl BlockTracker {
    pub(crate) fn set_level(&self, level: StorageLevel) {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    pub(crate) fn level(&self) -> StorageLevel {
        *self.level.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for more: what is kept and can be had again is evicted, then segments are spilled if their level allows it. False
    /// when there is no room after that.
    pub(crate) fn make_room(&self) -> bool {
        let memory = self.executor().memory();
        while memory.look() && memory.evict_one() {}
        if self.has_room() {
            return true;
        }
        if self.level().uses_disk() {
            self.take_ring();
        }
        if self.evict() {
            memory.look();
        }
        self.has_room()
    }

    fn disk_is_ready(&self) -> bool {
        let again = *self.spill_again.lock().unwrap_or_else(PoisonError::into_inner);
        again.is_none_or(|again| again <= Instant::now()) && !self.executor().spill().is_full()
    }

    fn disk_refused(&self, error: &crate::Error) {
        tracing::warn!(%error, "blocks cannot be spilled; their receiver is slowed");
        *self.spill_again.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + DISK_REST);
    }

    /// Spills the segments that will be wanted last; false when there are none.
    fn spill_some(&self) -> Result<bool> {
        let chosen = self.wanted_last();
        if chosen.is_empty() {
            return Ok(false);
        }
        let (mut file, mut is_gained) = (self.executor().spill().file(self.level().copies())?, false);
        for (batch, segment) in chosen {
            if segment.spill(&mut file)? {
                self.release(batch.spilled(segment.len()));
                is_gained = true;
            }
        }
        Ok(is_gained)
    }

    /// Some segments in memory, those first that are wanted last: those that eager shuffles have collected, which only a task that is
    /// tried again reads; then the newest. The batch that is computed now keeps its own.
    fn wanted_last(&self) -> Vec<(Arc<BatchBlocks>, Segment)> {
        let batches = self.waiting_batches();
        let collected = batches.iter().flat_map(|batch| batch.in_memory(true));
        let others = batches.iter().flat_map(|batch| batch.in_memory(false));
        let mut bytes = 0;
        let is_within = |(_, segment): &(Arc<BatchBlocks>, Segment)| {
            let fits = bytes < SPILLED_AT_ONCE;
            bytes += segment.len();
            fits
        };
        collected.chain(others).take_while(is_within).collect()
    }
}

/// For those who need room and have no receiver: a state that grows.
impl Evict for BlockTracker {
    fn evict(&self) -> bool {
        self.level().uses_disk()
            && self.disk_is_ready()
            && self.spill_some().unwrap_or_else(|error| {
                self.disk_refused(&error);
                false
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;
    use crate::block::Content;
    use crate::block::ring::{self, Producer};
    use crate::config::{Config, Master};
    use crate::job::Executor;

    struct Bed {
        tracker: Arc<BlockTracker>,
        ring: Producer<Segment>,
        dir: tempfile::TempDir,
    }

    fn at(ms: i64) -> Time {
        Time::from_millis(ms)
    }

    /// A tracker that may hold so many bytes.
    fn bed(held: usize, level: StorageLevel) -> Bed {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::new().master(Master::Local(1)).max_held_bytes(held).receiver_level(level);
        let executor = Executor::new(&config.storage_dir(dir.path().join("spill")));
        let (ring, consumer) = ring::channel(128);
        Bed { tracker: BlockTracker::new(executor, Duration::from_millis(100), consumer), ring, dir }
    }

    impl Bed {
        /// Receives a segment of one byte.
        fn push(&mut self, byte: u8) {
            let content = Content::copied(&[byte], false, self.tracker.executor().chunks()).unwrap();
            self.tracker.hold(1);
            self.ring.try_push(Segment::new(content, 1, at(0))).unwrap();
        }

        fn bytes_of(&self, time: i64) -> Vec<u8> {
            let segments = self.tracker.blocks_of(at(time)).unwrap().all();
            let chunks = self.tracker.executor().chunks();
            segments.iter().flat_map(|segment| segment.content(chunks).unwrap().as_bytes().to_vec()).collect()
        }

        fn in_memory(&self, time: i64) -> usize {
            let segments = self.tracker.blocks_of(at(time)).unwrap().all();
            segments.iter().filter(|segment| segment.is_in_memory()).count()
        }
    }

    #[test]
    fn all_but_the_batch_that_is_next_go_and_come_back() {
        let mut bed = bed(10, StorageLevel::MEMORY_AND_DISK_SER);
        for batch in 1..=3 {
            (0..4).for_each(|n| bed.push(batch * 4 + n));
            bed.tracker.allocate(at(i64::from(batch) * 100));
        }
        bed.push(100);
        assert!(!bed.tracker.has_room());
        assert!(bed.tracker.make_room());
        assert_eq!([100, 200, 300].map(|time| bed.in_memory(time)), [4, 0, 0]);
        assert_eq!(bed.tracker.held_bytes(), 4);
        assert_eq!(bed.bytes_of(300), [12, 13, 14, 15]);
        bed.tracker.allocate(at(400));
        assert_eq!(bed.bytes_of(400), [100]);
        [100, 200, 300, 400].into_iter().for_each(|time| bed.tracker.forget(at(time)));
        assert_eq!((bed.tracker.held_bytes(), bed.tracker.executor().spill().bytes()), (0, 0));
    }

    #[test]
    fn without_disk_there_is_no_room_to_make() {
        let mut bed = bed(2, StorageLevel::MEMORY_ONLY_SER);
        (0..2).for_each(|n| bed.push(n));
        assert!(!bed.tracker.make_room());
        bed.tracker.set_level(StorageLevel::MEMORY_AND_DISK_SER);
        assert!(bed.tracker.make_room());
        assert_eq!(bed.tracker.held_bytes(), 0);
    }

    #[test]
    fn a_disk_that_refuses_is_left_alone_for_a_while_and_nothing_is_lost() {
        let mut bed = bed(2, StorageLevel::MEMORY_AND_DISK_SER);
        std::fs::write(bed.dir.path().join("spill"), "no directory").unwrap();
        (0..2).for_each(|n| bed.push(n));
        assert!(!bed.tracker.make_room());
        std::fs::remove_file(bed.dir.path().join("spill")).unwrap();
        assert!(!bed.tracker.make_room(), "not yet");
        *bed.tracker.spill_again.lock().unwrap() = None;
        assert!(bed.tracker.make_room());
        bed.tracker.allocate(at(100));
        assert_eq!(bed.bytes_of(100), [0, 1]);
    }

    #[test]
    fn when_memory_is_full_a_receiver_has_a_few_segments_and_no_more() {
        let config = Config::new().master(Master::Local(1)).segment_bytes(4 << 10).memory_max(1);
        let (mut ring, consumer) = ring::channel(128);
        let tracker = BlockTracker::new(Executor::new(&config), Duration::from_millis(100), consumer);
        let mut stored = 0;
        while stored < 100 && (tracker.has_room() || tracker.make_room()) {
            let content = Content::copied(&[7; 4 << 10], false, tracker.executor().chunks()).unwrap();
            tracker.hold(4 << 10);
            ring.try_push(Segment::new(content, 1, at(0))).unwrap();
            tracker.executor().memory().look();
            stored += 1;
        }
        assert_eq!(stored, 4);
    }
}
