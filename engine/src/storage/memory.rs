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
/// | kept | the records of kept streams, and what they own (strings, lists) where it can be measured |
/// | windows, state | their tables, at the end of the last batch; what keys and values own elsewhere is not in them |
///
/// Input stops to be taken in when four fifths are held; the rest is for the work on it. What user code allocates is not known to it.
/// So it also looks at what the process occupies as a whole, fifty times a second at the most, or five hundred times when input has
/// stopped, and takes either for the truth, whichever is more.
#[derive(Clone, Debug)]
pub struct Memory(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    /// What the last look has found.
    is_full: AtomicBool,
    chunks: ChunkPool,
    held: [AtomicUsize; 5],
    evictable: Mutex<VecDeque<Weak<dyn Evict>>>,
    /// Who can take something out of memory again and again.
    spillers: Mutex<Vec<Weak<dyn Evict>>>,
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
    /// What kept records own. Long texts among it are chunks, too.
    KeptOwned,
    Windows,
    State,
    /// About what keys and values of windows and states own outside of the tables, once they have been measured. Long texts among it
    /// are chunks, too, so it is no part of what is added up.
    Owned,
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
    /// Records of kept streams, without what they own elsewhere.
    pub kept: usize,
    /// About what kept records own elsewhere (strings, lists), in streams with a storage level; long texts among it are in `texts`, too.
    pub kept_owned: usize,
    /// Tables of windows, without what keys and values own elsewhere (strings, lists).
    pub windows: usize,
    /// Tables of keyed state, likewise.
    pub state: usize,
    /// What the process occupies as a whole; 0 where the system does not tell.
    pub resident: usize,
    /// Written to disk for want of memory and not yet given up.
    pub spilled: u64,
}

impl MemoryStatus {
    /// All that is counted: of texts and of what kept records own whichever is more, because some of it may be in both.
    pub fn used(&self) -> usize {
        self.texts.max(self.kept_owned) + self.kept + self.windows + self.state
    }
}

/// One part in so many is left to the work on a batch: what is taken in stops short of it.
const WORK_SHARE: usize = 5;

/// How long a look at the process's memory is good for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The same while the process has no more than the work's share left.
const LOOK_CLOSELY: Duration = Duration::from_millis(2);

impl Memory {
    /// An empty count against `max` bytes, with the chunks of `chunks`.
    pub(crate) fn new(max: usize, chunks: ChunkPool) -> Self {
        Memory(Arc::new(Inner {
            max,
            is_full: AtomicBool::new(false),
            chunks,
            held: Default::default(),
            evictable: Mutex::default(),
            spillers: Mutex::default(),
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
            kept_owned: held(Holder::KeptOwned),
            windows: held(Holder::Windows),
            state: held(Holder::State),
            resident: self.occupied(),
            spilled: 0,
        }
    }

    /// What the process occupies as a whole, as of the last look at it; 0 where the system does not tell.
    pub(super) fn occupied(&self) -> usize {
        let last = self.0.resident.bytes.load(Ordering::Relaxed);
        self.0.resident.bytes_within(if last >= self.mark() { LOOK_CLOSELY } else { LOOK_EVERY })
    }

    /// The same as of now.
    pub(super) fn occupied_now(&self) -> usize {
        self.0.resident.bytes_within(Duration::ZERO)
    }

    /// About what windows and states hold in all, with what their keys and values own as far as that has been measured.
    pub(super) fn carried(&self) -> usize {
        let held = |holder: Holder| self.0.held[holder as usize].load(Ordering::Relaxed);
        held(Holder::Windows) + held(Holder::State) + held(Holder::Owned)
    }

    /// From so much on nothing is taken in.
    fn mark(&self) -> usize {
        self.0.max - self.0.max / WORK_SHARE
    }

    /// True when nothing more should be taken in, as of the last `look`.
    pub fn is_full(&self) -> bool {
        self.0.is_full.load(Ordering::Relaxed)
    }

    /// Adds up what is held; true when nothing more should be taken in.
    pub(crate) fn look(&self) -> bool {
        let status = self.status();
        let is_full = status.used().max(status.resident) >= self.mark();
        self.0.is_full.store(is_full, Ordering::Relaxed);
        is_full
    }

    /// Counts that `before` bytes of a holder have become `after`.
    pub(super) fn change(&self, holder: Holder, before: usize, after: usize) {
        // It wraps around where it shrinks, and comes out right.
        self.0.held[holder as usize].fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
    }

    /// Makes room for `bytes` of kept records which own `owned` more, by evicting what was kept before; `None` when there is not
    /// enough.
    pub(crate) fn reserve(&self, bytes: usize, owned: usize) -> Option<Reservation> {
        let after = |status: MemoryStatus| MemoryStatus {
            kept: status.kept + bytes,
            kept_owned: status.kept_owned + owned,
            ..status
        };
        while after(self.status()).used() > self.0.max {
            if !self.evict_one() {
                return None;
            }
        }
        Some(self.reserve_always(bytes, owned))
    }

    /// Counts kept records that nothing can be done about.
    pub(crate) fn reserve_always(&self, bytes: usize, owned: usize) -> Reservation {
        self.change(Holder::Kept, 0, bytes);
        self.change(Holder::KeptOwned, 0, owned);
        Reservation { memory: self.clone(), bytes, owned }
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

    /// Takes out of memory what can go, whoever has it, until the process occupies no more than `enough`; what it occupies then.
    pub(super) fn make_room(&self, enough: usize) -> usize {
        while self.occupied_now() > enough && self.evict_one() {}
        let spillers = self.0.spillers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for spiller in spillers.iter().filter_map(Weak::upgrade) {
            while self.occupied_now() > enough && spiller.evict() {}
        }
        self.occupied_now()
    }

    /// Adds somebody who can take something out of memory, not once but as long as there is something.
    pub(crate) fn add_spiller(&self, spiller: Weak<dyn Evict>) {
        self.0.spillers.lock().unwrap_or_else(PoisonError::into_inner).push(spiller);
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
    /// As of a look that is no older than `age`.
    fn bytes_within(&self, age: Duration) -> usize {
        // The first look is due at once.
        let now = self.since.elapsed().as_millis() as u64 + LOOK_EVERY.as_millis() as u64;
        let looked = self.looked.load(Ordering::Relaxed);
        let is_due = now >= looked + age.as_millis() as u64;
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
    owned: usize,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.change(Holder::Kept, self.bytes, 0);
        self.memory.change(Holder::KeptOwned, self.owned, 0);
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
        let thing = Arc::new(Thing(Mutex::new(memory.reserve(bytes / 2, bytes / 2))));
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
        let status = memory.status();
        assert_eq!((status.kept, status.kept_owned), (40 * GIB, 40 * GIB));
    }

    #[test]
    fn what_is_more_than_all_gets_nothing_and_what_must_be_is_counted() {
        let memory = memory(100 * GIB);
        let first = thing(&memory, 40 * GIB);
        assert!(memory.reserve(200 * GIB, 0).is_none());
        assert!(first.0.lock().unwrap().is_none(), "room was made for it");
        let always = memory.reserve_always(200 * GIB, 0);
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
