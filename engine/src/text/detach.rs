//! Detach mode: a clone copies.

use std::cell::Cell;

thread_local! {
    static DETACHING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `clone` so that every long [`Text`](super::Text) it clones is a copy which does not keep a chunk alive.
///
/// A record that outlives its batch must not hold the block it was read from. As every type clones its texts through
/// `Text::clone`, this detaches tuples, vectors and the user's own structs alike. The copies of one thread stand
/// together in chunks of 64 KiB, each of which is freed when all its texts are gone.
///
/// ```
/// use millstream_engine::text::{ChunkPool, detached, release_credits, validate};
///
/// let pool = ChunkPool::new(1024, 1);
/// let mut chunk = pool.take();
/// chunk.extend_from_slice(b"a text that is too long to be inline");
/// let block = validate(&chunk.freeze(), 0..36)?.block;
/// let key = (block.get(0..36).unwrap(), 1);
///
/// let kept = detached(|| key.clone());
/// drop((key, block));
/// release_credits();
/// assert_eq!(pool.bytes_in_use(), 0);
/// assert_eq!(kept.0, "a text that is too long to be inline");
/// # Ok::<(), millstream_engine::text::TooLong>(())
/// ```
pub fn detached<T>(clone: impl FnOnce() -> T) -> T {
    let _restore = Restore(DETACHING.replace(true));
    clone()
}

/// Sets the mode back when the closure is done, or panics.
struct Restore(bool);

impl Drop for Restore {
    fn drop(&mut self) {
        DETACHING.set(self.0);
    }
}

/// True on a thread that is inside [`detached`].
#[inline]
pub(super) fn is_on() -> bool {
    DETACHING.get()
}

#[cfg(test)]
mod tests {
    use super::super::Text;
    use super::*;

    #[test]
    fn what_is_detached_is_not_copied_again() {
        for bytes in [16, 4_096, 4_097] {
            let text = Text::from("x".repeat(bytes));
            assert_eq!(detached(|| text.clone()).as_ptr(), text.as_ptr());
            assert_eq!(text.get(..).unwrap().detached().as_ptr(), text.as_ptr());
        }
    }

    #[test]
    fn the_mode_ends_with_the_closure_nested_or_panicking() {
        assert!(!is_on());
        detached(|| {
            detached(|| assert!(is_on()));
            assert!(is_on());
        });
        assert!(!is_on());
        std::panic::catch_unwind(|| detached(|| panic!("a user's clone"))).unwrap_err();
        assert!(!is_on());
    }
}
