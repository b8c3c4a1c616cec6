//! The layout of [`Text`], and the few steps everything else is made of: make, cut, share, drop.
#![expect(unsafe_code, reason = "reads one of three layouts, and bytes of counted chunks")]

use std::marker::PhantomData;
use std::ops::Deref;
use std::{fmt, hint, ptr, slice, str};

use super::chunk::{self, Chunk, ChunkPtr, Header, PADDING};
use super::window::{Look, WINDOW, Window};
use super::{arena, credit, detach};

#[cfg(not(all(target_endian = "little", target_pointer_width = "64")))]
compile_error!("a Text is laid out for little-endian processors with 64-bit addresses");

/// The longest text that is stored in the sixteen bytes themselves.
pub const MAX_INLINE: usize = 15;

/// The longest text that can be a slice of a chunk; its length has 24 bits.
const MAX_SLICE: usize = (1 << 24) - 1;

/// Tag of a text that is a slice of a frozen chunk.
const SLICE: u8 = 0x80;
/// Tag of a text that is a whole frozen chunk; the length stands in the chunk's header.
const WHOLE: u8 = 0x81;
/// Tag of a slice of a chunk that its arena still writes to, behind the slice: nothing may be read from there.
const GROWING: u8 = 0x82;

/// `KEEP[n]` keeps the first `n` of sixteen bytes, as two halves.
const KEEP: [[u64; 2]; 16] = {
    let mut keep = [[0; 2]; 16];
    let mut n = 0;
    while n < 16 {
        let bits = (1u128 << (8 * n)) - 1;
        keep[n] = [bits as u64, (bits >> 64) as u64];
        n += 1;
    }
    keep
};

/// Immutable UTF-8 text in sixteen bytes: up to fifteen bytes inline, else a counted slice of a chunk.
///
/// A `Text` is an owned value, cheap to clone, `Send` and `'static`; cutting one out of another copies at most fifteen
/// bytes and allocates nothing. It dereferences to `str`, so all of `str`'s methods are there too; those that a `Text`
/// has itself return texts. Where a method of `str` takes a pattern that ours does not, a closure say, go
/// through [`as_str`](Text::as_str).
///
/// ```
/// use millstream_engine::text::Text;
///
/// let line = Text::from("to be or not to be");
/// let words: Vec<Text> = line.split_whitespace().collect();
/// assert_eq!(words, ["to", "be", "or", "not", "to", "be"]);
/// assert!(words[1] < words[0] && words[0].starts_with('t'));
/// assert_eq!(size_of::<Text>(), 16);
/// ```
///
/// `Text` does not implement `Borrow<str>`: a short text is hashed as one 16-byte number, which is not how `str` is
/// hashed. To look a `&str` up in a `HashMap<Text, _>`, make a text of it first: `map.get(&Text::from(key))`.
#[repr(C)]
pub struct Text {
    /// Inline: bytes 0 to 7, an address of nothing. Else: the chunk.
    head: *const Header,
    /// Inline: bytes 8 to 14. Else: 32 bits offset, 24 bits length, both zero for a whole chunk.
    /// Topmost in both: the tag. An inline text's tag is its length.
    tail: u64,
}

const _: () = assert!(size_of::<Text>() == 16 && align_of::<Text>() == 8);

/// A borrowed text that is not borrowed by its address, so that the one it stands for may be in registers.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Alias<'a> {
    head: *const Header,
    tail: u64,
    lender: PhantomData<&'a Text>,
}

impl Deref for Alias<'_> {
    type Target = Text;

    #[inline(always)]
    fn deref(&self) -> &Text {
        // SAFETY: the fields of a text, which is there as long as this is; and nobody drops what is borrowed.
        unsafe { &*ptr::from_ref(self).cast::<Text>() }
    }
}

// SAFETY: the bytes are immutable, and the count of a chunk is atomic, credits being moved by their own thread only.
unsafe impl Send for Text {}
// SAFETY: as above.
unsafe impl Sync for Text {}

impl Text {
    /// The text without bytes.
    pub const EMPTY: Text = Text { head: ptr::null(), tail: 0 };

    /// The text as a `str`.
    #[inline]
    pub fn as_str(&self) -> &str {
        // SAFETY: every text is made from valid UTF-8.
        unsafe { str::from_utf8_unchecked(self.as_bytes()) }
    }

