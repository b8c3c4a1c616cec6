//! Text: the record most streams are made of, and the buffers it lives in.
//!
//! # The way of a line
//!
//! A receiver takes a [`ChunkMut`] from its [`ChunkPool`], reads into it, and freezes it to a [`Chunk`]. A task checks
//! it once ([`validate`]) and cuts the valid [`Utf8Chunk`] into lines ([`for_each_line`]). Each line is a [`Text`], and
//! so are the words, fields and pieces that the user's closures cut from it. Nothing of this allocates or, past the
//! first 15 bytes, copies. When the last text of a chunk is gone, and the thread has [returned its
//! credits](release_credits), the chunk is back in its pool.
//!
//! ```
//! use millstream_engine::text::{ChunkPool, Text, for_each_line, release_credits, validate};
//! use std::collections::HashMap;
//! use std::ops::ControlFlow;
//!
//! let pool = ChunkPool::new(64 * 1024, 4);
//! let mut chunk = pool.take();
//! chunk.extend_from_slice(b"to be or not\r\nto be"); // in a receiver: read into chunk.spare_mut()
//! let chunk = chunk.freeze();
//!
//! let block = validate(&chunk, 0..chunk.len())?.block;
//! let mut counts: HashMap<Text, u64> = HashMap::new();
//! let _ = for_each_line(&block, 0..block.len(), |line| {
//!     line.split_whitespace().for_each(|word| *counts.entry(word).or_default() += 1);
//!     ControlFlow::Continue(())
//! });
//! assert_eq!(counts[&Text::from("be")], 2);
//!
//! drop((chunk, block));
//! release_credits(); // the engine does this at the end of each task
//! assert_eq!(pool.bytes_in_use(), 0);
//! # Ok::<(), millstream_engine::text::TooLong>(())
//! ```
//!
//! # Sixteen bytes, three kinds
//!
//! ```text
//! byte      0              8                      15
//!           +--------------+----------------------+-----+
//! inline    | up to 15 bytes, then zeros          | len |   0 to 15 bytes, and all texts of that length
//!           +--------------+-----------+----------+-----+
//! slice     | chunk        | offset    | len 24 b | tag |   16 bytes to 16 MiB - 1
//!           +--------------+-----------+----------+-----+
//! whole     | chunk        | 0                    | tag |   a whole chunk, its length in its header
//!           +--------------+----------------------+-----+
//! ```
//!
//! As a short text is always inline, two inline texts are compared as two numbers and hashed as one. Cutting an inline
//! text from a chunk is one 16-byte load and one mask, whatever its length; the load may reach behind the chunk's
//! content, into its padding. A slice has a second tag when it stands in an arena, where its neighbour may be being
//! written: from there nothing behind the text is loaded.
//!
//! # Counting and detaching
//!
//! A long text counts its chunk. It does so through credits that its thread has bought in bulk, so that neither a clone
//! nor a drop is an atomic step (`credit.rs` has the protocol). The other side of this: a chunk is not back in its pool
//! before the threads that worked on it have called [`release_credits`].
//!
//! A text that is kept for longer than its batch must not keep the batch's chunks. [`Text::detached`] copies one text,
//! and [`detached`] makes every clone inside a closure such a copy, whatever type the texts are fields of. Copies, and
//! texts made from a `&str`, share chunks of 64 KiB that each thread fills, one text behind the other; those of more
//! than 4 KiB have a chunk of their own. A chunk of 64 KiB lives until its last text is gone.
//!
//! # Where the unsafe code is
//!
//! | file | its claim |
//! |------|-----------|
//! | `chunk.rs` | one allocation, all bytes initialised, padded, written by one owner and then by none; who takes the last reference frees it |
//! | `credit.rs` | references = handles + credits |
//! | `arena.rs` | places handed out do not overlap and are written before they are shared |
//! | `window.rs` | loads 64 bytes that its caller has, into registers that the processor has |
//! | `text.rs`, `utf8.rs` | a text is valid UTF-8 and its range is in its chunk; loads stay in the padding |
//! | `whitespace.rs`, `split.rs`, `lines.rs` | cut between characters, where they found ASCII or a whole delimiter |
//! | `build.rs` | what it fills new texts with is valid UTF-8 |

mod arena;
mod build;
mod chunk;
mod compare;
mod convert;
mod credit;
mod cut;
mod detach;
mod lines;
mod near;
mod pool;
mod split;
#[expect(clippy::module_inception, reason = "the type Text is what the module text is about")]
mod text;
mod utf8;
mod whitespace;
mod window;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod threads;

pub use chunk::{Chunk, ChunkMut, TooLong, unpooled_bytes};
pub use credit::release_credits;
pub use detach::detached;
pub use lines::{count_lines, for_each_line};
pub use near::{find_either_near, find_near};
pub use pool::ChunkPool;
pub use split::{Delimiter, Lines, Split, SplitN};
pub use text::{MAX_INLINE, Text};
pub use utf8::{Utf8Chunk, Validated, validate};
pub use whitespace::{SplitAsciiWhitespace, SplitWhitespace, Words};
pub(crate) use window::is_wide;
