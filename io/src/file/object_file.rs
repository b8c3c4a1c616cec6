use std::fs::{self, File};
use std::io::{self, BufReader, ErrorKind, Read};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Data, Flow, Rdd};
use millstream_engine::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What an object file begins with: the format and its version.
pub(crate) const OBJECT_HEADER: &[u8] = b"MSO1";

const LENGTH_BYTES: usize = size_of::<u32>();

/// The records of a folder that `save_as_object_files` has written, one partition per part file.
///
/// An object file is `MSO1`, then each record: four bytes of length, the lowest first, and its postcard encoding.
pub struct ObjectFiles<T> {
    executor: Executor,
    parts: Arc<[(PathBuf, u64)]>,
    records: PhantomData<fn() -> T>,
}

impl<T: Data + DeserializeOwned> ObjectFiles<T> {
    /// The records of the folder at `path`.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(executor: &Executor, path: &Path) -> Result<Self> {
        let parts = parts_of(path)
            .map_err(|e| Error::io(format!("reading the folder of object files {}", path.display()), e))?;
        Ok(ObjectFiles { executor: executor.clone(), parts: parts.into(), records: PhantomData })
    }
}

fn parts_of(folder: &Path) -> io::Result<Vec<(PathBuf, u64)>> {
    let mut parts = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(b"part-") {
            parts.push((entry.path(), entry.metadata()?.len()));
        }
    }
    parts.sort();
    Ok(parts)
}

/// Appends a record to `bytes` as it stands in an object file.
pub(crate) fn encode<T: Serialize>(item: &T, bytes: &mut Vec<u8>) -> io::Result<()> {
    let what = std::any::type_name::<T>();
    let start = bytes.len();
    bytes.extend_from_slice(&[0; LENGTH_BYTES]);
    *bytes = postcard::to_extend(item, std::mem::take(bytes))
        .map_err(|e| io::Error::other(format!("a record of type {what} cannot be encoded: {e}")))?;
    let length = u32::try_from(bytes.len() - start - LENGTH_BYTES)
        .map_err(|_| io::Error::other(format!("a record of type {what} is longer than 4 GiB")))?;
    bytes[start..start + LENGTH_BYTES].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

fn read<T: DeserializeOwned>(path: &Path, sink: &mut impl FnMut(T) -> Flow) -> io::Result<Flow> {
    let mut file = BufReader::with_capacity(128 << 10, File::open(path)?);
    let mut header = [0; OBJECT_HEADER.len()];
    file.read_exact(&mut header)?;
    if header != OBJECT_HEADER {
        return Err(invalid("it is no object file of this version"));
    }
    let mut record = Vec::new();
    while let Some(length) = next_length(&mut file)? {
        record.clear();
        if (&mut file).take(u64::from(length)).read_to_end(&mut record)? != length as usize {
            return Err(invalid("it ends inside a record"));
        }
        let item = match postcard::take_from_bytes(&record) {
            Ok((item, [])) => item,
            Ok(_) => return Err(invalid("a record is longer than its type")),
            Err(error) => return Err(invalid(&format!("a record is not of the type: {error}"))),
        };
        if sink(item).is_break() {
            return Ok(Flow::Break(()));
        }
    }
    Ok(Flow::Continue(()))
}

/// The length of the next record; `None` at the end of the file.
fn next_length(file: &mut impl Read) -> io::Result<Option<u32>> {
    let mut length = Vec::with_capacity(LENGTH_BYTES);
    match file.take(LENGTH_BYTES as u64).read_to_end(&mut length)? {
        0 => Ok(None),
        LENGTH_BYTES => Ok(Some(length.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))),
        _ => Err(invalid("it ends inside a length")),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

impl<T> Clone for ObjectFiles<T> {
    fn clone(&self) -> Self {
        ObjectFiles { executor: self.executor.clone(), parts: Arc::clone(&self.parts), records: PhantomData }
    }
}

impl<T: Data + DeserializeOwned> Rdd for ObjectFiles<T> {
    type Item = T;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        self.parts.len()
    }

    fn weight(&self) -> usize {
        self.parts.iter().map(|(_, bytes)| *bytes as usize).sum()
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(T) -> Flow) -> Flow {
        let path = &self.parts[partition].0;
        read(path, &mut sink).unwrap_or_else(|error| {
            let what = std::any::type_name::<T>();
            task.fail(format!("reading {} for records of type {what}: {error}", path.display()))
        })
    }
}
