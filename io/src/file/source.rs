use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use millstream_engine::fs::Fs;
use millstream_engine::graph::{BatchInput, InputStream};
use millstream_engine::{Error, Result, StreamingContext, Time};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::glob::DirectoryPattern;
use super::taken::Taken;
use super::unlisted::Unlisted;
use super::{FileReader, FoundFile, SkippedFiles};

/// New files of a directory, by Spark's rules: file f is in batch T if the filter lets it through,
/// `max(threshold, T - remember) < mtime <= T`, and no batch that is remembered has taken it. Where batches before T were missed and
/// are not made, or could not list the directory, it is by as much longer ago.
pub(crate) struct DirectoryInput<P, R> {
    fs: Arc<dyn Fs>,
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
    unlisted: Unlisted,
    /// Why the directory could not be listed, the last time.
    problem: Option<String>,
}

/// What a batch found.
struct Found {
    /// The oldest first.
    files: Vec<FoundFile>,
    /// What was wrong with the directory.
    problem: Option<String>,
    /// The last batch before that saw all there was.
    seen_until: Time,
}

/// Names in the metadata of a batch; the others are only counted.
const SHOWN_FILES: usize = 10;

impl<P, R> DirectoryInput<P, R>
where
    P: Fn(&Path) -> bool + Send + Sync + 'static,
    R: FileReader,
{
    pub(crate) fn new(
        fs: Arc<dyn Fs>,
        context: &StreamingContext,
        directory: &Path,
        filter: P,
        new_files_only: bool,
        reader: R,
    ) -> Self {
        let config = context.config();
        DirectoryInput {
            fs,
            directory: DirectoryPattern::new(directory),
            filter,
            reader,
            skipped: SkippedFiles::shown(context, &directory.display().to_string()),
            batch_interval: config.batch_interval,
            remember: config.batch_interval * batches_to_remember(config.min_remember, config.batch_interval),
            state: Mutex::new(State {
                threshold: if new_files_only { context.clock().now() } else { Time::default() },
                taken: Taken::default(),
                unlisted: Unlisted::default(),
                problem: None,
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files of a batch.
    fn find(&self, batch: &BatchInput<'_>) -> Found {
        let (seen_until, threshold) = {
            let state = self.state();
            (state.unlisted.seen_until(batch.previous()), state.threshold)
        };
        let oldest = threshold.max(seen_until + self.batch_interval - self.remember);
        let (mut files, mut problem) = (Vec::new(), None);
        match self.directory.directories(&*self.fs) {
            Ok(directories) => {
                for directory in directories {
                    if let Err(error) = self.list(&directory, oldest, batch.time(), &mut files) {
                        problem = Some(format!("{}: {error}", directory.display()));
                    }
                }
            }
            Err(error) => problem = Some(error.to_string()),
        }
        files.sort();
        Found { files, problem, seen_until }
    }

    /// The files of a directory that were changed after `oldest`, for the batch at `time`.
    fn list(&self, directory: &Path, oldest: Time, time: Time, files: &mut Vec<FoundFile>) -> io::Result<()> {
        for entry in self.fs.list(directory)?.into_iter().filter(|entry| entry.is_file) {
            let (path, modified) = (directory.join(entry.name), in_millis(entry.modified));
            let is_due = oldest < modified && modified <= time && !self.state().taken.was_taken(&path, time);
            if is_due && (self.filter)(&path) {
                files.push(FoundFile { modified, path: path.into(), bytes: entry.len });
            }
        }
        Ok(())
    }

    /// Remembers what the batch took, and forgets what the rule on age excludes by itself.
    fn take(&self, time: Time, found: Found) {
        let mut state = self.state();
        let unseen_since = found.problem.map(|_| found.seen_until);
        state.taken.forget_before(unseen_since.unwrap_or(time) - self.remember);
        state.unlisted.forget_before(time - self.remember);
        state.unlisted.insert(time, unseen_since);
        if !found.files.is_empty() {
            state.taken.insert(time, found.files);
        }
    }

    /// The RDD of the files that a batch takes, told to listeners.
    fn read(&self, batch: &BatchInput<'_>, files: &[FoundFile], problem: Option<String>) -> Result<R::Rdd> {
        let metadata = describe(files, problem.as_deref());
        let bytes = files.iter().map(|file| file.bytes).sum();
        self.note(problem);
        let rdd = self.reader.read(&self.fs, batch.executor(), files.to_vec(), &self.skipped)?;
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
        let found = self.find(batch);
        let rdd = self.read(batch, &found.files, found.problem.clone())?;
        self.take(batch.time(), found);
        Ok(Some(rdd))
    }

    fn recompute(&self, batch: &BatchInput<'_>, claim: &[u8]) -> Result<Option<R::Rdd>> {
        let (files, _) = decode::<Claim>(claim)?;
        self.read(batch, &files, None).map(Some)
    }

    fn claim(&self, time: Time) -> Result<Option<Vec<u8>>> {
        let state = self.state();
        encode(&(state.taken.of(time), state.unlisted.of(time))).map(Some)
    }

    fn position(&self, time: Time) -> Result<Vec<u8>> {
        let state = self.state();
        let unlisted = state.unlisted.of(time).map(|seen_until| (time, seen_until));
        encode(&(state.threshold, state.taken.until(time), unlisted))
    }

    fn restore(&self, position: &[u8], claims: &[(Time, Vec<u8>)]) -> Result<()> {
        let mut state = self.state();
        let (threshold, taken, unlisted): Position = decode(position)?;
        state.threshold = threshold;
        taken.into_iter().for_each(|(time, files)| state.taken.insert(time, files));
        unlisted.into_iter().for_each(|(time, seen_until)| state.unlisted.insert(time, Some(seen_until)));
        for (time, claim) in claims {
            let (files, seen_until) = decode::<Claim>(claim)?;
            state.taken.insert(*time, files);
            state.unlisted.insert(*time, seen_until);
        }
        Ok(())
    }
}

/// What a batch took; if it could not list all, the last batch that could.
type Claim = (Vec<FoundFile>, Option<Time>);

/// The threshold, what each remembered batch took, and, if the last one could not list all, its time and that of the last one that
/// could.
type Position = (Time, BTreeMap<Time, Vec<FoundFile>>, Option<(Time, Time)>);

fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|e| Error::Codec(format!("the files of a directory stream: {e}")))
}

/// The last field came later than the others: what was written without it is read as if it were `None`, which is a zero.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let bytes = [bytes, &[0]].concat();
    postcard::from_bytes(&bytes).map_err(|e| Error::Codec(format!("the files of a directory stream: {e}")))
}

/// How many batches are remembered: `min_remember` in whole batches.
pub(super) fn batches_to_remember(min_remember: Duration, batch: Duration) -> u32 {
    let batches = min_remember.as_millis().div_ceil(batch.as_millis().max(1));
    u32::try_from(batches).unwrap_or(u32::MAX)
}

fn in_millis(modified: SystemTime) -> Time {
    let since_1970 = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_millis(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
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
