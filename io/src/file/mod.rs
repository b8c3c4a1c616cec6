//! Files and folders on the local file system.
//!
//! - `source.rs`: new files of a directory as a stream; `glob.rs` finds the directories, `found.rs` is what is known of a file,
//!   `taken.rs` which batch has it, `unlisted.rs` which batches could not look, `reader.rs` says what it holds;
//! - `text_file.rs`, `object_file.rs`: files as RDDs; `mended.rs` counts what was wrong with their lines;
//! - `sink.rs`: a folder of part files per batch, with [`commit`].

pub mod commit;
mod found;
mod glob;
mod mended;
mod object_file;
mod reader;
mod sink;
mod source;
mod taken;
mod text_file;
mod unlisted;

pub use found::{FoundFile, SkippedFiles};
pub use mended::MendedLines;
pub use object_file::ObjectFiles;
pub use reader::{BinaryReader, EachFile, FileReader, FixedRecords, ReadFile, TextReader, WholeFiles};
pub use sink::BatchFolders;
pub use source::is_visible;
pub use text_file::{OnMissing, TextFiles};

pub(crate) use object_file::{OBJECT_HEADER, encode as encode_object};
pub(crate) use source::DirectoryInput;
