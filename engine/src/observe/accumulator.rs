//! Sums that many worker threads add to and anyone reads.
//!
//! An accumulator is a fixed number of shards, each on cache lines of its own; a thread always adds to the
//! same one, so two workers rarely meet. Reading sums the shards: after the threads that added have been
//! joined the result is exact, before that it is some value on the way. `Relaxed` suffices throughout,
//! because no other data is published through these counters.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use crossbeam::utils::CachePadded;

use crate::codec;

/// Shards per accumulator: more threads than this share.
const SHARDS: usize = 32;

/// Items of a collection that are shown to listeners.
const SHOWN_ITEMS: usize = 10;

/// Anything that gathers a value from tasks and can show it; implement it for a kind of your own and hand
/// it to [`AccumulatorRegistry::register`](super::AccumulatorRegistry::register).
pub trait Accumulator: Send + Sync {
    /// The present value, for people.
    fn show(&self) -> String;

    /// The present value, for a checkpoint; `None` when it is not kept there.
    fn save(&self) -> Option<Vec<u8>> {
        None
    }

    /// Adds a value that was saved. One that is no such value is left out.
    fn restore(&self, saved: &[u8]) {
        let _ = saved;
    }
}

/// One value per shard, and the same shard for the same thread.
struct Sharded<S>(Box<[CachePadded<S>]>);

impl<S: Default> Default for Sharded<S> {
    fn default() -> Self {
        Sharded((0..SHARDS).map(|_| CachePadded::default()).collect())
    }
}

impl<S> Sharded<S> {
    fn mine(&self) -> &S {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local!(static SHARD: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed) % SHARDS));
        &self.0[SHARD.get()]
    }

    fn all(&self) -> impl Iterator<Item = &S> {
        self.0.iter().map(|shard| &**shard)
    }
}

#[derive(Default)]
struct Longs {
    sum: AtomicI64,
    count: AtomicU64,
}

/// A sum of whole numbers, with their count. A clone is the same accumulator.
///
/// The sum wraps around at the ends of `i64`, as Spark's does. A task that is tried again adds again.
///
/// ```
/// use millstream_engine::observe::LongAccumulator;
/// let dropped = LongAccumulator::default();
/// let in_task = dropped.clone();
/// std::thread::spawn(move || in_task.add(2)).join().unwrap();
/// dropped.add(5);
/// assert_eq!((dropped.sum(), dropped.count(), dropped.avg()), (7, 2, Some(3.5)));
/// ```
#[derive(Clone, Default)]
pub struct LongAccumulator(Arc<Sharded<Longs>>);

impl LongAccumulator {
    /// Adds `value`.
    pub fn add(&self, value: i64) {
        let shard = self.0.mine();
        shard.sum.fetch_add(value, Relaxed);
        shard.count.fetch_add(1, Relaxed);
    }

    /// The sum of all values added.
    pub fn sum(&self) -> i64 {
        self.0.all().fold(0, |sum, shard| sum.wrapping_add(shard.sum.load(Relaxed)))
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.0.all().map(|shard| shard.count.load(Relaxed)).sum()
    }

    /// The mean of the values added; `None` before the first.
    pub fn avg(&self) -> Option<f64> {
        mean(self.sum() as f64, self.count())
    }
}

impl Accumulator for LongAccumulator {
    fn show(&self) -> String {
        self.sum().to_string()
    }

    fn save(&self) -> Option<Vec<u8>> {
        codec::encoded(&(self.sum(), self.count())).ok()
    }

    fn restore(&self, mut saved: &[u8]) {
        if let Ok((sum, count)) = codec::decode::<(i64, u64)>(&mut saved) {
            let shard = self.0.mine();
            shard.sum.fetch_add(sum, Relaxed);
            shard.count.fetch_add(count, Relaxed);
        }
    }
}

#[derive(Default)]
struct Doubles {
    /// The bits of the `f64`.
    sum: AtomicU64,
    count: AtomicU64,
}

/// A sum of floating point numbers, with their count. A clone is the same accumulator.
///
/// Which numbers are summed first depends on the threads, so the last digits may differ from run to run.
///
/// ```
/// use millstream_engine::observe::DoubleAccumulator;
/// let seconds = DoubleAccumulator::default();
/// seconds.add(0.5);
/// seconds.add(1.0);
/// assert_eq!((seconds.sum(), seconds.avg()), (1.5, Some(0.75)));
/// ```
#[derive(Clone, Default)]
pub struct DoubleAccumulator(Arc<Sharded<Doubles>>);

impl DoubleAccumulator {
    /// Adds `value`.
    pub fn add(&self, value: f64) {
        self.add_sum(value, 1);
    }

    fn add_sum(&self, sum: f64, count: u64) {
        let shard = self.0.mine();
        let add = |bits| Some((f64::from_bits(bits) + sum).to_bits());
        let added = shard.sum.fetch_update(Relaxed, Relaxed, add);
        debug_assert!(added.is_ok(), "the update never declines");
        shard.count.fetch_add(count, Relaxed);
    }

    /// The sum of all values added.
    pub fn sum(&self) -> f64 {
        self.0.all().map(|shard| f64::from_bits(shard.sum.load(Relaxed))).sum()
    }

