//! The records on their way into a table, a queueful at a time.
//!
//! ```text
//! Queue ── take ──> Unsettled ── settle: where does each belong? ──> Settled ── give ──> Given: one by one, by value
//! ```
//!
//! Each step owns the records, so that they are dropped, each once, wherever user code unwinds: the hash and the comparison of keys, the
//! functions that combine values.
#![expect(unsafe_code, reason = "records are written and moved out field by field")]

use std::marker::PhantomData;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ptr;

/// How many records wait at a time.
pub(super) const QUEUE: usize = 64;

/// Records that wait until they are [`QUEUE`].
pub(super) struct Queue<K, V, E> {
    /// Has room for [`QUEUE`] and holds fewer between two calls. Homes are not written yet.
    records: Vec<Waiting<K, V, E>>,
}

struct Waiting<K, V, E> {
    key: K,
    value: V,
    home: MaybeUninit<Home<E>>,
}

/// Where a record belongs.
pub(super) struct Home<E> {
    pub(super) tag: u32,
    pub(super) part: u32,
    /// What is most likely its entry.
    pub(super) guess: *mut E,
}

impl<E> Clone for Home<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Home<E> {}

// SAFETY: a guess is an address that is good only while the records are taken; none is looked at when a queue comes to another thread.
unsafe impl<E> Send for Home<E> {}

/// All records that waited, from the first to behind the last.
pub(super) struct Unsettled<'q, K, V, E>(Range<'q, K, V, E>);

/// The same, with their homes.
pub(super) struct Settled<'q, K, V, E>(Range<'q, K, V, E>);

/// The records that were not given away yet, the first of them perhaps without its value.
pub(super) struct Given<'q, K, V, E>(Range<'q, K, V, E>);

/// Records in the memory of a queue that has none itself meanwhile.
struct Range<'q, K, V, E> {
    next: *mut Waiting<K, V, E>,
    end: *mut Waiting<K, V, E>,
    queue: PhantomData<&'q mut Queue<K, V, E>>,
}

impl<K, V, E> Queue<K, V, E> {
    pub(super) fn new() -> Self {
        Queue { records: Vec::with_capacity(QUEUE) }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Adds a record, and says whether the queue is full now: then it must be taken.
    #[inline(always)]
    pub(super) fn push(&mut self, key: K, value: V) -> bool {
        let waiting = self.records.len();
        debug_assert!(waiting < QUEUE && self.records.capacity() >= QUEUE);
        // SAFETY: there is room for QUEUE records, and fewer wait, as a full queue is taken; so the place is allocated and free. The
        // home is written by `settle`.
        unsafe {
            let place = self.records.as_mut_ptr().add(waiting);
            (&raw mut (*place).key).write(key);
            (&raw mut (*place).value).write(value);
            self.records.set_len(waiting + 1);
        }
        waiting + 1 == QUEUE
    }

    /// All records. The queue is empty then.
    #[inline(always)]
    pub(super) fn take(&mut self) -> Unsettled<'_, K, V, E> {
        let records = self.records.as_mut_ptr_range();
        // SAFETY: no records are fewer than any; they belong to `Unsettled` now.
        unsafe { self.records.set_len(0) };
        Unsettled(Range { next: records.start, end: records.end, queue: PhantomData })
    }
}

impl<'q, K, V, E> Unsettled<'q, K, V, E> {
    /// Finds the home of each key.
    #[inline(always)]
    pub(super) fn settle(self, mut home: impl FnMut(&K) -> Home<E>) -> Settled<'q, K, V, E> {
        let mut next = self.0.next;
        while next != self.0.end {
            // SAFETY: a record that `push` has written and that only this knows of.
            unsafe { (&raw mut (*next).home).write(MaybeUninit::new(home(&(*next).key))) };
            next = next.wrapping_add(1);
        }
        Settled(ManuallyDrop::new(self).0.same())
    }
}

impl<'q, K, V, E> Settled<'q, K, V, E> {
    /// Looks at all homes.
    #[inline(always)]
    pub(super) fn visit(&mut self, mut look: impl FnMut(&mut Home<E>)) {
        let mut next = self.0.next;
        while next != self.0.end {
            // SAFETY: a record of our own, with a home that `settle` has written.
            look(unsafe { (*next).home.assume_init_mut() });
            next = next.wrapping_add(1);
        }
    }

    /// Begins to give the records away.
    #[inline(always)]
    pub(super) fn give(self) -> Given<'q, K, V, E> {
        Given(ManuallyDrop::new(self).0.same())
    }
}

