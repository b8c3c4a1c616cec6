//! Reference-counted buffers of bytes, written by one owner, then frozen and shared.
//!
//! One allocation holds everything:
//!
//! ```text
//! | Header: references, length, capacity, pool | capacity bytes           | PADDING bytes   |
//!                                              ^ 16-byte aligned          ^ zero for ever
//! ```
//!
//! Two promises let the rest of the module load whole vectors: all bytes are initialised from the start, and the
//! padding makes a load of up to [`PADDING`] bytes that begins at any byte of the content, or right behind it,
//! end inside the allocation.
//!
//! A chunk is counted by [`Header::references`]: one for a [`ChunkMut`], one for each [`Chunk`], one for each long
//! text, and one for each credit that a thread holds (see `credit.rs`). Whoever takes the count to zero gives the
//! chunk back to its pool, or to the allocator when it has none.
#![expect(unsafe_code, reason = "allocates, counts and frees the bytes under every text")]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::fmt;
use std::ptr::NonNull;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering, fence};

use super::pool::Pool;

/// Readable bytes behind the content of every chunk.
pub(super) const PADDING: usize = 64;

const HEADER_BYTES: usize = size_of::<Header>();

/// What stands in front of the bytes.
///
/// All fields but `references` are written only while the chunk has a single owner.
#[repr(C, align(16))]
pub(super) struct Header {
    references: AtomicUsize,
    len: u32,
    capacity: u32,
    pool: Option<Arc<Pool>>,
}

/// Bytes of the chunks in use that belong to no pool. Relaxed: it is for looking at.
static UNPOOLED: AtomicUsize = AtomicUsize::new(0);

/// How many bytes the chunks in use can hold that belong to no pool: long texts that were made or kept one by one.
pub fn unpooled_bytes() -> usize {
    UNPOOLED.load(Ordering::Relaxed)
}

/// The address of a chunk, valid for its whole allocation. Copying it counts nothing.
pub(super) type ChunkPtr = NonNull<Header>;

/// A chunk was asked to hold more than [`Chunk::MAX_LEN`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes do not fit a chunk, which holds at most {max}: split the record", max = Chunk::MAX_LEN)]
pub struct TooLong {
    /// How many bytes were asked for.
    pub bytes: usize,
}

/// A buffer with one owner, who fills it from the front and then [freezes](ChunkMut::freeze) it.
///
/// ```
/// use millstream_engine::text::ChunkPool;
///
/// let pool = ChunkPool::new(64 * 1024, 4);
/// let mut chunk = pool.take();
/// chunk.spare_mut()[..5].copy_from_slice(b"hello"); // as a socket's read would
/// chunk.advance(5);
/// let chunk = chunk.freeze();
/// assert_eq!(chunk.as_bytes(), b"hello");
/// ```
pub struct ChunkMut {
    ptr: ChunkPtr,
    len: usize,
}

// SAFETY: a `ChunkMut` is the only reference to plain bytes, and the pool handle in the header is `Send + Sync`.
unsafe impl Send for ChunkMut {}
// SAFETY: `&ChunkMut` only reads.
unsafe impl Sync for ChunkMut {}

impl ChunkMut {
    /// A chunk that belongs to no pool.
    ///
    /// # Errors
    /// When `capacity` is more than [`Chunk::MAX_LEN`].
    pub fn with_capacity(capacity: usize) -> Result<Self, TooLong> {
        Self::allocate(capacity, None)
    }

    /// A chunk that `pool` counts, and takes back if it has the pool's size.
    pub(super) fn pooled(capacity: usize, pool: Arc<Pool>) -> Result<Self, TooLong> {
        Self::allocate(capacity, Some(pool))
    }

