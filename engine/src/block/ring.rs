//! The ring between a receiver's thread and the block builder: bounded, lock-free, one producer, one consumer.
//!
//! It carries handles of sealed segments, so it is touched once per 64 KB and more, never once per record. When it is full
//! the producer keeps the segment and stops reading: that is the backpressure. The protocol, its races and the partner
//! of every ordering are in `receive/README.md`.
#![allow(unsafe_code)]

use std::fmt;
use std::mem::MaybeUninit;

use crossbeam::utils::CachePadded;

use primitive::{Arc, AtomicBool, AtomicUsize, Ordering, UnsafeCell};

#[cfg(all(test, loom))]
mod loom;
#[cfg(all(test, not(loom)))]
mod tests;

/// The one switch between the machine's atomics and those of the model checker.
mod primitive {
    #[cfg(loom)]
    pub(super) use ::loom::{
        cell::UnsafeCell,
        sync::Arc,
        sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    };
    #[cfg(not(loom))]
    pub(super) use std::sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    };

    /// std's cell with loom's face.
    #[cfg(not(loom))]
    #[derive(Debug)]
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    #[cfg(not(loom))]
    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            UnsafeCell(std::cell::UnsafeCell::new(value))
        }

        pub(super) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

/// A ring of at least `capacity` places (rounded up to a power of two), as its two ends.
///
/// ```
/// use millstream_engine::block::ring;
/// let (mut producer, mut consumer) = ring::channel(2);
/// producer.try_push("a")?;
/// producer.try_push("b")?;
/// assert_eq!(producer.try_push("c"), Err(ring::Full("c")));
/// assert_eq!(consumer.try_pop(), Some("a"));
///
/// drop(producer);
/// assert!(!consumer.is_finished(), "one is still to be taken");
/// assert_eq!(consumer.try_pop(), Some("b"));
/// assert!(consumer.is_finished());
/// # Ok::<(), ring::Full<&str>>(())
/// ```
pub fn channel<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    channel_from(capacity, 0)
}

/// A ring whose counters begin at `start`, so that tests can watch them wrap around.
fn channel_from<T>(capacity: usize, start: usize) -> (Producer<T>, Consumer<T>) {
    let slots = capacity.max(1).next_power_of_two();
    let shared = Arc::new(Shared {
        head: CachePadded::new(AtomicUsize::new(start)),
        tail: CachePadded::new(AtomicUsize::new(start)),
        producer_gone: AtomicBool::new(false),
        consumer_gone: AtomicBool::new(false),
        slots: (0..slots).map(|_| UnsafeCell::new(MaybeUninit::uninit())).collect(),
    });
    let producer = Producer { shared: Arc::clone(&shared), tail: start, seen_head: start };
    (producer, Consumer { shared, head: start, seen_tail: start })
}

/// What both ends see.
///
/// `head` counts what was popped, `tail` what was pushed; both only grow (and wrap around at `usize::MAX`). A slot holds
/// an item exactly when its number is in `head..tail`.
struct Shared<T> {
    /// Written by the consumer only.
    head: CachePadded<AtomicUsize>,
    /// Written by the producer only.
    tail: CachePadded<AtomicUsize>,
    producer_gone: AtomicBool,
    consumer_gone: AtomicBool,
    slots: Box<[UnsafeCell<MaybeUninit<T>>]>,
}

// SAFETY: the two ends move items of `T: Send` from thread to thread. They never touch one slot at the same time: the
// producer only those outside of `head..tail`, the consumer only those inside, and each hands a slot over by a Release
// store that the other has read with Acquire. No `&T` is ever shared, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for Shared<T> {}

impl<T> Shared<T> {
    /// The slot of item number `n`: as the count of slots is a power of two, it is right across a wrap-around, too.
    fn slot(&self, n: usize) -> &UnsafeCell<MaybeUninit<T>> {
        &self.slots[n & (self.slots.len() - 1)]
    }

    /// Takes item number `n` out of its slot.
    ///
    /// # Safety
    /// `n` is in `head..tail`, its push happens before this call, and `head` is moved past `n` before anything else
    /// touches the slot.
    unsafe fn take(&self, n: usize) -> T {
        // SAFETY: the caller says that the slot holds an item, that its write is visible, and that it is not read again.
        self.slot(n).with(|slot| unsafe { (*slot).assume_init_read() })
    }

    /// How many items are in the ring. Each end knows its own counter; seen from a third place the two loads may be
    /// of different moments, hence the bounds.
    fn len(&self) -> usize {
        // Relaxed: a number to show; nothing is read through it.
        let head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        tail.wrapping_sub(head).min(self.slots.len())
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        // Relaxed: both ends are gone, and the last release of the `Arc` has made all they did visible.
        let mut head = self.head.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        while head != tail {
            // SAFETY: `head..tail` are pushed and not popped, nobody else is left, and `head` moves on.
            drop(unsafe { self.take(head) });
            head = head.wrapping_add(1);
        }
    }
}

