use super::manifest::UnitEntry;
use super::store::{CheckpointStore, CheckpointWriter};
use crate::{Error, Result};

/// How much is collected before it is written.
const WRITE_BYTES: usize = 1 << 20;

/// The object that takes the units of one checkpoint; there is none before the first unit.
pub(super) struct DataObject<'a> {
    store: &'a dyn CheckpointStore,
    name: String,
    generation: u64,
    writer: Option<Box<dyn CheckpointWriter>>,
    /// What is not written yet.
    waiting: Vec<u8>,
    written: u64,
    units: usize,
}

impl<'a> DataObject<'a> {
    pub(super) fn new(store: &'a dyn CheckpointStore, name: String, generation: u64) -> Self {
        DataObject { store, name, generation, writer: None, waiting: Vec::new(), written: 0, units: 0 }
    }

    pub(super) fn append(
        &mut self,
        id: u64,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<()>,
    ) -> Result<UnitEntry> {
        let begin = self.waiting.len();
        encode(&mut self.waiting)?;
        let content = &self.waiting[begin..];
        let len = u32::try_from(content.len()).map_err(|_| {
            Error::Recovery(format!(
                "part {id} of an operator takes {} bytes, more than 4 GiB",
                content.len()
            ))
        })?;
        let entry = UnitEntry {
            id,
            file: self.generation,
            offset: self.written + begin as u64,
            len,
            crc: crc32c::crc32c(content),
        };
        self.units += 1;
        if self.waiting.len() >= WRITE_BYTES {
            self.flush()?;
        }
        Ok(entry)
    }

    fn flush(&mut self) -> Result<()> {
        let (store, name) = (self.store, &self.name);
        let failed = |e| Error::io(format!("writing the checkpoint's data {}/{name}", store.location()), e);
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(store.create(name).map_err(failed)?),
        };
        writer.append(&self.waiting).map_err(failed)?;
        self.written += self.waiting.len() as u64;
        self.waiting.clear();
        Ok(())
    }

    /// Makes it durable; the bytes and units in it.
    pub(super) fn finish(mut self) -> Result<(u64, usize)> {
        if !self.waiting.is_empty() || self.units > 0 {
            self.flush()?;
        }
        if let Some(writer) = self.writer {
            let (place, name) = (self.store.location(), self.name);
            let failed = |e| Error::io(format!("syncing the checkpoint's data {place}/{name}"), e);
            writer.finish().map_err(failed)?;
        }
        Ok((self.written, self.units))
    }
}
