use std::io;
use std::sync::Arc;

use ::object_store::path::Path;
use ::object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
};
use futures_util::TryStreamExt;
use millstream_engine::recovery::{CheckpointStore, CheckpointWriter};
use millstream_engine::{Error, Result};

use super::blocking::Blocking;
use super::trouble::trouble;
use super::upload::Upload;
use super::url;

/// Checkpoints below a prefix of an object store; see the [module](super) for the URLs and their settings.
///
/// A request that fails is tried again for half a minute at the most; then the checkpoint has failed, the one before remains, and the
/// next one has what this one would have had. A stop waits for the last checkpoint, also for one that fails. A prefix belongs to one program. The service is asked for, per checkpoint: one object with what has
/// changed (in parts of 8 MiB when it is larger), one manifest, one list, and two or more removals.
#[derive(Debug)]
pub struct ObjectStoreCheckpoints(Arc<Place>);

/// A prefix of a store.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) store: Arc<dyn ObjectStore>,
    prefix: Path,
    /// For people: what stands before the prefix.
    base: String,
    blocking: Blocking,
}

impl ObjectStoreCheckpoints {
    /// Those below `url`, with the settings of the environment. Nothing is asked of the service yet.
    ///
    /// # Errors
    /// When the URL is not one of the [module](super)'s table, or a setting is missing or wrong.
    pub fn from_url(url: &str) -> Result<Self> {
        ObjectStoreCheckpoints::from_url_with(url, &[])
    }

    /// The same with `options` before those of the environment, by the same names: `("aws_region", "eu-west-1")`.
    ///
    /// # Errors
    /// As [`from_url`](Self::from_url), and when the store has no such option.
    pub fn from_url_with(url: &str, options: &[(&str, &str)]) -> Result<Self> {
        let wrong = |error| Error::Config(format!("checkpoints cannot be kept in {url}: {error}"));
        let (store, prefix) = url::open(url, options).map_err(wrong)?;
        let base = url.trim_end_matches('/');
        let base = base.strip_suffix(prefix.as_ref()).unwrap_or(base).to_owned();
        ObjectStoreCheckpoints::at(store, prefix, base)
    }

    /// Those below `prefix` in `store`: any store of the crate `object_store`, such as that of `hdfs-native-object-store`.
    ///
    /// # Errors
    /// When the prefix is no path, or the threads for the client cannot be had.
    pub fn new(store: Arc<dyn ObjectStore>, prefix: &str) -> Result<Self> {
        let path = Path::parse(prefix);
        let path = path.map_err(|e| Error::Config(format!("no prefix for checkpoints: {e}")))?;
        let base = format!("{store}/");
        ObjectStoreCheckpoints::at(store, path, base)
    }

    fn at(store: Arc<dyn ObjectStore>, prefix: Path, base: String) -> Result<Self> {
        let blocking = Blocking::new();
        let blocking = blocking.map_err(|e| Error::io(format!("starting a client for {base}{prefix}"), e))?;
        Ok(ObjectStoreCheckpoints(Arc::new(Place { store, prefix, base, blocking })))
    }
}

impl Place {
    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        self.blocking.wait(future)
    }

    /// An object's place, for people.
    pub(super) fn shown(&self, path: &Path) -> String {
        format!("{}{path}", self.base)
    }

    pub(super) fn trouble(&self, path: &Path, error: &StoreError) -> io::Error {
        trouble(&self.shown(path), error)
    }

    fn path(&self, name: &str) -> Path {
        self.prefix.clone().join(name)
    }

    /// Puts an object whole; `new`: if there is none.
    pub(super) fn put(&self, path: &Path, bytes: Vec<u8>, new: bool) -> io::Result<()> {
        let mode = if new { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, ..PutOptions::default() };
        let put = self.wait(self.store.put_opts(path, PutPayload::from(bytes), options));
        put.map(|_| ()).map_err(|error| self.trouble(path, &error))
    }

    fn get(&self, name: &str, options: GetOptions) -> io::Result<Vec<u8>> {
        let path = self.path(name);
        let bytes = self.wait(async { self.store.get_opts(&path, options).await?.bytes().await });
        Ok(bytes.map_err(|error| self.trouble(&path, &error))?.to_vec())
    }
}

impl CheckpointStore for ObjectStoreCheckpoints {
    fn location(&self) -> String {
        self.0.shown(&self.0.prefix)
    }

    fn list(&self) -> io::Result<Vec<String>> {
        let place = &self.0;
        let objects = place.wait(place.store.list(Some(&place.prefix)).try_collect::<Vec<_>>());
        let objects = objects.map_err(|error| place.trouble(&place.prefix, &error))?;
        let names = objects.iter().filter_map(|object| {
            let mut parts = object.location.prefix_match(&place.prefix)?;
            let name = parts.next()?.as_ref().to_owned();
            parts.next().is_none().then_some(name)
        });
        Ok(names.collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        self.0.get(name, GetOptions::default())
    }

    fn read_at(&self, name: &str, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if len == 0 {
            return Ok(Vec::new());
        }
        let range = Some(GetRange::Bounded(offset..offset + len as u64));
        self.0.get(name, GetOptions { range, ..GetOptions::default() })
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn CheckpointWriter>> {
        Ok(Box::new(Upload::new(Arc::clone(&self.0), self.0.path(name))))
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.put(&self.0.path(name), bytes.to_vec(), false)
    }

    fn put_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.0.put(&self.0.path(name), bytes.to_vec(), true)
    }

    fn delete(&self, name: &str) -> io::Result<()> {
        let path = self.0.path(name);
        match self.0.wait(self.0.store.delete(&path)) {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.0.trouble(&path, &error)),
        }
    }
}