    /// The bytes of the text.
    #[inline]
    pub fn as_bytes(&self) -> &[u8] {
        let start = if self.is_inline() { ptr::from_ref(self).cast::<u8>() } else { self.long_start() };
        // SAFETY: inline, the first `len <= 15` bytes of `self`; else `len` initialised bytes of a chunk that `self`
        // counts and that nobody writes to while it does.
        unsafe { slice::from_raw_parts(start, self.len()) }
    }

    /// How many bytes the text has.
    #[inline]
    pub fn len(&self) -> usize {
        match self.tag() {
            // SAFETY: `self` counts the chunk, which is frozen.
            WHOLE => unsafe { chunk::len(self.chunk()) },
            SLICE | GROWING => (self.tail >> 32) as usize & MAX_SLICE,
            len => usize::from(len),
        }
    }

    /// True when the text has no bytes.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.tail == 0 // an inline text of length zero is all zeros, and any other has a tag
    }

    /// True when the text is stored in its sixteen bytes, that is when it has at most [`MAX_INLINE`].
    #[inline]
    pub fn is_inline(&self) -> bool {
        self.tail as i64 >= 0
    }

    /// A copy that does not keep a pool's chunk alive, for texts that outlive their batch.
    ///
    /// A short text is itself, a long one is copied, unless it is such a copy. See [`detached`](super::detached) for
    /// whole records.
    pub fn detached(&self) -> Text {
        if self.is_inline() || self.is_detached() { self.share() } else { Text::copy(self.as_bytes()) }
    }

    /// Another handle to the same bytes, in detach mode too.
    #[inline]
    pub(super) fn share(&self) -> Text {
        if !self.is_inline() {
            // SAFETY: `self` counts the chunk.
            unsafe { credit::take(self.chunk()) };
        }
        Text { head: self.head, tail: self.tail }
    }

    /// The sixteen bytes of an inline text as a number, the first byte lowest. They are unique for the text.
    #[inline(always)]
    pub(super) fn inline_bits(&self) -> u128 {
        debug_assert!(self.is_inline());
        u128::from(self.head.addr() as u64) | u128::from(self.tail) << 64
    }

    /// True when both are the same sixteen bytes, and so the same text.
    #[inline(always)]
    pub(super) fn is_same_bits(&self, other: &Text) -> bool {
        (self.head.addr() ^ other.head.addr()) as u64 | (self.tail ^ other.tail) == 0
    }

    /// An inline text of the first `len` of sixteen bytes, given as two numbers.
    ///
    /// # Safety
    /// `len <= MAX_INLINE`, and those bytes are valid UTF-8.
    #[inline(always)]
    pub(super) unsafe fn inline([low, high]: [u64; 2], len: usize) -> Text {
        let [keep_low, keep_high] = KEEP[len & MAX_INLINE];
        let tail = high & keep_high | (len as u64) << 56;
        // SAFETY: the table has nothing for the last byte, and `len` is less than 128. With this the compiler sees that the text
        // is inline.
        unsafe { hint::assert_unchecked(tail as i64 >= 0) };
        Text { head: ptr::without_provenance((low & keep_low) as usize), tail }
    }

    /// The text of `len` bytes of a frozen chunk.
    ///
    /// # Safety
    /// The caller counts the chunk, which is frozen; the bytes are filled and valid UTF-8.
    #[inline(always)]
    pub(super) unsafe fn of_chunk(chunk: ChunkPtr, start: usize, len: usize) -> Text {
        if len <= MAX_INLINE {
            const { assert!(PADDING >= 16) }
            // SAFETY: starts in the content or right behind it, so the padding makes sixteen initialised bytes.
            unsafe { Text::inline(load_16(chunk::content(chunk).add(start)), len) }
        } else if len <= MAX_SLICE {
            // SAFETY: the caller counts the chunk.
            unsafe { credit::take(chunk) };
            Text::slice(chunk, start, len, SLICE)
        } else {
            // SAFETY: the caller's promise.
            unsafe { Text::huge_of_chunk(chunk, start, len) }
        }
    }

    /// The text of a slice that is too long to be one: the chunk if it is all of it, else a copy.
    ///
    /// # Safety
    /// As for [`of_chunk`](Self::of_chunk), and `len` is more than [`MAX_INLINE`].
    #[cold]
    unsafe fn huge_of_chunk(chunk: ChunkPtr, start: usize, len: usize) -> Text {
        // SAFETY: the caller counts the chunk, which is frozen, and the slice is in it.
        unsafe {
            if len == chunk::len(chunk) {
                credit::take(chunk);
                return Text::whole(chunk);
            }
            Text::copy(slice::from_raw_parts(chunk::content(chunk).add(start), len))
        }
    }

    /// The text of a whole chunk, taking over one reference. Its length is more than [`MAX_INLINE`].
    fn whole(chunk: ChunkPtr) -> Text {
        Text { head: chunk.as_ptr(), tail: u64::from(WHOLE) << 56 }
    }

    #[inline(always)]
    fn slice(chunk: ChunkPtr, start: usize, len: usize, tag: u8) -> Text {
        Text { head: chunk.as_ptr(), tail: start as u64 | (len as u64) << 32 | u64::from(tag) << 56 }
    }

    /// A copy of bytes that are a part of some text.
    fn copy(bytes: &[u8]) -> Text {
        // SAFETY: a text's bytes are valid UTF-8.
        let copy = unsafe { Text::build(bytes.len(), |out| out.copy_from_slice(bytes)) };
        copy.expect("a chunk held it before")
    }

    /// A text of `len` bytes which `fill` writes into zeros. Short ones are inline, middling ones stand with others in
    /// this thread's arena, long ones have a chunk of their own; none of them keeps a pool's chunk alive.
    ///
    /// # Safety
    /// What `fill` leaves is valid UTF-8.
    pub(super) unsafe fn build(len: usize, fill: impl FnOnce(&mut [u8])) -> Result<Text, chunk::TooLong> {
        if len <= MAX_INLINE {
            let mut bytes = [0; 16];
            fill(&mut bytes[..len]);
            // SAFETY: short, and valid by the caller's promise.
            return Ok(unsafe { Text::inline(load_16(bytes.as_ptr()), len) });
        }
        if let Some(mut place) = arena::reserve(len) {
            fill(place.bytes_mut());
            let (chunk, start) = place.keep();
            return Ok(Text::slice(chunk, start, len, GROWING));
        }
        let mut chunk = chunk::ChunkMut::with_capacity(len)?;
        fill(chunk.spare_mut());
        chunk.advance(len);
        Ok(Text::whole(Chunk::into_ptr(chunk.freeze())))
    }

    /// The text of `len` bytes of a frozen chunk, from `start` on.
    ///
    /// # Safety
    /// `len <= MAX_INLINE`, and the bytes are whole characters of a text in a frozen chunk.
    #[inline(always)]
    pub(super) unsafe fn short_of_frozen(start: *const u8, len: usize) -> Text {
        const { assert!(PADDING >= 16) }
        // SAFETY: the text is valid UTF-8, and its chunk is padded.
        unsafe {
            hint::assert_unchecked(len <= MAX_INLINE);
            Text::inline(load_16(start), len)
        }
    }

    /// The text of the bytes `start..end` of this one.
    ///
    /// # Safety
    /// `start <= end <= self.len()`, both on boundaries of characters.
    #[inline(always)]
    pub(super) unsafe fn part(&self, start: usize, end: usize) -> Text {
        if self.tag() == SLICE {
            // SAFETY: `self` counts the frozen chunk, and a part of its bytes between characters is valid UTF-8.
            unsafe { Text::of_chunk(self.chunk(), self.offset() + start, end - start) }
        } else {
            // SAFETY: the caller's promise.
            unsafe { self.part_of_other(start, end) }
        }
    }

    /// [`part`](Self::part) of a text that is not a slice of a frozen chunk.
    ///
    /// # Safety
    /// As for `part`.
    unsafe fn part_of_other(&self, start: usize, end: usize) -> Text {
        let len = end - start;
        if len == self.len() {
            return self.share();
        }
        match self.tag() {
            // SAFETY: as in `part`.
            WHOLE => unsafe { Text::of_chunk(self.chunk(), start, len) },
            GROWING if len > MAX_INLINE => {
                // SAFETY: `self` counts the chunk.
                unsafe { credit::take(self.chunk()) };
                Text::slice(self.chunk(), self.offset() + start, len, GROWING)
            }
            // SAFETY: the last sixteen of more than fifteen bytes, which are all our own; then `len <= 15` of them.
            GROWING => unsafe {
                let at = start.min(self.len() - 16);
                let [low, high] = load_16(self.long_start().add(at));
                Text::inline(shift(u128::from(low) | u128::from(high) << 64, start - at), len)
            },
            // SAFETY: `len` bytes of at most fifteen.
            _ => unsafe { Text::inline(shift(self.inline_bits(), start), len) },
        }
    }

    /// The text of a `str` that is a part of this one.
    ///
    /// # Panics
    /// When it is not.
    #[inline]
    pub(super) fn subtext(&self, part: &str) -> Text {
        if part.is_empty() {
            return Text::EMPTY;
        }
        let start = part.as_ptr().addr().wrapping_sub(self.as_bytes().as_ptr().addr());
        let end = start.saturating_add(part.len());
        assert!(end <= self.len(), "the part is not of this text");
        // SAFETY: checked to be our bytes, which as a `str` are whole characters.
        unsafe { self.part(start, end) }
    }

    /// The 64 bytes from `at`. What stands behind the text's end is not defined.
    ///
    /// # Panics
    /// When `at` is not before the end.
    #[inline(always)]
    pub(super) fn window(&self, at: usize) -> Window {
        let len = self.len();
        assert!(at < len, "a window outside of the text");
        if self.is_inline() {
            return Window::of_16(self.inline_bits() >> (8 * at));
        }
        if self.tag() == GROWING && len - at < WINDOW {
            return Window::of_fewer(&self.as_bytes()[at..]);
        }
        const { assert!(PADDING >= WINDOW) }
        // SAFETY: begins in the content of a chunk that `self` counts, and that is padded and frozen, or in an arena's
        // but ends before our end.
        unsafe { Window::load(self.long_start().add(at)) }
    }

    /// The first byte of a text in a frozen chunk, of which and behind which [`PADDING`] bytes may be read.
    #[inline(always)]
    pub(super) fn frozen_start(&self) -> Option<*const u8> {
        matches!(self.tag(), SLICE | WHOLE).then(|| self.long_start())
    }

    /// The text as an argument that is passed in registers.
    #[inline(always)]
    pub(super) fn alias(&self) -> Alias<'_> {
        Alias { head: self.head, tail: self.tail, lender: PhantomData }
    }

    /// The bytes of a long text, without its own address.
    #[inline(always)]
    pub(super) fn long_bytes(&self) -> &[u8] {
        debug_assert!(!self.is_inline());
        // SAFETY: `len` initialised bytes of a chunk that `self` counts and that nobody writes to while it does.
        unsafe { slice::from_raw_parts(self.long_start(), self.len()) }
    }

    fn is_detached(&self) -> bool {
        // SAFETY: `self` is long and so counts its chunk.
        self.tag() == GROWING || (self.tag() == WHOLE && unsafe { !chunk::is_pooled(self.chunk()) })
    }

    #[inline(always)]
    fn tag(&self) -> u8 {
        (self.tail >> 56) as u8
    }

    /// Where in its chunk a long text starts.
    #[inline(always)]
    fn offset(&self) -> usize {
        self.tail as u32 as usize
    }

    /// The chunk of a long text.
    #[inline(always)]
    fn chunk(&self) -> ChunkPtr {
        debug_assert!(!self.is_inline());
        // SAFETY: a long text is made from a `ChunkPtr`.
        unsafe { ChunkPtr::new_unchecked(self.head.cast_mut()) }
    }

    /// The first byte of a long text.
    #[inline(always)]
    fn long_start(&self) -> *const u8 {
        chunk::content(self.chunk()).wrapping_add(self.offset())
    }
}

/// Sixteen bytes as two numbers, the first byte lowest.
///
/// # Safety
/// They are readable, initialised and not written meanwhile.
#[inline(always)]
unsafe fn load_16(start: *const u8) -> [u64; 2] {
    // SAFETY: the caller's promise.
    unsafe { start.cast::<[u64; 2]>().read_unaligned() }
}

/// Sixteen bytes without the first `n`, which may be all of them, as two numbers.
fn shift(bytes: u128, n: usize) -> [u64; 2] {
    let bytes = bytes.unbounded_shr(8 * n as u32);
    [bytes as u64, (bytes >> 64) as u64]
}

impl Clone for Text {
    /// Counts one more handle to the same bytes, or copies them in [detach mode](super::detached).
    #[inline]
    fn clone(&self) -> Self {
        if !self.is_inline() && detach::is_on() { self.detached() } else { self.share() }
    }
}

impl Drop for Text {
    #[inline]
    fn drop(&mut self) {
        if !self.is_inline() {
            // SAFETY: a long text owns one reference to its chunk, and is gone after this.
            unsafe { credit::give(self.chunk()) };
        }
    }
}

impl Deref for Text {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Default for Text {
    fn default() -> Self {
        Text::EMPTY
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
