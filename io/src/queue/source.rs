use std::collections::BTreeMap;
use std::ops::{Bound, Range};
use std::sync::{Mutex, MutexGuard, PoisonError};

use millstream_engine::graph::{BatchInput, InputStream};
use millstream_engine::rdd::{Rdd, UnionAll};
use millstream_engine::{Error, Result, Time};

use super::RddQueue;

/// One RDD of the queue per batch, or all of them.
///
/// After a restart the program is expected to push the same RDDs again, in the same order: those that batches had are passed over, and
/// given to those of the batches that are made again.
pub(crate) struct QueueInput<R> {
    queue: RddQueue<R>,
    one_at_a_time: bool,
    /// What a batch is while the queue is empty.
    default: Option<R>,
    taken: Mutex<Taken<R>>,
}

/// Which RDDs the batches have taken, by their numbers: they are counted from the first one that the program pushed in its first run.
struct Taken<R> {
    by_batch: BTreeMap<Time, Range<u64>>,
    /// The first one that no batch has.
    next: u64,
    /// So many were taken in earlier runs.
    earlier: u64,
    /// Of these, the ones that were pushed again: batches that were made before the checkpoint may be asked for, too, by windows.
    passed: Vec<R>,
}

impl<R: Rdd> QueueInput<R> {
    pub(crate) fn new(queue: RddQueue<R>, one_at_a_time: bool, default: Option<R>) -> Self {
        let taken = Taken { by_batch: BTreeMap::new(), next: 0, earlier: 0, passed: Vec::new() };
        QueueInput { queue, one_at_a_time, default, taken: Mutex::new(taken) }
    }

    fn taken(&self) -> MutexGuard<'_, Taken<R>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self, batch: &BatchInput<'_>, mut rdds: Vec<R>) -> Result<Option<UnionAll<R>>> {
        let taken = rdds.len();
        if rdds.is_empty() {
            rdds.extend(self.default.clone());
        }
        batch.report(0, 0, BTreeMap::from([("rdds".to_owned(), taken.to_string())]))?;
        Ok(Some(UnionAll::new(batch.executor().clone(), rdds)))
    }

    /// Passes over what is there of the RDDs that earlier runs have taken.
    fn pass(&self, taken: &mut Taken<R>) {
        let missing = taken.earlier - taken.passed.len() as u64;
        taken.passed.extend(self.queue.take(missing as usize));
    }
}

impl<R: Rdd> InputStream for QueueInput<R> {
    type Rdd = UnionAll<R>;

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<UnionAll<R>>> {
        let rdds = {
            let mut taken = self.taken();
            self.pass(&mut taken);
            let rdds = self.queue.take(if self.one_at_a_time { 1 } else { usize::MAX });
            let range = taken.next..taken.next + rdds.len() as u64;
            taken.next = range.end;
            taken.by_batch.insert(batch.time(), range);
            rdds
        };
        self.made(batch, rdds)
    }

    fn recompute(&self, batch: &BatchInput<'_>, claim: &[u8]) -> Result<Option<UnionAll<R>>> {
        let wanted = range(claim)?;
        let rdds = {
            let mut taken = self.taken();
            self.pass(&mut taken);
            let Some(rdds) = taken.passed.get(wanted.start as usize..wanted.end as usize) else {
                let reason = format!(
                    "{} had the RDDs up to the {}-th before the restart, and there are {}: push the same RDDs again before the start",
                    batch.name(),
                    wanted.end,
                    taken.passed.len()
                );
                return Err(Error::Batch { time: batch.time(), reason });
            };
            rdds.to_vec()
        };
        self.made(batch, rdds)
    }

    fn claim(&self, time: Time) -> Result<Option<Vec<u8>>> {
        let taken = self.taken();
        let Range { start, end } = taken.by_batch.get(&time).cloned().unwrap_or(taken.next..taken.next);
        Ok(Some([start.to_le_bytes(), end.to_le_bytes()].concat()))
    }

    fn position(&self, time: Time) -> Result<Vec<u8>> {
        let taken = self.taken();
        let later = taken.by_batch.range((Bound::Excluded(time), Bound::Unbounded)).next();
        Ok(later.map_or(taken.next, |(_, range)| range.start).to_le_bytes().to_vec())
    }

    fn restore(&self, position: &[u8], claims: &[(Time, Vec<u8>)]) -> Result<()> {
        let claims = claims.iter().map(|(time, claim)| Ok((*time, range(claim)?)));
        let by_batch = claims.collect::<Result<BTreeMap<_, _>>>()?;
        let next = by_batch.values().map(|range| range.end).fold(number(position)?, u64::max);
        *self.taken() = Taken { by_batch, next, earlier: next, passed: Vec::new() };
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.queue.is_finished()
    }

    fn completed(&self, time: Time) {
        let mut taken = self.taken();
        taken.by_batch = taken.by_batch.split_off(&time);
    }
}

fn range(claim: &[u8]) -> Result<Range<u64>> {
    let (start, end) = claim.split_at(claim.len() / 2);
    Ok(number(start)?..number(end)?)
}

fn number(bytes: &[u8]) -> Result<u64> {
    let bytes =
        bytes.try_into().map_err(|_| Error::Codec("the position of a queue is no number".to_owned()))?;
    Ok(u64::from_le_bytes(bytes))
}

/// The same RDD in every batch.
pub(crate) struct ConstantInput<R>(pub(crate) R);

impl<R: Rdd> InputStream for ConstantInput<R> {
    type Rdd = R;

    fn compute(&self, _batch: &BatchInput<'_>) -> Result<Option<R>> {
        Ok(Some(self.0.clone()))
    }
}
