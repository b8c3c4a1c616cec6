//! A listener that writes a JSON line per completed batch to a file, so that a program of any language can watch the lag.

use std::fmt::{self, Write as _};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{BatchInfo, StreamingListener};
use crate::{Error, Result, Time};

/// Appends a JSON line per completed batch to a file. The key `stats.file` (variable `MILLSTREAM_STATS_FILE`) adds one to a context.
///
/// The first line of a run holds the settings in force: `{"settings":{"batch_interval":"1s",..}}`. Each line after it is a batch:
///
/// | field | meaning |
/// |-------|---------|
/// | `batch_time_ms` | the batch, in milliseconds since 1970 |
/// | `records`, `bytes` | what all inputs brought; some inputs do not count bytes |
/// | `scheduling_delay_ms` | from submission to the start of the first job |
/// | `processing_time_ms` | from there to the end of the last job |
/// | `total_delay_ms` | the sum of the two |
/// | `lag_ms` | from the batch time to the end of the last job: `total_delay_ms` and what the batch waited before it was submitted |
/// | `failed` | how many of its output operations failed |
///
/// Lines are written whole and at once, those of about 50 ms in one go. When the file cannot be written any more, that is logged
/// once and the program goes on without it.
///
/// ```
/// use millstream_engine::observe::{BatchInfo, StatsFileListener, StreamingListener};
/// let dir = tempfile::tempdir()?;
/// let path = dir.path().join("batches.jsonl");
/// let stats = StatsFileListener::open(&path, [("batch_interval", "1s".to_string())])?;
/// stats.on_batch_completed(&BatchInfo::default());
/// let text = std::fs::read_to_string(&path)?;
/// assert!(text.starts_with("{\"settings\":{\"batch_interval\":\"1s\"}}\n{\"batch_time_ms\":0,"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct StatsFileListener {
    path: PathBuf,
    /// `None` after it could not be written.
    file: Mutex<Option<File>>,
}

impl StatsFileListener {
    /// Opens the file, makes it if there is none, and writes the line with the settings.
    ///
    /// # Errors
    /// When the file cannot be opened or written.
    pub fn open<'a>(
        path: &Path,
        settings: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Result<StatsFileListener> {
        let failed = |error| {
            let path = path.display();
            Error::io(
                format!(
                    "cannot write {path}, the file for a line per batch; set stats.file to another one, or to none"
                ),
                error,
            )
        };
        let mut file = OpenOptions::new().create(true).append(true).open(path).map_err(failed)?;
        file.write_all(first_line(settings).as_bytes()).map_err(failed)?;
        Ok(StatsFileListener { path: path.to_owned(), file: Mutex::new(Some(file)) })
    }
}

impl StreamingListener for StatsFileListener {
    fn on_batch_completed(&self, batch: &BatchInfo) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.as_mut().map_or(Ok(()), |file| file.write_all(line(batch).as_bytes()));
        if let Err(error) = written {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the file for a line per batch cannot be written; it ends here");
            *file = None;
        }
    }
}

fn first_line<'a>(settings: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut text = "{\"settings\":{".to_owned();
    for (i, (name, value)) in settings.into_iter().enumerate() {
        let comma = if i > 0 { "," } else { "" };
        // Writing to a string does not fail.
        let _ = write!(text, "{comma}{}:{}", Quoted(name), Quoted(&value));
    }
    text + "}}\n"
}

fn line(batch: &BatchInfo) -> String {
    let bytes: u64 = batch.stream_id_to_input_info.values().map(|input| input.bytes).sum();
    let lag = batch.processing_end_time.map(|end| end.since(batch.batch_time));
    let failed = batch.output_operation_infos.values().filter(|operation| operation.failure_reason.is_some());
    let millis = |delay: Option<std::time::Duration>| delay.unwrap_or_default().as_millis();
    format!(
        "{{\"batch_time_ms\":{},\"records\":{},\"bytes\":{bytes},\"scheduling_delay_ms\":{},\
         \"processing_time_ms\":{},\"total_delay_ms\":{},\"lag_ms\":{},\"failed\":{}}}\n",
        Time::as_millis(batch.batch_time),
        batch.num_records(),
        millis(batch.scheduling_delay()),
        millis(batch.processing_delay()),
        millis(batch.total_delay()),
        millis(lag),
        failed.count(),
    )
}

/// A text as JSON has it.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::observe::{OutputOperationInfo, StreamInputInfo};

    fn batch() -> BatchInfo {
        let at = Time::from_millis;
        let input = StreamInputInfo { num_records: 7, bytes: 90, ..StreamInputInfo::default() };
        let failed =
            OutputOperationInfo { failure_reason: Some("no".to_owned()), ..OutputOperationInfo::default() };
        BatchInfo {
            processing_start_time: Some(at(1_015)),
            processing_end_time: Some(at(1_045)),
            stream_id_to_input_info: [(0, input.clone()), (1, input)].into(),
            output_operation_infos: [(0, failed), (1, OutputOperationInfo::default())].into(),
            ..BatchInfo::submitted(at(1_000), at(1_005))
        }
    }

    fn lines(path: &Path) -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_batch_becomes_a_line_and_a_second_run_goes_on_behind_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("batches.jsonl");
        for _ in 0..2 {
            let stats = StatsFileListener::open(&path, []).unwrap();
            stats.on_batch_completed(&batch());
        }
        let expected = json!({
            "batch_time_ms": 1_000, "records": 14, "bytes": 180, "scheduling_delay_ms": 10,
            "processing_time_ms": 30, "total_delay_ms": 40, "lag_ms": 45, "failed": 1,
        });
        let settings = json!({ "settings": {} });
        assert_eq!(lines(&path), [settings.clone(), expected.clone(), settings, expected]);
    }

    #[test]
    fn any_text_may_be_a_setting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("batches.jsonl");
        let odd = "a \"b\" \\ c\n\u{1}é";
        StatsFileListener::open(&path, [("app_name", odd.to_owned()), ("master", "local[2]".to_owned())])
            .unwrap();
        assert_eq!(lines(&path)[0], json!({ "settings": { "app_name": odd, "master": "local[2]" } }));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let refused = StatsFileListener::open(&dir.path().join("none/batches.jsonl"), []).unwrap_err();
        assert!(refused.to_string().contains("set stats.file to another one"), "{refused}");
    }
}