/// The end that puts items in. Dropping it tells the consumer that no more will come.
pub struct Producer<T> {
    shared: Arc<Shared<T>>,
    /// The same as `shared.tail`, which only this end writes.
    tail: usize,
    /// The head when last looked at: as long as it leaves room, the consumer's cache line is not touched.
    seen_head: usize,
}

impl<T> Producer<T> {
    /// Puts `item` in, or gives it back when there is no room.
    ///
    /// After the consumer is gone items are still accepted until the ring is full, and dropped with it: look at
    /// [`is_closed`](Self::is_closed).
    pub fn try_push(&mut self, item: T) -> Result<(), Full<T>> {
        if !self.has_room() {
            return Err(Full(item));
        }
        self.shared.slot(self.tail).with_mut(|slot| {
            // SAFETY: number `tail` is outside of `head..tail`: the slot is empty and belongs to this end. Its last item was
            // read before the consumer's Release of `head`, which `has_room` has read with Acquire.
            unsafe { (*slot).write(item) };
        });
        self.tail = self.tail.wrapping_add(1);
        // Release pairs with the Acquire of `tail` in `Consumer::has_item`: who sees the number sees the item.
        self.shared.tail.store(self.tail, Ordering::Release);
        Ok(())
    }

    fn has_room(&mut self) -> bool {
        let slots = self.shared.slots.len();
        if self.tail.wrapping_sub(self.seen_head) == slots {
            // Acquire pairs with the Release of `head` in `Consumer::try_pop`: the items before it are read out.
            self.seen_head = self.shared.head.load(Ordering::Acquire);
        }
        self.tail.wrapping_sub(self.seen_head) < slots
    }

    /// True once the consumer is gone: nobody will take what is pushed.
    pub fn is_closed(&self) -> bool {
        // Acquire pairs with the Release in the drop of `Consumer`.
        self.shared.consumer_gone.load(Ordering::Acquire)
    }

    /// Items in the ring; it may shrink at any moment.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// True when every item was taken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places of the ring.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }
}

impl<T> Drop for Producer<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Consumer::is_finished`: who sees the end sees every push before it.
        self.shared.producer_gone.store(true, Ordering::Release);
    }
}

/// The end that takes items out, in the order in which they were put in.
pub struct Consumer<T> {
    shared: Arc<Shared<T>>,
    /// The same as `shared.head`, which only this end writes.
    head: usize,
    /// The tail when last looked at: as long as it promises items, the producer's cache line is not touched.
    seen_tail: usize,
}

impl<T> Consumer<T> {
    /// Takes the oldest item, if there is one.
    pub fn try_pop(&mut self) -> Option<T> {
        if !self.has_item() {
            return None;
        }
        // SAFETY: `head` is before a tail that `has_item` has read with Acquire, and it moves on below, before the
        // producer may write to the slot.
        let item = unsafe { self.shared.take(self.head) };
        self.head = self.head.wrapping_add(1);
        // Release pairs with the Acquire of `head` in `Producer::has_room`: the item is out before the slot is free.
        self.shared.head.store(self.head, Ordering::Release);
        Some(item)
    }

    fn has_item(&mut self) -> bool {
        if self.head == self.seen_tail {
            // Acquire pairs with the Release of `tail` in `Producer::try_push`.
            self.seen_tail = self.shared.tail.load(Ordering::Acquire);
        }
        self.head != self.seen_tail
    }

    /// True once the producer is gone and everything it pushed was taken: [`try_pop`](Self::try_pop) will never give
    /// an item again.
    pub fn is_finished(&self) -> bool {
        // Acquire pairs with the Release in the drop of `Producer`. It must come before the look at the counters: in
        // the other order a push between the two would be overlooked.
        self.shared.producer_gone.load(Ordering::Acquire) && self.is_empty()
    }

    /// Items in the ring; it may grow at any moment.
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// True when there is nothing to take at this moment.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The places of the ring.
    pub fn capacity(&self) -> usize {
        self.shared.slots.len()
    }
}

impl<T> Drop for Consumer<T> {
    fn drop(&mut self) {
        // Release pairs with the Acquire in `Producer::is_closed`.
        self.shared.consumer_gone.store(true, Ordering::Release);
    }
}

/// The ring had no room; here is the item back.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ring is full")]
pub struct Full<T>(pub T);

impl<T> fmt::Debug for Full<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Full(..)")
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producer").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}
