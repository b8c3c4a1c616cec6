use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, PoisonError};

use millstream_engine::rdd::Rdd;
use millstream_engine::{BoxError, Result, Time};

use crate::show::shown;
use crate::{Actions, Show};

/// Above and below the time.
const RULE: &str = "-------------------------------------------";

/// How much is formatted before it is written.
const BUFFERED: usize = 64 << 10;

/// What is printed of a batch: the time, the first `n` records, and dots when there are more.
#[derive(Debug)]
pub(crate) struct Page<T> {
    time: Time,
    records: Vec<T>,
    has_more: bool,
}

impl<T: Show> Page<T> {
    /// The page of a batch. No more than `n + 1` records are computed.
    pub(crate) fn of(rdd: &impl Rdd<Item = T>, time: Time, n: usize) -> Result<Self> {
        let mut records = rdd.take(n.saturating_add(1))?;
        let has_more = records.len() > n;
        records.truncate(n);
        Ok(Page { time, records, has_more })
    }

    /// Writes it while nobody else can, so that pages of several streams do not mix.
    pub(crate) fn write_to<W: Write + ?Sized>(&self, writer: &Mutex<W>) -> Result<(), BoxError> {
        Ok(self.write(&mut *writer.lock().unwrap_or_else(PoisonError::into_inner))?)
    }

    /// The same to the standard output. A reader that has gone away is an error, not a panic.
    pub(crate) fn write_to_stdout(&self) -> Result<(), BoxError> {
        Ok(self.write(&mut io::stdout().lock())?)
    }

    /// A record at a time: a page of all records may be as long as the batch.
    fn write(&self, writer: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let mut writer = BufWriter::with_capacity(BUFFERED, writer);
        let mut line = String::new();
        writeln!(writer, "{RULE}\nTime: {}\n{RULE}", self.time)?;
        for record in &self.records {
            line.clear();
            // Writing to a string cannot fail; a `Show` that fails by itself leaves the rest of its record out.
            let _ = std::fmt::Write::write_fmt(&mut line, format_args!("{}", shown(record)));
            writeln!(writer, "{line}")?;
        }
        writer.write_all(if self.has_more { b"...\n\n" } else { b"\n" })?;
        writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::RddOps;
    use crate::testing::rdd;

    #[test]
    fn computes_one_record_more_than_it_shows() {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let records = rdd(0..100, 3).inspect(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        });
        let page = Page::of(&records, Time::from_millis(2_000), 2).unwrap();
        let written = Mutex::new(Vec::new());
        page.write_to(&written).unwrap();
        let written = String::from_utf8(written.into_inner().unwrap()).unwrap();
        assert_eq!(written, format!("{RULE}\nTime: 2000 ms\n{RULE}\n0\n1\n...\n\n"));
        assert_eq!(seen.load(Ordering::Relaxed), 3);
    }

    #[test]
    fn a_writer_that_fails_is_an_error() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let page = Page::of(&rdd(0..2, 1), Time::from_millis(0), 2).unwrap();
        assert!(page.write_to(&Mutex::new(Closed)).is_err());
    }
}
