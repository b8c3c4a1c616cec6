use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use millstream_engine::graph::{BatchInput, InputStream};
use millstream_engine::{Error, Result, StreamingContext, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::glob::DirectoryPattern;
use super::taken::Taken;
use super::{FileReader, FoundFile, SkippedFiles};

/// New files of a directory, by Spark's rules: file f is in batch T if the filter lets it through,
/// `max(threshold, T - remember) < mtime <= T`, and no batch that is remembered has taken it. Where batches before T were missed and
/// are not made, it is by as much longer ago.
pub(crate) struct DirectoryInput<P, R> {
    directory: DirectoryPattern,
    filter: P,
    reader: R,
    skipped: SkippedFiles,
    batch_interval: Duration,
    remember: Duration,
    state: Mutex<State>,
}

struct State {
    /// Older files are not the stream's.
    threshold: Time,
    taken: Taken,
    /// Why the directory could not be listed, the last time.
    problem: Option<String>,
}

/// Names in the metadata of a batch; the others are only counted.
const SHOWN_FILES: usize = 10;

impl<P, R> DirectoryInput<P, R>
where
    P: Fn(&Path) -> bool + Send + Sync + 'static,
    R: FileReader,
{
    pub(crate) fn new(
        context: &StreamingContext,
        directory: &Path,
        filter: P,
        new_files_only: bool,
        reader: R,
    ) -> Self {
        let config = context.config();
        DirectoryInput {
            directory: DirectoryPattern::new(directory),
            filter,
            reader,
            skipped: SkippedFiles::shown(context, &directory.display().to_string()),
            batch_interval: config.batch_interval,
            remember: config.batch_interval * batches_to_remember(config.min_remember, config.batch_interval),
            state: Mutex::new(State {
                threshold: if new_files_only { context.clock().now() } else { Time::default() },
                taken: Taken::default(),
                problem: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files of a batch, the oldest first, and what was wrong with the directory.
    fn find(&self, batch: &BatchInput<'_>) -> (Vec<FoundFile>, Option<String>) {
        let directories = match self.directory.directories() {
            Ok(directories) => directories,
            Err(error) => return (Vec::new(), Some(error.to_string())),
        };
        let (mut files, mut problem) = (Vec::new(), None);
        for directory in directories {
            if let Err(error) = self.list(&directory, batch, &mut files) {
                problem = Some(format!("{}: {error}", directory.display()));
            }
        }
        files.sort();
        (files, problem)
    }

    fn list(&self, directory: &Path, batch: &BatchInput<'_>, files: &mut Vec<FoundFile>) -> io::Result<()> {
        let time = batch.time();
        let oldest = self.state().threshold.max(batch.previous() + self.batch_interval - self.remember);
        for entry in fs::read_dir(directory)? {
            let path = entry?.path();
            if !(self.filter)(&path) {
                continue;
            }
            let Some(file) = look_at(&path)? else { continue };
            if oldest < file.modified && file.modified <= time && !self.state().taken.was_taken(&path, time) {
                files.push(file);
            }
        }
        Ok(())
    }

    /// Remembers what the batch took, and forgets what the rule on age excludes by itself.
    fn take(&self, time: Time, files: &[FoundFile]) {
        let mut state = self.state();
        state.taken.forget_before(time - self.remember);
        if !files.is_empty() {
            state.taken.insert(time, files.to_vec());
        }
    }

    /// The RDD of the files that a batch takes, told to listeners.
    fn read(&self, batch: &BatchInput<'_>, files: &[FoundFile], problem: Option<String>) -> Result<R::Rdd> {
        let metadata = describe(files, problem.as_deref());
        let bytes = files.iter().map(|file| file.bytes).sum();
        self.note(problem);
        let rdd = self.reader.read(batch.executor(), files.to_vec(), &self.skipped)?;
        batch.report(0, bytes, metadata)?;
        Ok(rdd)
    }

    /// Warns when the directory can no longer be listed, or for another reason, and says when it can be again.
    fn note(&self, problem: Option<String>) {
        let mut state = self.state();
        if state.problem != problem {
            match &problem {
                Some(problem) => tracing::warn!(
                    directory = %self.directory, %problem, "the directory cannot be listed; batches are empty until it can"
                ),
                None => tracing::info!(directory = %self.directory, "the directory can be listed again"),
            }
            state.problem = problem;
        }
    }
}

impl<P, R> InputStream for DirectoryInput<P, R>
where
    P: Fn(&Path) -> bool + Send + Sync + 'static,
    R: FileReader,
{
    type Rdd = R::Rdd;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<R::Rdd>> {
        let (files, problem) = self.find(batch);
        let rdd = self.read(batch, &files, problem)?;
        self.take(batch.time(), &files);
        Ok(Some(rdd))
    }

    fn recompute(&self, batch: &BatchInput<'_>, claim: &[u8]) -> Result<Option<R::Rdd>> {
        self.read(batch, &decode::<Vec<FoundFile>>(claim)?, None).map(Some)
    }

    fn claim(&self, time: Time) -> Result<Option<Vec<u8>>> {
        encode(self.state().taken.of(time)).map(Some)
    }

    fn position(&self, time: Time) -> Result<Vec<u8>> {
        let state = self.state();
        encode(&(state.threshold, state.taken.until(time)))
    }

    fn restore(&self, position: &[u8], claims: &[(Time, Vec<u8>)]) -> Result<()> {
        let mut state = self.state();
        let (threshold, taken): (_, BTreeMap<_, _>) = decode(position)?;
        state.threshold = threshold;
        taken.into_iter().for_each(|(time, files)| state.taken.insert(time, files));
        for (time, claim) in claims {
            state.taken.insert(*time, decode(claim)?);
        }
        Ok(())
    }
}

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|e| Error::Codec(format!("the files of a directory stream: {e}")))
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| Error::Codec(format!("the files of a directory stream: {e}")))
}

/// How many batches are remembered: `min_remember` in whole batches.
pub(super) fn batches_to_remember(min_remember: Duration, batch: Duration) -> u32 {
    let batches = min_remember.as_millis().div_ceil(batch.as_millis().max(1));
    u32::try_from(batches).unwrap_or(u32::MAX)
}

/// A regular file; `None` for anything else, and for one that is gone already.
fn look_at(path: &Path) -> io::Result<Option<FoundFile>> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    let since_1970 = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified = Time::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX));
    Ok(Some(FoundFile { modified, path: path.into(), bytes: metadata.len() }))
}

