//! Counting the handles of a chunk without an atomic step per handle.
//!
//! A long text is made and dropped for every line of a block. To count each in the chunk's header would cost two
//! atomic steps per line, and with two threads on one block the header's cache line would travel at each of them.
//! Instead a thread buys references in bulk. What the header counts is
//!
//! ```text
//! references = live handles + credits that threads hold
//! ```
//!
//! and a thread holds credits of one chunk at a time, in its [`Cache`]. The states of a cache and what moves it:
//!
//! | cache of the thread | `take(c)`                                 | `give(c)`           | `give(other)`   |
//! |---------------------|-------------------------------------------|---------------------|-----------------|
//! | `c`, credits > 0    | credits - 1                               | credits + 1         | references - 1  |
//! | `c`, 0 credits      | references + [`BATCH`], credits = `BATCH` - 1 | credits = 1     | references - 1  |
//! | other or none       | returns the others, then as the line above | references - 1     | references - 1  |
//! | closed (thread ends) | references + 1                           | references - 1      | references - 1  |
//!
//! Why this is sound:
//! * *A cached chunk is alive while credits > 0*, because credits are references. With 0 credits the address may
//!   dangle, and even belong to a new chunk; but it is only compared with the address of a chunk whose handle the
//!   caller has, and then it is right for that chunk: `take` finds no credit and buys, `give` turns a true reference
//!   into a credit.
//! * *Who frees*: only a subtraction in the header that ends at zero. A `give` into the cache never does, so a chunk
//!   lives until its threads have called [`release_credits`], as the engine does at the end of each task, or have
//!   turned to another chunk, or have ended.
//! * *Ordering*: credits are plain numbers of one thread. Dropped handles precede, in program order, the subtraction
//!   that returns their credits; it releases, and the last one acquires (`chunk::release`). Buying is relaxed, for the
//!   buyer has a handle that keeps the chunk alive.
//! * *Overflow*: credits never exceed the references of the header, and `chunk::retain` aborts at half the range.
//! * *Threads that end*: the cache has no destructor, so it can be used at any time. [`ReturnAtExit`] has one, returns
//!   the credits, and once it is gone nothing is bought any more: that is the last line of the table.
#![expect(unsafe_code, reason = "moves references between the header of a chunk and a thread's purse")]

use std::cell::Cell;
use std::ptr;

use super::chunk::{self, ChunkPtr, Header};

/// References bought at a time: many, so that a task rarely buys twice, few against the range of the count.
const BATCH: usize = 1 << 16;

/// The credits of this thread, all of one chunk.
struct Cache {
    chunk: Cell<*const Header>,
    credits: Cell<usize>,
}

struct ReturnAtExit;

impl Drop for ReturnAtExit {
    fn drop(&mut self) {
        release_credits();
    }
}

thread_local! {
    static CACHE: Cache = const { Cache { chunk: Cell::new(ptr::null()), credits: Cell::new(0) } };
    static RETURN_AT_EXIT: ReturnAtExit = const { ReturnAtExit };
}

/// Takes one reference for a new handle.
///
/// # Safety
/// The caller counts the chunk, through a handle that stays for the duration of the call.
#[inline]
pub(super) unsafe fn take(chunk: ChunkPtr) {
    CACHE.with(|cache| {
        let credits = cache.credits.get();
        if ptr::eq(cache.chunk.get(), chunk.as_ptr()) && credits > 0 {
            cache.credits.set(credits - 1);
        } else {
            // SAFETY: the caller's promise.
            unsafe { cache.buy(chunk) };
        }
    });
}

/// Gives one reference back.
///
/// # Safety
/// The caller owns the reference and does not use it again.
#[inline]
pub(super) unsafe fn give(chunk: ChunkPtr) {
    CACHE.with(|cache| {
        if ptr::eq(cache.chunk.get(), chunk.as_ptr()) {
            cache.credits.set(cache.credits.get() + 1);
        } else {
            // SAFETY: the caller's promise.
            unsafe { chunk::release(chunk, 1) };
        }
    });
}

/// Returns the references that this thread has bought in advance, so that the last chunk it worked on can go back to
/// its pool. The engine calls it at the end of each task; a thread that ends does it by itself.
///
/// ```
/// use millstream_engine::text::{ChunkPool, Text, for_each_line, release_credits, validate};
///
/// let pool = ChunkPool::new(1024, 1);
/// let mut chunk = pool.take();
/// chunk.extend_from_slice(b"a line of more than fifteen bytes\n");
/// let block = validate(&chunk.freeze(), 0..34)?.block;
/// let line: Text = block.get(0..33).unwrap();
/// drop((block, line));
/// release_credits();
/// assert_eq!(pool.bytes_in_use(), 0);
/// # Ok::<(), millstream_engine::text::TooLong>(())
/// ```
pub fn release_credits() {
    CACHE.with(Cache::empty);
}

