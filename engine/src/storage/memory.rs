use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::machine::resident_memory;
use crate::text::{self, ChunkPool};

/// Counts what is held in memory against `memory.max`. Clones are the same count.
///
/// | holder | what is counted |
/// |--------|-----------------|
/// | texts | every chunk in use: received and read blocks, and the long texts in tables |
/// | kept | the records of kept streams |
/// | windows, state | their tables, at the end of the last batch |
///
/// Input stops to be taken in when four fifths are held; the rest is for the work on it. What user code allocates is not known to it.
/// So it also looks at what the process occupies as a whole, fifty times a second at the most, and takes either for the truth,
/// whichever is more.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    /// What the last look has found.
    is_full: AtomicBool,
    chunks: ChunkPool,
    held: [AtomicUsize; 3],
    evictable: Mutex<VecDeque<Weak<dyn Evict>>>,
    resident: Resident,
}

/// What the process occupies, looked up now and then.
#[derive(Debug)]
struct Resident {
    since: Instant,
    /// Milliseconds after `since`.
    looked: AtomicU64,
    bytes: AtomicUsize,
}

/// Who holds memory, besides texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    Kept,
    Windows,
    State,
}

/// Something kept that can be taken out of memory.
pub(crate) trait Evict: Send + Sync + std::fmt::Debug {
    /// Takes it out of memory; false when nothing was gained.
    fn evict(&self) -> bool;
}

/// What is held in memory, in bytes, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryStatus {
    /// `memory.max`.
    pub max: usize,
    /// Chunks of text and of received records, in use.
    pub texts: usize,
    /// Records of kept streams.
    pub kept: usize,
    /// Tables of windows.
    pub windows: usize,
    /// Tables of keyed state.
    pub state: usize,
    /// What the process occupies as a whole; 0 where the system does not tell.
    pub resident: usize,
    /// Written to disk for want of memory and not yet given up.
    pub spilled: u64,
}

impl MemoryStatus {
    /// All that is counted.
    pub fn used(&self) -> usize {
        self.texts + self.kept + self.windows + self.state
    }
}

/// One part in so many is left to the work on a batch: what is taken in stops short of it.
const WORK_SHARE: usize = 5;

/// How long a look at the process's memory is good for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

impl Memory {
    /// An empty count against `max` bytes, with the chunks of `chunks`.
    pub(crate) fn new(max: usize, chunks: ChunkPool) -> Self {
        Memory(Arc::new(Inner {
            max,
            is_full: AtomicBool::new(false),
            chunks,
            held: Default::default(),
            evictable: Mutex::default(),
            resident: Resident {
                since: Instant::now(),
                looked: AtomicU64::new(0),
                bytes: AtomicUsize::new(0),
            },
        }))
    }

    /// `memory.max`, in bytes.
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// What is held now; `spilled` is not this count's.
    pub fn status(&self) -> MemoryStatus {
        let held = |holder: Holder| self.0.held[holder as usize].load(Ordering::Relaxed);
        MemoryStatus {
            max: self.0.max,
            texts: self.0.chunks.bytes_in_use() + text::unpooled_bytes(),
            kept: held(Holder::Kept),
            windows: held(Holder::Windows),
            state: held(Holder::State),
            resident: self.0.resident.bytes(),
            spilled: 0,
        }
    }

    /// True when nothing more should be taken in, as of the last `look`.
    pub fn is_full(&self) -> bool {
        self.0.is_full.load(Ordering::Relaxed)
    }

    /// Adds up what is held; true when nothing more should be taken in.
    pub(crate) fn look(&self) -> bool {
        let status = self.status();
        let is_full = status.used().max(status.resident) >= self.0.max - self.0.max / WORK_SHARE;
        self.0.is_full.store(is_full, Ordering::Relaxed);
        is_full
    }