impl<K, V, E> Given<'_, K, V, E> {
    /// The next record, of which the key stays here.
    ///
    /// # Safety
    /// The key of the one before was [dropped](Self::drop_key); this one's is not used once it is.
    #[inline(always)]
    pub(super) unsafe fn next<'a>(&mut self) -> Option<(Home<E>, &'a K, V)> {
        if self.0.next == self.0.end {
            return None;
        }
        // SAFETY: a record of our own, with its home. The value is moved out this one time, and from now on only the key is dropped.
        unsafe {
            let Waiting { key, value, home } = &*self.0.next;
            Some((home.assume_init(), key, ptr::read(value)))
        }
    }

    /// Gives all records away.
    pub(super) fn each(mut self, mut take: impl FnMut(Home<E>, &K, V)) {
        // SAFETY: each key is dropped before the next record is asked for, and not used any more.
        while let Some((home, key, value)) = unsafe { self.next() } {
            take(home, key, value);
            // SAFETY: as above.
            unsafe { self.drop_key() };
        }
    }

    /// Drops the key of the record that was given away.
    ///
    /// # Safety
    /// There is one, and its key is not used again.
    #[inline(always)]
    pub(super) unsafe fn drop_key(&mut self) {
        // SAFETY: the caller's promise.
        unsafe { ptr::drop_in_place(&raw mut (*self.0.next).key) };
        self.0.next = self.0.next.wrapping_add(1);
    }
}

impl<'q, K, V, E> Range<'q, K, V, E> {
    /// Another handle, for who forgets this one.
    fn same(&self) -> Range<'q, K, V, E> {
        Range { next: self.next, end: self.end, queue: PhantomData }
    }

    /// Drops all records, which are whole.
    ///
    /// # Safety
    /// They are not used again.
    #[cold]
    unsafe fn drop_all(&mut self) {
        // SAFETY: records of our own, and the caller's promise.
        unsafe {
            let count = self.end.offset_from_unsigned(self.next);
            ptr::drop_in_place(ptr::slice_from_raw_parts_mut(self.next, count));
        }
    }
}

impl<K, V, E> Drop for Unsettled<'_, K, V, E> {
    fn drop(&mut self) {
        // SAFETY: this is the last that knows of them.
        unsafe { self.0.drop_all() };
    }
}

impl<K, V, E> Drop for Settled<'_, K, V, E> {
    fn drop(&mut self) {
        // SAFETY: this is the last that knows of them.
        unsafe { self.0.drop_all() };
    }
}

impl<K, V, E> Drop for Given<'_, K, V, E> {
    /// Where all were given away there is nothing left. Otherwise user code unwinds that was given the first record's value.
    #[inline]
    fn drop(&mut self) {
        if self.0.next != self.0.end {
            // SAFETY: this is the last that knows of them; the first has only its key.
            unsafe {
                self.drop_key();
                self.0.drop_all();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Arc;

    use super::*;

    const HOME: Home<u32> = Home { tag: 1, part: 2, guess: ptr::null_mut() };

    fn queue(token: &Arc<()>) -> Queue<Arc<()>, Arc<()>, u32> {
        let mut queue = Queue::new();
        for i in 1..=QUEUE {
            assert_eq!(queue.push(Arc::clone(token), Arc::clone(token)), i == QUEUE);
        }
        queue
    }

    /// Takes the records of a full queue apart; user code unwinds at the `fails`-th step.
    fn take_apart(token: &Arc<()>, fails: usize) {
        let mut steps = 0;
        let mut step = || {
            steps += 1;
            assert!(steps != fails, "user code");
        };
        let mut queue = queue(token);
        let settled = queue.take().settle(|_| {
            step();
            HOME
        });
        let mut given = settled.give();
        // SAFETY: each key is dropped before the next is asked for, and not used any more.
        while let Some((Home { tag, part, .. }, _, _value)) = unsafe { given.next() } {
            assert_eq!((tag, part), (1, 2));
            step();
            // SAFETY: as above.
            unsafe { given.drop_key() };
        }
    }

    #[test]
    fn every_record_is_dropped_once_wherever_user_code_unwinds() {
        let token = Arc::new(());
        for fails in 1..=2 * QUEUE + 1 {
            let outcome = catch_unwind(AssertUnwindSafe(|| take_apart(&token, fails)));
            assert_eq!(outcome.is_err(), fails <= 2 * QUEUE);
            assert_eq!(Arc::strong_count(&token), 1, "{fails}");
        }
        drop(queue(&token).take().settle(|_| HOME));
        assert_eq!(Arc::strong_count(&token), 1);
    }

    #[test]
    fn homes_can_be_changed_once_they_are_there() {
        let token = Arc::new(());
        let mut queue = queue(&token);
        let mut settled = queue.take().settle(|_| HOME);
        settled.visit(|home| home.tag += home.part);
        let mut tags = 0;
        settled.visit(|home| tags += home.tag as usize);
        assert_eq!(tags, 3 * QUEUE);
    }
}
