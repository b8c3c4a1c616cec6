use std::fmt::Display;
use std::io::Write;

use millstream_engine::DStream;
use millstream_engine::rdd::Rdd;
use serde::Serialize;

use crate::file::{BatchFiles, OBJECT_HEADER, encode_object};

/// Output operations that write to the outside world.
///
/// The batch at time T becomes the folder `prefix-T.suffix` (T in milliseconds; without the dash or the dot when the prefix or
/// the suffix is empty), with a file per partition, also when it is empty. The folder appears whole or not at all. A batch that
/// is run again replaces what it wrote before: together with a source that can be read again, each result is there exactly once.
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
        let files = BatchFiles::new(prefix, suffix, b"");
        self.output("save_as_text_files", move |job, rdd, time| {
            files.save(job, &rdd, time, |item, line| writeln!(line, "{item}"))
        });
    }

    fn save_as_text_files_with(
        &self,
        prefix: &str,
        suffix: &str,
        write: impl Fn(&R::Item, &mut Vec<u8>) + Send + Sync + 'static,
    ) {
        let files = BatchFiles::new(prefix, suffix, b"");
        self.output("save_as_text_files", move |job, rdd, time| {
            files.save(job, &rdd, time, |item, line| {
                write(item, line);
                line.push(b'\n');
                Ok(())
            })
        });
    }

    fn save_as_object_files(&self, prefix: &str, suffix: &str)
    where
        R::Item: Serialize,
    {
        let files = BatchFiles::new(prefix, suffix, OBJECT_HEADER);
        self.output("save_as_object_files", move |job, rdd, time| files.save(job, &rdd, time, encode_object));
    }
}