    /// Counts that `before` bytes of a holder have become `after`.
    pub(super) fn change(&self, holder: Holder, before: usize, after: usize) {
        // It wraps around where it shrinks, and comes out right.
        self.0.held[holder as usize].fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Makes room for `bytes` of kept records, by evicting what was kept before; `None` when there is not enough.
    pub(crate) fn reserve(&self, bytes: usize) -> Option<Reservation> {
        while self.status().used() + bytes > self.0.max {
            if !self.evict_one() {
                return None;
            }
        }
        Some(self.reserve_always(bytes))
    }

    /// Counts `bytes` of kept records that nothing can be done about.
    pub(crate) fn reserve_always(&self, bytes: usize) -> Reservation {
        self.change(Holder::Kept, 0, bytes);
        Reservation { memory: self.clone(), bytes }
    }

    /// Takes kept records out of memory, the oldest first; false when there are none that can go.
    pub(crate) fn evict_one(&self) -> bool {
        loop {
            let oldest = self.0.evictable.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            match oldest.map(|kept| kept.upgrade()) {
                None => return false,
                Some(Some(kept)) if kept.evict() => return true,
                Some(_) => {}
            }
        }
    }

    /// Adds something that can be evicted, as the youngest.
    pub(crate) fn add_evictable(&self, kept: Weak<dyn Evict>) {
        let mut evictable = self.0.evictable.lock().unwrap_or_else(PoisonError::into_inner);
        if evictable.len() == evictable.capacity() {
            evictable.retain(|kept| kept.strong_count() > 0);
        }
        evictable.push_back(kept);
    }
}

impl Resident {
    fn bytes(&self) -> usize {
        let now = self.since.elapsed().as_millis() as u64 + LOOK_EVERY.as_millis() as u64;
        let looked = self.looked.load(Ordering::Relaxed);
        let is_due = now >= looked + LOOK_EVERY.as_millis() as u64;
        if is_due && self.looked.compare_exchange(looked, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            let bytes = resident_memory().and_then(|bytes| usize::try_from(bytes).ok());
            self.bytes.store(bytes.unwrap_or(0), Ordering::Relaxed);
        }
        self.bytes.load(Ordering::Relaxed)
    }
}

/// Bytes that kept records are counted with, as long as it lives.
#[derive(Debug)]
pub(crate) struct Reservation {
    memory: Memory,
    bytes: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.change(Holder::Kept, self.bytes, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(Mutex<Option<Reservation>>);

    impl Evict for Thing {
        fn evict(&self) -> bool {
            self.0.lock().unwrap().take().is_some()
        }
    }

    fn memory(max: usize) -> Memory {
        Memory::new(max + text::unpooled_bytes(), ChunkPool::new(1 << 10, 1))
    }

    fn thing(memory: &Memory, bytes: usize) -> Arc<Thing> {
        let thing = Arc::new(Thing(Mutex::new(memory.reserve(bytes))));
        let weak: Weak<dyn Evict> = Arc::downgrade(&(Arc::clone(&thing) as Arc<dyn Evict>));
        memory.add_evictable(weak);
        thing
    }

    // Other tests of the process allocate texts meanwhile: the numbers are far apart.
    const GIB: usize = 1 << 30;

    #[test]
    fn the_oldest_makes_room_for_the_youngest() {
        let memory = memory(100 * GIB);
        let things: Vec<_> = (0..4).map(|_| thing(&memory, 40 * GIB)).collect();
        let held = things.iter().map(|thing| thing.0.lock().unwrap().is_some()).collect::<Vec<_>>();
        assert_eq!(held, [false, false, true, true]);
        assert_eq!(memory.status().kept, 80 * GIB);
    }

    #[test]
    fn what_is_more_than_all_gets_nothing_and_what_must_be_is_counted() {
        let memory = memory(100 * GIB);
        let first = thing(&memory, 40 * GIB);
        assert!(memory.reserve(200 * GIB).is_none());
        assert!(first.0.lock().unwrap().is_none(), "room was made for it");
        let always = memory.reserve_always(200 * GIB);
        assert!(memory.look());
        drop(always);
        assert!(!memory.look());
    }

    #[test]
    fn tables_and_chunks_count() {
        let memory = memory(GIB);
        memory.change(Holder::State, 0, GIB / 2);
        memory.change(Holder::Windows, 0, GIB / 4);
        let status = memory.status();
        assert_eq!((status.state, status.windows), (GIB / 2, GIB / 4));
        let chunk = memory.0.chunks.take_at_least(GIB / 2).unwrap();
        assert!(memory.look());
        drop(chunk);
        memory.change(Holder::State, GIB / 2, 0);
        assert!(memory.status().used() < GIB / 2);
    }

    #[test]
    fn the_process_itself_counts() {
        let memory = Memory::new(1 << 10, ChunkPool::new(1 << 10, 1));
        assert!(memory.status().resident > 1 << 20);
        assert!(memory.look());
    }
}
