use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use millstream_engine::rdd::Rdd;
use millstream_engine::{BoxError, Result, Time};

use crate::show::shown;
use crate::{Actions, Show};

/// Above and below the time.
const RULE: &str = "-------------------------------------------";

/// What is printed of a batch: the time, the first `n` records, and dots when there are more. No more than `n + 1` are computed.
pub(crate) fn page(rdd: &impl Rdd<Item: Show>, time: Time, n: usize) -> Result<String> {
    let records = rdd.take(n.saturating_add(1))?;
    let mut page = format!("{RULE}\nTime: {time}\n{RULE}\n");
    for record in records.iter().take(n) {
        // Writing to a string cannot fail; a `Show` that fails by itself leaves the rest of its record out.
        let _ = writeln!(page, "{}", shown(record));
    }
    if records.len() > n {
        page.push_str("...\n");
    }
    page.push('\n');
    Ok(page)
}

/// Writes a page in one piece, so that pages of several streams do not mix.
pub(crate) fn write_to<W: Write + ?Sized>(writer: &Mutex<W>, page: &str) -> Result<(), BoxError> {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    writer.write_all(page.as_bytes())?;
    Ok(writer.flush()?)
}

/// The same to the standard output. A reader that has gone away is an error, not a panic.
pub(crate) fn write_to_stdout(page: &str) -> Result<(), BoxError> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(page.as_bytes())?;
    Ok(stdout.flush()?)
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
        let page = page(&records, Time::from_millis(2_000), 2).unwrap();
        assert_eq!(page, format!("{RULE}\nTime: 2000 ms\n{RULE}\n0\n1\n...\n\n"));
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
        assert!(write_to(&Mutex::new(Closed), "x").is_err());
    }
}
