//! A pool of equal chunks, so that reading from the network allocates nothing in the long run.
//!
//! Chunks leave the pool through [`ChunkPool::take`] and come back by themselves when their last reference goes, on
//! whatever thread that happens. Idle chunks wait in a bounded lock-free queue; what does not fit is freed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam::queue::ArrayQueue;

use super::chunk::{Chunk, ChunkMut, IdleChunk, TooLong};

/// Hands out chunks of one size and takes them back. Clones share the pool.
///
/// ```
/// use millstream_engine::text::ChunkPool;
///
/// let pool = ChunkPool::new(1 << 20, 8);
/// let chunk = pool.take().freeze();
/// assert_eq!((pool.chunks_in_use(), pool.bytes_in_use(), pool.idle()), (1, 1 << 20, 0));
/// drop(chunk);
/// assert_eq!((pool.chunks_in_use(), pool.bytes_in_use(), pool.idle()), (0, 0, 1));
/// ```
#[derive(Debug, Clone)]
pub struct ChunkPool(Arc<Pool>);

/// What the clones of a [`ChunkPool`] and the chunks in use share.
#[derive(Debug)]
pub(super) struct Pool {
    chunk_bytes: usize,
    idle: ArrayQueue<IdleChunk>,
    chunks_in_use: AtomicUsize,
    bytes_in_use: AtomicUsize,
}

impl ChunkPool {
    /// A pool of chunks of `chunk_bytes` that keeps at most `max_idle_chunks` (at least one) for later.
    ///
    /// # Panics
    /// When `chunk_bytes` is more than [`Chunk::MAX_LEN`].
    pub fn new(chunk_bytes: usize, max_idle_chunks: usize) -> Self {
        assert!(chunk_bytes <= Chunk::MAX_LEN, "{}", TooLong { bytes: chunk_bytes });
        ChunkPool(Arc::new(Pool {
            chunk_bytes,
            idle: ArrayQueue::new(max_idle_chunks.max(1)),
            chunks_in_use: AtomicUsize::new(0),
            bytes_in_use: AtomicUsize::new(0),
        }))
    }

    /// An empty chunk: an idle one, or a new one when there is none.
    pub fn take(&self) -> ChunkMut {
        let pool = Arc::clone(&self.0);
        match pool.idle.pop() {
            Some(idle) => {
                pool.count(idle.capacity());
                idle.reuse(pool)
            }
            None => ChunkMut::pooled(pool.chunk_bytes, pool).expect("checked when the pool was made"),
        }
    }

    /// An empty chunk for at least `bytes`. One that is bigger than the pool's chunks is counted while it is in
    /// use, then freed.
    ///
    /// # Errors
    /// When `bytes` is more than [`Chunk::MAX_LEN`].
    pub fn take_at_least(&self, bytes: usize) -> Result<ChunkMut, TooLong> {
        if bytes <= self.0.chunk_bytes {
            Ok(self.take())
        } else {
            ChunkMut::pooled(bytes, Arc::clone(&self.0))
        }
    }

    /// The size of the pool's chunks.
    pub fn chunk_bytes(&self) -> usize {
        self.0.chunk_bytes
    }

    /// How many chunks are out, those of another size included.
    pub fn chunks_in_use(&self) -> usize {
        self.0.chunks_in_use.load(Ordering::Relaxed)
    }

    /// How many bytes the chunks that are out can hold.
    pub fn bytes_in_use(&self) -> usize {
        self.0.bytes_in_use.load(Ordering::Relaxed)
    }

    /// How many chunks wait to be taken.
    pub fn idle(&self) -> usize {
        self.0.idle.len()
    }
}

impl Pool {
    /// Counts a chunk that leaves. Relaxed: the counts are for looking at, nothing is decided by them here.
    pub(super) fn count(&self, capacity: usize) {
        self.chunks_in_use.fetch_add(1, Ordering::Relaxed);
        self.bytes_in_use.fetch_add(capacity, Ordering::Relaxed);
    }

    /// Takes a chunk that nobody uses any more. One of another size, or one too many, is freed.
    pub(super) fn take_back(&self, chunk: IdleChunk) {
        self.chunks_in_use.fetch_sub(1, Ordering::Relaxed);
        self.bytes_in_use.fetch_sub(chunk.capacity(), Ordering::Relaxed);
        if chunk.capacity() == self.chunk_bytes {
            drop(self.idle.push(chunk)); // a full queue hands it back, and dropping it frees it
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_comes_back_empty_and_is_taken_again() {
        let pool = ChunkPool::new(100, 2);
        let mut chunk = pool.take();
        chunk.extend_from_slice(b"old");
        let address = chunk.filled().as_ptr();
        let chunk = chunk.freeze();
        let other = chunk.clone();
        drop(chunk);
        assert_eq!(pool.idle(), 0);
        drop(other);
        let again = pool.take();
        assert_eq!((again.filled().as_ptr(), again.len(), again.remaining()), (address, 0, 100));
    }

    #[test]
    fn no_more_than_the_maximum_stay_idle() {
        let pool = ChunkPool::new(100, 2);
        let chunks: Vec<_> = (0..5).map(|_| pool.take()).collect();
        assert_eq!((pool.chunks_in_use(), pool.bytes_in_use()), (5, 500));
        drop(chunks);
        assert_eq!((pool.chunks_in_use(), pool.bytes_in_use(), pool.idle()), (0, 0, 2));
    }

    #[test]
    fn a_bigger_chunk_is_counted_but_not_kept() {
        let pool = ChunkPool::new(100, 2);
        assert_eq!(pool.take_at_least(100).unwrap().capacity(), 100);
        let big = pool.take_at_least(101).unwrap();
        assert_eq!((big.capacity(), pool.bytes_in_use()), (101, 101));
        drop(big);
        assert_eq!((pool.bytes_in_use(), pool.idle()), (0, 1));
        assert!(pool.take_at_least(Chunk::MAX_LEN + 1).is_err());
        assert_eq!(pool.bytes_in_use(), 0);
    }

    #[test]
    fn a_little_data_does_not_hold_a_big_chunk() {
        let pool = ChunkPool::new(800, 2);
        let (mut little, mut more) = (pool.take(), pool.take());
        little.extend_from_slice(&[b'a'; 99]);
        more.extend_from_slice(&[b'b'; 100]);
        let (little, more) = (little.freeze_compact(), more.freeze_compact());
        assert_eq!((little.len(), little.capacity()), (99, 99));
        assert_eq!((more.len(), more.capacity()), (100, 800));
        assert_eq!((pool.bytes_in_use(), pool.idle()), (899, 1));
        drop((little, more));
        assert_eq!((pool.bytes_in_use(), pool.idle()), (0, 2));
    }

    #[test]
    fn chunks_outlive_the_pool_and_take_it_with_them() {
        let pool = ChunkPool::new(100, 2);
        let shared = Arc::downgrade(&pool.0);
        let (first, second) = (pool.take(), pool.take().freeze());
        drop((pool, first));
        assert!(shared.upgrade().is_some());
        drop(second);
        assert!(shared.upgrade().is_none());
    }
}