    fn allocate(capacity: usize, pool: Option<Arc<Pool>>) -> Result<Self, TooLong> {
        if capacity > Chunk::MAX_LEN {
            return Err(TooLong { bytes: capacity });
        }
        match &pool {
            Some(pool) => pool.count(capacity),
            None => drop(UNPOOLED.fetch_add(capacity, Ordering::Relaxed)),
        }
        let layout = layout(capacity);
        // SAFETY: the layout is not empty, it holds at least the header.
        let block = unsafe { alloc_zeroed(layout) };
        let Some(ptr) = NonNull::new(block.cast::<Header>()) else { handle_alloc_error(layout) };
        let header = Header { references: AtomicUsize::new(1), len: 0, capacity: capacity as u32, pool };
        // SAFETY: freshly allocated, aligned by the layout, and long enough for a header.
        unsafe { ptr.write(header) };
        Ok(ChunkMut { ptr, len: 0 })
    }

    /// The bytes not yet filled. They are initialised, with nothing of interest in them.
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let start = self.len;
        &mut self.content_mut()[start..]
    }

    /// Counts `n` bytes, written to the front of [`spare_mut`](Self::spare_mut), as filled.
    ///
    /// # Panics
    /// When fewer than `n` bytes remain.
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.remaining(), "advanced by {n} bytes where {} remain", self.remaining());
        self.len += n;
    }

    /// Appends `bytes`.
    ///
    /// # Panics
    /// When fewer bytes remain.
    pub fn extend_from_slice(&mut self, bytes: &[u8]) {
        self.spare_mut()[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }

    /// The bytes filled so far.
    pub fn filled(&self) -> &[u8] {
        // SAFETY: the allocation holds `capacity >= len` initialised bytes there, and we own them.
        unsafe { slice::from_raw_parts(content(self.ptr), self.len) }
    }

    /// Forgets the bytes behind the first `len`; does nothing when there are no more.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// How many bytes are filled.
    pub fn len(&self) -> usize {
        self.len
    }

    /// True when nothing is filled.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many bytes the chunk can hold.
    pub fn capacity(&self) -> usize {
        capacity(self.ptr)
    }

    /// How many more bytes the chunk can take.
    pub fn remaining(&self) -> usize {
        self.capacity() - self.len
    }

    /// Ends the writing: from now on the bytes can be shared and stay as they are.
    pub fn freeze(self) -> Chunk {
        let ptr = self.ptr;
        // SAFETY: we are the only owner, so nobody reads the field; `len <= capacity <= u32::MAX`.
        unsafe { (*ptr.as_ptr()).len = self.len as u32 };
        std::mem::forget(self); // its reference passes to the `Chunk`
        Chunk { ptr }
    }

    /// Freezes; a chunk that is less than an eighth full is copied into one of the right size first, so that a
    /// little data does not hold a big chunk. The copy is counted by the same pool.
    pub fn freeze_compact(self) -> Chunk {
        if self.len >= self.capacity() / 8 {
            return self.freeze();
        }
        let mut small =
            Self::allocate(self.len, pool(self.ptr)).expect("shorter than the chunk it is taken from");
        small.extend_from_slice(self.filled());
        small.freeze()
    }

    fn content_mut(&mut self) -> &mut [u8] {
        // SAFETY: the allocation holds `capacity` initialised bytes there, and `&mut self` is their only owner.
        unsafe { slice::from_raw_parts_mut(content(self.ptr), self.capacity()) }
    }
}

impl Drop for ChunkMut {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used again.
        unsafe { release(self.ptr, 1) };
    }
}

impl fmt::Debug for ChunkMut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkMut").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// A frozen buffer: a counted handle to bytes that never change again.
///
/// Handles are counted exactly, one atomic step for each clone and drop. The texts cut from a chunk are counted in
/// bulk, see [`release_credits`](super::release_credits).
pub struct Chunk {
    ptr: ChunkPtr,
}