    /// How many values were added.
    pub fn count(&self) -> u64 {
        self.0.all().map(|shard| shard.count.load(Relaxed)).sum()
    }

    /// The mean of the values added; `None` before the first.
    pub fn avg(&self) -> Option<f64> {
        mean(self.sum(), self.count())
    }
}

impl Accumulator for DoubleAccumulator {
    fn show(&self) -> String {
        self.sum().to_string()
    }

    fn save(&self) -> Option<Vec<u8>> {
        codec::encoded(&(self.sum(), self.count())).ok()
    }

    fn restore(&self, mut saved: &[u8]) {
        if let Ok((sum, count)) = codec::decode(&mut saved) {
            self.add_sum(sum, count);
        }
    }
}

/// The items that tasks have put in, in no particular order across threads. A clone is the same accumulator.
///
/// It keeps everything: meant for a few examples of something odd, not for data.
///
/// ```
/// use millstream_engine::observe::CollectionAccumulator;
/// let odd_lines = CollectionAccumulator::default();
/// odd_lines.add("no timestamp");
/// assert_eq!(odd_lines.value(), ["no timestamp"]);
/// ```
pub struct CollectionAccumulator<T>(Arc<Sharded<Mutex<Vec<T>>>>);

impl<T> CollectionAccumulator<T> {
    /// Puts `item` in.
    pub fn add(&self, item: T) {
        self.0.mine().lock().unwrap_or_else(PoisonError::into_inner).push(item);
    }

    /// How many items are in.
    pub fn len(&self) -> usize {
        self.0.all().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether nothing is in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A copy of up to `max` items.
    fn first(&self, max: usize) -> Vec<T>
    where
        T: Clone,
    {
        let mut items = Vec::new();
        for shard in self.0.all() {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            items.extend(shard.iter().take(max - items.len()).cloned());
        }
        items
    }

    /// A copy of all items.
    pub fn value(&self) -> Vec<T>
    where
        T: Clone,
    {
        self.first(usize::MAX)
    }
}

impl<T> Default for CollectionAccumulator<T> {
    fn default() -> Self {
        CollectionAccumulator(Arc::default())
    }
}

impl<T> Clone for CollectionAccumulator<T> {
    fn clone(&self) -> Self {
        CollectionAccumulator(Arc::clone(&self.0))
    }
}

/// Shows the first few items and how many there are in all.
impl<T: Clone + Debug + Send> Accumulator for CollectionAccumulator<T> {
    fn show(&self) -> String {
        let (shown, len) = (self.first(SHOWN_ITEMS), self.len());
        if len <= shown.len() { format!("{shown:?}") } else { format!("{shown:?} and more, {len} in all") }
    }
}

impl Debug for LongAccumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LongAccumulator({})", self.show())
    }
}

impl Debug for DoubleAccumulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DoubleAccumulator({})", self.show())
    }
}

impl<T> Debug for CollectionAccumulator<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CollectionAccumulator({} items)", self.len())
    }
}

fn mean(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const THREADS: i64 = 8;
    const ADDS: i64 = 10_000;

    /// Runs `work` in eight threads at once.
    fn in_threads(work: impl Fn(i64) + Sync) {
        let work = &work;
        thread::scope(|scope| {
            (0..THREADS).for_each(|thread| {
                scope.spawn(move || work(thread));
            });
        });
    }

    #[test]
    fn longs_from_many_threads() {
        let accumulator = LongAccumulator::default();
        in_threads(|thread| (0..ADDS).for_each(|_| accumulator.add(thread - 3)));
        assert_eq!(accumulator.sum(), 4 * ADDS);
        assert_eq!(accumulator.count(), (THREADS * ADDS) as u64);
        assert_eq!(accumulator.avg(), Some(0.5));
        assert_eq!(accumulator.show(), "40000");
    }

    #[test]
    fn doubles_from_many_threads() {
        let accumulator = DoubleAccumulator::default();
        in_threads(|_| (0..ADDS).for_each(|_| accumulator.add(0.25)));
        assert_eq!(accumulator.sum(), 20_000.0);
        assert_eq!(accumulator.count(), (THREADS * ADDS) as u64);
        assert_eq!(accumulator.avg(), Some(0.25));
    }

    #[test]
    fn collections_from_many_threads() {
        let accumulator = CollectionAccumulator::default();
        in_threads(|thread| (0..100).for_each(|k| accumulator.add(thread * 100 + k)));
        let mut items = accumulator.value();
        items.sort_unstable();
        assert_eq!(items, (0..THREADS * 100).collect::<Vec<_>>());
        assert!(accumulator.show().ends_with("and more, 800 in all"), "{}", accumulator.show());
    }

    #[test]
    fn empty_ones_have_no_mean_and_the_sum_wraps() {
        assert_eq!(LongAccumulator::default().avg(), None);
        assert_eq!(DoubleAccumulator::default().avg(), None);
        assert!(CollectionAccumulator::<u8>::default().is_empty());
        let accumulator = LongAccumulator::default();
        in_threads(|_| accumulator.add(i64::MAX));
        assert_eq!(accumulator.sum(), i64::MAX.wrapping_mul(8));
    }
}
