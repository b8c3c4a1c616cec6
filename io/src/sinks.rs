use std::fmt::Display;

use millstream_engine::DStream;
use millstream_engine::rdd::Rdd;
use serde::Serialize;

use crate::file::{BatchFolders, OBJECT_HEADER, encode_object};

/// Output operations that write to the outside world.
///
/// The batch at time T becomes the folder `prefix-T.suffix` (T in milliseconds; without the dash or the dot when the prefix or
/// the suffix is empty), with a file per partition, also when it is empty. The folder appears whole or not at all. They are
/// [sinks](millstream_engine::deliver::Sink): in a program with a checkpoint directory, and with a source that can be read again, each
/// result is there exactly once. A batch that is run again all the same replaces what it wrote before.
pub trait Sinks<R: Rdd> {
    /// Writes each record as a line of text.
    #[track_caller]
    fn save_as_text_files(&self, prefix: &str, suffix: &str)
    where
        R::Item: Display;

    /// Writes each record as a line of text that `write` appends to the buffer, without the end of the line.
    #[track_caller]
    fn save_as_text_files_with(
        &self,
        prefix: &str,
        suffix: &str,
        write: impl Fn(&R::Item, &mut Vec<u8>) + Send + Sync + 'static,
    );

    /// Writes the records so that [`object_file`](crate::Sources::object_file) can read them back.
    #[track_caller]
    fn save_as_object_files(&self, prefix: &str, suffix: &str)
    where
        R::Item: Serialize;
}

impl<R: Rdd> Sinks<R> for DStream<R> {
    fn save_as_text_files(&self, prefix: &str, suffix: &str)
    where
        R::Item: Display,
    {
        self.deliver("save_as_text_files", BatchFolders::text(prefix, suffix));
    }

    fn save_as_text_files_with(
        &self,
        prefix: &str,
        suffix: &str,
        write: impl Fn(&R::Item, &mut Vec<u8>) + Send + Sync + 'static,
    ) {
        let folders = BatchFolders::new(prefix, suffix, b"", move |item, line: &mut Vec<u8>| {
            write(item, line);
            line.push(b'\n');
            Ok(())
        });
        self.deliver("save_as_text_files", folders);
    }

    fn save_as_object_files(&self, prefix: &str, suffix: &str)
    where
        R::Item: Serialize,
    {
        self.deliver("save_as_object_files", BatchFolders::new(prefix, suffix, OBJECT_HEADER, encode_object));
    }
}
