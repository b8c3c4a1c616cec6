//! stand-in
use crate::fs::{Fs, FsFile};
use crate::{Error, Result};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
pub(crate) type Part = Box<dyn AsRef<[u8]> + Send + Sync>;
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordId(u64);
impl From<u64> for RecordId {
    fn from(n: u64) -> Self {
        RecordId(n)
    }
}
impl From<RecordId> for u64 {
    fn from(n: RecordId) -> Self {
        n.0
    }
}
#[derive(Clone, Debug, Default)]
pub(crate) struct LogOptions {
    pub segment_bytes: usize,
    pub max_bytes: usize,
    pub compress: bool,
    pub skip_damage: bool,
}
pub(crate) struct Record<'a> {
    pub id: RecordId,
    pub kind: u8,
    pub payload: &'a [u8],
}
pub(crate) struct Log {
    inner: Mutex<Inner>,
}
struct Inner {
    records: Vec<Vec<u8>>,
    file: Box<dyn FsFile>,
}
impl Log {
    pub(crate) fn open(
        fs: Arc<dyn Fs>,
        dir: &Path,
        _o: LogOptions,
        mut visit: impl FnMut(Record<'_>) -> Result<()>,
    ) -> Result<Log> {
        let e = |e| Error::io("log", e);
        fs.create_dir_all(dir).map_err(e)?;
        let path: PathBuf = dir.join("wal-0.log");
        let mut records = Vec::new();
        let file = if fs.exists(&path).map_err(e)? {
            let bytes = fs.read(&path).map_err(e)?;
            let mut at = 0;
            while at + 5 <= bytes.len() {
                let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
                if at + 5 + len > bytes.len() {
                    break;
                }
                visit(Record {
                    id: RecordId(records.len() as u64),
                    kind: bytes[at + 4],
                    payload: &bytes[at + 5..at + 5 + len],
                })?;
                records.push(bytes[at + 5..at + 5 + len].to_vec());
                at += 5 + len;
            }
            fs.open_append(&path).map_err(e)?
        } else {
            let f = fs.create(&path).map_err(e)?;
            fs.sync_dir(dir).map_err(e)?;
            f
        };
        Ok(Log { inner: Mutex::new(Inner { records, file }) })
    }
    pub(crate) fn append(&self, kind: u8, parts: Vec<Part>) -> Result<RecordId> {
        let e = |e| Error::io("log", e);
        let payload: Vec<u8> = parts.iter().flat_map(|p| (**p).as_ref().to_vec()).collect();
        let mut i = self.inner.lock().unwrap();
        let mut b = (payload.len() as u32).to_le_bytes().to_vec();
        b.push(kind);
        b.extend(&payload);
        i.file.write_all(&b).map_err(e)?;
        i.file.sync().map_err(e)?;
        i.records.push(payload);
        Ok(RecordId(i.records.len() as u64 - 1))
    }
    pub(crate) fn wait(&self, _id: RecordId) -> Result<()> {
        Ok(())
    }
    pub(crate) fn read(&self, id: RecordId) -> Result<Vec<u8>> {
        Ok(self.inner.lock().unwrap().records[id.0 as usize].clone())
    }
    pub(crate) fn release(&self, _before: RecordId) -> Result<()> {
        Ok(())
    }
    pub(crate) fn close(&self) -> Result<()> {
        Ok(())
    }
}
