use std::io;
use std::sync::Arc;

use ::object_store::path::Path;
use ::object_store::{MultipartUpload, ObjectStoreExt, PutPayload};
use millstream_engine::recovery::CheckpointWriter;

use super::checkpoints::Place;

/// The size of the parts. S3 takes none below 5 MiB but the last, and 10,000 of them.
pub(super) const PART_BYTES: usize = 8 << 20;

/// An object that comes in pieces: a small one is put whole, a large one in parts, of which nothing is seen before the end.
pub(super) struct Upload {
    place: Arc<Place>,
    path: Path,
    /// What is not sent yet.
    waiting: Vec<u8>,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub(super) fn new(place: Arc<Place>, path: Path) -> Self {
        Upload { place, path, waiting: Vec::new(), parts: None }
    }

    /// Sends a part; the first one begins the upload.
    fn send(&mut self, part: Vec<u8>) -> io::Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => {
                let begun = self.place.wait(self.place.store.put_multipart(&self.path));
                self.parts.insert(begun.map_err(|error| self.place.trouble(&self.path, &error))?)
            }
        };
        let sent = self.place.wait(async { parts.put_part(PutPayload::from(part)).await });
        sent.map_err(|error| self.place.trouble(&self.path, &error))
    }
}

impl CheckpointWriter for Upload {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.waiting.extend_from_slice(bytes);
        while self.waiting.len() >= PART_BYTES {
            let rest = self.waiting.split_off(PART_BYTES);
            let part = std::mem::replace(&mut self.waiting, rest);
            self.send(part)?;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let rest = std::mem::take(&mut self.waiting);
        if self.parts.is_none() {
            return self.place.put(&self.path, rest, false);
        }
        if !rest.is_empty() {
            self.send(rest)?;
        }
        if let Some(parts) = &mut self.parts {
            let completed = self.place.wait(async { parts.complete().await });
            completed.map_err(|error| self.place.trouble(&self.path, &error))?;
        }
        self.parts = None;
        Ok(())
    }
}

impl Drop for Upload {
    /// The parts of an upload that was given up would be stored, and paid for, for ever.
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        if let Err(error) = self.place.wait(async { parts.abort().await }) {
            tracing::warn!(
                object = %self.place.shown(&self.path), %error,
                "an upload that failed could not be aborted: its parts stay until the store removes them by a rule of its own"
            );
        }
    }
}
