//! Files and folders on the local file system.

pub mod commit;
mod text_file;

pub use text_file::TextFiles;