fn describe(files: &[FoundFile], problem: Option<&str>) -> BTreeMap<String, String> {
    let mut names: Vec<_> =
        files.iter().take(SHOWN_FILES).map(|file| file.path.display().to_string()).collect();
    if files.len() > SHOWN_FILES {
        names.push(format!("and {} more", files.len() - SHOWN_FILES));
    }
    let mut metadata = BTreeMap::from([
        ("file_count".to_owned(), files.len().to_string()),
        ("files".to_owned(), names.join("\n")),
    ]);
    metadata.extend(problem.map(|problem| ("problem".to_owned(), problem.to_owned())));
    metadata
}

/// The filter of directory streams that are given none: names that begin with a dot are hidden.
pub fn is_visible(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const SUITE: &str = include_str!("../../../tests/vectors/InputStreamsSuite.json");

    #[test]
    fn as_many_batches_are_remembered_as_in_sparks_input_streams_suite() {
        let vectors: Vec<Value> = serde_json::from_str(SUITE).unwrap();
        let vector = vectors.iter().find(|v| v["name"] == "number of batches to remember").unwrap();
        let min_remember = Duration::from_millis(vector["params"]["minRememberMs"].as_u64().unwrap());
        let rows = vector["input"].as_array().unwrap().iter().zip(vector["expected"].as_array().unwrap());
        for (batch_ms, expected) in rows {
            let batch = Duration::from_millis(batch_ms.as_u64().unwrap());
            assert_eq!(u64::from(batches_to_remember(min_remember, batch)), expected.as_u64().unwrap());
        }
    }

    #[test]
    fn a_batch_of_many_files_names_only_some() {
        let file = |i: usize| FoundFile {
            modified: Time::default(),
            path: Path::new(&i.to_string()).into(),
            bytes: 1,
        };
        let metadata = describe(&(0..12).map(file).collect::<Vec<_>>(), Some("full"));
        assert_eq!(metadata["file_count"], "12");
        assert!(metadata["files"].ends_with("9\nand 2 more"), "{metadata:?}");
        assert_eq!(metadata["problem"], "full");
    }

    #[test]
    fn names_with_a_dot_are_hidden() {
        assert!(is_visible(Path::new(".a/b")) && is_visible(Path::new("_b")));
        assert!(!is_visible(Path::new("a/.b")) && !is_visible(Path::new("/")));
    }
}