impl Cache {
    /// Takes one reference for the caller and, while the thread is not ending, more of them for later.
    ///
    /// # Safety
    /// The caller counts the chunk.
    #[cold]
    unsafe fn buy(&self, chunk: ChunkPtr) {
        self.empty();
        let open = RETURN_AT_EXIT.try_with(|_| ()).is_ok();
        let references = if open { BATCH } else { 1 };
        // SAFETY: the caller's promise; `empty` returned only references of this thread's purse.
        unsafe { chunk::retain(chunk, references) };
        if open {
            self.chunk.set(chunk.as_ptr());
            self.credits.set(references - 1);
        }
    }

    fn empty(&self) {
        let chunk = self.chunk.replace(ptr::null());
        let credits = self.credits.replace(0);
        if credits > 0 {
            // SAFETY: credits are references that only this cache owns, so the chunk is alive and the pointer not
            // null; they are not used again, as the cache is empty now.
            unsafe { chunk::release(ChunkPtr::new_unchecked(chunk.cast_mut()), credits) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::chunk::{Chunk, references};
    use super::*;

    fn chunk() -> Chunk {
        Chunk::copy_from(b"some bytes").unwrap()
    }

    #[test]
    fn handles_of_the_cached_chunk_leave_the_header_alone() {
        let chunk = chunk();
        // SAFETY: `chunk` counts it, and each reference taken is given once.
        unsafe { take(chunk.ptr()) };
        assert_eq!(references(&chunk), 1 + BATCH);
        for _ in 0..1_000 {
            // SAFETY: as above.
            unsafe { take(chunk.ptr()) };
        }
        for _ in 0..1_001 {
            // SAFETY: as above.
            unsafe { give(chunk.ptr()) };
        }
        assert_eq!(references(&chunk), 1 + BATCH);
        release_credits();
        assert_eq!(references(&chunk), 1);
    }

    #[test]
    fn credits_used_up_are_bought_again() {
        let chunk = chunk();
        for _ in 0..BATCH + 1 {
            // SAFETY: `chunk` counts it.
            unsafe { take(chunk.ptr()) };
        }
        assert_eq!(references(&chunk), 1 + 2 * BATCH);
        release_credits();
        assert_eq!(references(&chunk), 1 + BATCH + 1);
        for _ in 0..BATCH + 1 {
            // SAFETY: taken above.
            unsafe { give(chunk.ptr()) };
        }
        assert_eq!(references(&chunk), 1);
    }

    #[test]
    fn turning_to_another_chunk_returns_the_credits() {
        let (first, second) = (chunk(), chunk());
        // SAFETY: the two count their chunks, and what is taken is given once.
        unsafe {
            take(first.ptr());
            take(second.ptr());
            assert_eq!((references(&first), references(&second)), (2, 1 + BATCH));
            give(first.ptr());
            give(second.ptr());
        }
        assert_eq!((references(&first), references(&second)), (1, 1 + BATCH));
        release_credits();
    }

    #[test]
    fn a_thread_that_ends_returns_its_credits() {
        let chunk = chunk();
        let shared = chunk.clone();
        std::thread::spawn(move || {
            // SAFETY: `shared` counts it.
            unsafe { take(shared.ptr()) };
            assert_eq!(references(&shared), 2 + BATCH);
        })
        .join()
        .unwrap();
        assert_eq!(references(&chunk), 2, "the chunk and the handle that the thread took and never gave");
        // SAFETY: taken by the thread.
        unsafe { give(chunk.ptr()) };
    }

    #[test]
    fn handles_dropped_while_a_thread_ends_are_counted_one_by_one() {
        struct UsesAtExit(Chunk);
        impl Drop for UsesAtExit {
            fn drop(&mut self) {
                // SAFETY: `self` counts the chunk, and what is taken is given.
                unsafe {
                    take(self.0.ptr());
                    give(self.0.ptr());
                }
            }
        }
        thread_local!(static LATE: Cell<Option<UsesAtExit>> = const { Cell::new(None) });
        let chunk = chunk();
        let late = UsesAtExit(chunk.clone());
        std::thread::spawn(move || {
            LATE.set(Some(late)); // registered first, destroyed after or before the purse: both must work
            let chunk = LATE.with(|cell| {
                let late = cell.take().unwrap();
                let chunk = late.0.clone();
                cell.set(Some(late));
                chunk
            });
            // SAFETY: `chunk` counts it, and what is taken is given.
            unsafe {
                take(chunk.ptr());
                give(chunk.ptr());
            }
        })
        .join()
        .unwrap();
        assert_eq!(references(&chunk), 1);
    }
}
