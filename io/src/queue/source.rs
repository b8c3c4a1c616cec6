use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream_engine::graph::{BatchInput, InputStream};
use millstream_engine::rdd::{Rdd, UnionAll};
use millstream_engine::{Error, Result, Time};

use super::RddQueue;

/// One RDD of the queue per batch, or all of them.
///
/// After a restart the program is expected to push the same RDDs again, in the same order: those of batches that need not be made
/// again are passed over.
pub(crate) struct QueueInput<R> {
    queue: RddQueue<R>,
    one_at_a_time: bool,
    /// What a batch is while the queue is empty.
    default: Option<R>,
    taken: Mutex<Taken>,
}

/// How many RDDs the batches have taken.
#[derive(Default)]
struct Taken {
    /// By batches that are forgotten, and by an earlier run of the program.
    before: usize,
    by_batch: BTreeMap<Time, usize>,
    /// Of those of an earlier run, so many have still to be passed over.
    to_pass: usize,
}

impl<R: Rdd> QueueInput<R> {
    pub(crate) fn new(queue: RddQueue<R>, one_at_a_time: bool, default: Option<R>) -> Self {
        QueueInput { queue, one_at_a_time, default, taken: Mutex::default() }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self, batch: &BatchInput<'_>, mut rdds: Vec<R>) -> Result<Option<UnionAll<R>>> {
        let taken = rdds.len();
        self.taken().by_batch.insert(batch.time(), taken);
        if rdds.is_empty() {
            rdds.extend(self.default.clone());
        }
        batch.report(0, 0, BTreeMap::from([("rdds".to_owned(), taken.to_string())]))?;
        Ok(Some(UnionAll::new(batch.executor().clone(), rdds)))
    }

    /// Passes over what is there of the RDDs of an earlier run.
    fn pass(&self) {
        let mut taken = self.taken();
        taken.to_pass -= self.queue.take(taken.to_pass).len();
    }
}

impl<R: Rdd> InputStream for QueueInput<R> {
    type Rdd = UnionAll<R>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<UnionAll<R>>> {
        self.pass();
        self.made(batch, self.queue.take(if self.one_at_a_time { 1 } else { usize::MAX }))
    }

    fn recompute(&self, batch: &BatchInput<'_>, claim: &[u8]) -> Result<Option<UnionAll<R>>> {
        self.pass();
        let wanted = number(claim)?;
        let rdds = self.queue.take(wanted);
        if self.taken().to_pass > 0 || rdds.len() < wanted {
            let reason = format!(
                "{} had {wanted} RDD(s) before the restart, and the queue has {}: push the same RDDs again before the start",
                batch.name(),
                rdds.len()
            );
            return Err(Error::Batch { time: batch.time(), reason });
        }
        self.made(batch, rdds)
    }

    fn claim(&self, time: Time) -> Result<Option<Vec<u8>>> {
        let taken = self.taken().by_batch.get(&time).copied().unwrap_or(0);
        Ok(Some(taken.to_le_bytes().to_vec()))
    }

    fn position(&self, time: Time) -> Result<Vec<u8>> {
        let taken = self.taken();
        let total = taken.before + taken.by_batch.range(..=time).map(|(_, taken)| taken).sum::<usize>();
        Ok(total.to_le_bytes().to_vec())
    }

    fn restore(&self, position: &[u8], _claims: &[(Time, Vec<u8>)]) -> Result<()> {
        let before = number(position)?;
        *self.taken() = Taken { before, by_batch: BTreeMap::new(), to_pass: before };
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.queue.is_finished()
    }

    fn completed(&self, time: Time) {
        let mut taken = self.taken();
        let later = taken.by_batch.split_off(&time);
        let earlier = std::mem::replace(&mut taken.by_batch, later);
        taken.before += earlier.values().sum::<usize>();
    }
}

fn number(bytes: &[u8]) -> Result<usize> {
    let bytes =
        bytes.try_into().map_err(|_| Error::Codec("the position of a queue is no number".to_owned()))?;
    Ok(usize::from_le_bytes(bytes))
}

/// The same RDD in every batch.
pub(crate) struct ConstantInput<R>(pub(crate) R);

impl<R: Rdd> InputStream for ConstantInput<R> {
    type Rdd = R;

    fn compute(&self, _batch: &BatchInput<'_>) -> Result<Option<R>> {
        Ok(Some(self.0.clone()))
    }
}