// SAFETY: the bytes are immutable and the count is atomic.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// The most bytes that a chunk can hold.
    pub const MAX_LEN: usize = u32::MAX as usize - 1;

    /// A chunk of exactly these bytes that belongs to no pool.
    ///
    /// # Errors
    /// When there are more than [`Chunk::MAX_LEN`].
    pub fn copy_from(bytes: &[u8]) -> Result<Self, TooLong> {
        let mut chunk = ChunkMut::with_capacity(bytes.len())?;
        chunk.extend_from_slice(bytes);
        Ok(chunk.freeze())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        // SAFETY: frozen, so `len` bytes are initialised and immutable while `self` counts the chunk.
        unsafe { slice::from_raw_parts(content(self.ptr), len(self.ptr)) }
    }

    /// How many bytes there are.
    pub fn len(&self) -> usize {
        // SAFETY: `self` counts the chunk, and it is frozen.
        unsafe { len(self.ptr) }
    }

    /// True when there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of memory the chunk's content occupies, filled or not.
    pub fn capacity(&self) -> usize {
        capacity(self.ptr)
    }

    pub(super) fn ptr(&self) -> ChunkPtr {
        self.ptr
    }

    /// Passes this handle's reference to the caller.
    pub(super) fn into_ptr(self) -> ChunkPtr {
        let ptr = self.ptr;
        std::mem::forget(self);
        ptr
    }

    /// An empty chunk for `capacity` bytes, counted by the same pool.
    pub(super) fn sibling(&self, capacity: usize) -> Result<ChunkMut, TooLong> {
        ChunkMut::allocate(capacity, pool(self.ptr))
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        // SAFETY: `self` counts the chunk.
        unsafe { retain(self.ptr, 1) };
        Chunk { ptr: self.ptr }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: the reference is ours and is not used again.
        unsafe { release(self.ptr, 1) };
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk").field("len", &self.len()).field("capacity", &self.capacity()).finish()
    }
}

/// Where the content starts.
#[inline(always)]
pub(super) fn content(chunk: ChunkPtr) -> *mut u8 {
    chunk.as_ptr().cast::<u8>().wrapping_add(HEADER_BYTES)
}

/// The length set when the chunk was frozen.
///
/// # Safety
/// The caller counts the chunk, which is frozen.
#[inline]
pub(super) unsafe fn len(chunk: ChunkPtr) -> usize {
    // SAFETY: the header lives while the chunk is counted; the field is not written after freezing.
    unsafe { (*chunk.as_ptr()).len as usize }
}

/// True when the chunk goes back to a pool when its last reference goes.
///
/// # Safety
/// The caller counts the chunk.
pub(super) unsafe fn is_pooled(chunk: ChunkPtr) -> bool {
    // SAFETY: the header lives while the chunk is counted; the field is not written while it is in use.
    unsafe { (*chunk.as_ptr()).pool.is_some() }
}

/// Adds references.
///
/// # Safety
/// The caller counts the chunk.
#[inline]
pub(super) unsafe fn retain(chunk: ChunkPtr, references: usize) {
    // SAFETY: the header lives while the chunk is counted.
    let counter = unsafe { &(*chunk.as_ptr()).references };
    // Relaxed: a new reference is made from one that is there, nothing needs to be seen through it.
    let before = counter.fetch_add(references, Ordering::Relaxed);
    if before > isize::MAX as usize {
        std::process::abort(); // only leaked handles get here; going on would free memory in use
    }
}

/// Takes references away, and the chunk with the last of them.
///
/// # Safety
/// The caller owns that many references and does not use them again.
#[inline]
pub(super) unsafe fn release(chunk: ChunkPtr, references: usize) {
    // SAFETY: the header lives while the chunk is counted.
    let counter = unsafe { &(*chunk.as_ptr()).references };
    // Release pairs with the fence below: whoever takes the last reference sees all use through the others done.
    if counter.fetch_sub(references, Ordering::Release) == references {
        fence(Ordering::Acquire);
        // SAFETY: that was the last reference.
        unsafe { retire(chunk) };
    }
}

