//! Formats: what the bytes of a record mean. One format, one file; nothing here does any I/O.

pub mod access_log;
pub mod timestamp;
