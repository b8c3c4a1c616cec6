use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::observe::StreamInputInfo;
use crate::{Error, Result, Time};

/// How much each input stream brought to each batch, until the batch is complete.
#[derive(Debug, Default)]
pub struct InputInfoTracker {
    batches: Mutex<BTreeMap<Time, BTreeMap<usize, StreamInputInfo>>>,
}

impl InputInfoTracker {
    fn batches(&self) -> MutexGuard<'_, BTreeMap<Time, BTreeMap<usize, StreamInputInfo>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a stream brought to the batch at `time`.
    ///
    /// # Errors
    /// When that was noted before.
    pub fn report(&self, time: Time, info: StreamInputInfo) -> Result<()> {
        let stream = info.input_stream_id;
        match self.batches().entry(time).or_default().entry(stream) {
            Entry::Vacant(place) => {
                place.insert(info);
                Ok(())
            }
            Entry::Occupied(_) => Err(Error::State(format!(
                "Input stream {stream} for batch {time} has been added into InputInfoTracker, this is an illegal state"
            ))),
        }
    }

    /// Takes back what a stream reported for a batch that it could not make after all.
    pub(crate) fn take_back(&self, time: Time, stream: usize) {
        if let Some(streams) = self.batches().get_mut(&time) {
            streams.remove(&stream);
        }
    }

    /// What was noted for the batch at `time`.
    pub fn info(&self, time: Time) -> BTreeMap<usize, StreamInputInfo> {
        self.batches().get(&time).cloned().unwrap_or_default()
    }

    /// Forgets the batches before `threshold`.
    pub fn cleanup(&self, threshold: Time) {
        let mut batches = self.batches();
        *batches = batches.split_off(&threshold);
    }
}