/// Sends a chunk without references back to its pool, or to the allocator.
///
/// # Safety
/// There are no references left, and the caller is the one who took the last.
#[cold]
unsafe fn retire(chunk: ChunkPtr) {
    // SAFETY: nobody else can reach the chunk, so the header is ours.
    let pool = unsafe { (*chunk.as_ptr()).pool.take() };
    let idle = IdleChunk(chunk);
    match pool {
        Some(pool) => pool.take_back(idle),
        None => drop(UNPOOLED.fetch_sub(idle.capacity(), Ordering::Relaxed)),
    }
}

/// A chunk in nobody's use: not counted, without a way to its pool. Dropping it frees the memory.
#[derive(Debug)]
pub(super) struct IdleChunk(ChunkPtr);

// SAFETY: an idle chunk is the only reference to plain memory.
unsafe impl Send for IdleChunk {}

impl IdleChunk {
    pub(super) fn capacity(&self) -> usize {
        capacity(self.0)
    }

    /// Puts the chunk to use again.
    pub(super) fn reuse(self, pool: Arc<Pool>) -> ChunkMut {
        let ptr = self.0;
        std::mem::forget(self);
        // SAFETY: we are the only owner of an initialised header.
        let header = unsafe { &mut *ptr.as_ptr() };
        *header.references.get_mut() = 1;
        header.pool = Some(pool);
        ChunkMut { ptr, len: 0 }
    }
}

impl Drop for IdleChunk {
    fn drop(&mut self) {
        let layout = layout(self.capacity());
        // SAFETY: allocated with this layout, and the header's only field with a destructor was taken by `retire`.
        unsafe { dealloc(self.0.as_ptr().cast::<u8>(), layout) };
    }
}

fn layout(capacity: usize) -> Layout {
    Layout::from_size_align(HEADER_BYTES + capacity + PADDING, align_of::<Header>())
        .expect("four GiB fit an address")
}

fn capacity(chunk: ChunkPtr) -> usize {
    // SAFETY: only called by owners of a counted or idle chunk; the field is never written after allocation.
    unsafe { (*chunk.as_ptr()).capacity as usize }
}

fn pool(chunk: ChunkPtr) -> Option<Arc<Pool>> {
    // SAFETY: only called by owners of a counted chunk; the field is not written while it is in use.
    unsafe { (*chunk.as_ptr()).pool.clone() }
}

/// What the header of a chunk counts.
#[cfg(test)]
pub(super) fn references(chunk: &Chunk) -> usize {
    // SAFETY: `chunk` counts it.
    unsafe { (*chunk.ptr.as_ptr()).references.load(Ordering::SeqCst) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_filled_from_the_front_then_frozen() {
        let mut chunk = ChunkMut::with_capacity(10).unwrap();
        assert!(chunk.is_empty());
        chunk.extend_from_slice(b"abcdef");
        chunk.truncate(4);
        chunk.truncate(9);
        chunk.spare_mut()[0] = b'!';
        chunk.advance(1);
        assert_eq!(
            (chunk.filled(), chunk.len(), chunk.capacity(), chunk.remaining()),
            (&b"abcd!"[..], 5, 10, 5)
        );
        let chunk = chunk.freeze();
        let other = chunk.clone();
        drop(chunk);
        assert_eq!((other.as_bytes(), other.len(), other.capacity()), (&b"abcd!"[..], 5, 10));
    }

    #[test]
    #[should_panic(expected = "advanced by 3 bytes where 2 remain")]
    fn advancing_past_the_end_panics() {
        ChunkMut::with_capacity(2).unwrap().advance(3);
    }

    #[test]
    fn a_chunk_longer_than_the_limit_is_refused() {
        let error = ChunkMut::with_capacity(Chunk::MAX_LEN + 1).unwrap_err();
        assert_eq!(error, TooLong { bytes: Chunk::MAX_LEN + 1 });
        assert!(error.to_string().contains("4294967294"));
    }

    #[test]
    fn an_empty_chunk_is_a_chunk() {
        assert!(Chunk::copy_from(b"").unwrap().clone().is_empty());
    }
}
