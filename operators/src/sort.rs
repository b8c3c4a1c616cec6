use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Stage, Task};
use millstream_engine::rdd::{Data, Flow, Rdd};
use millstream_engine::shuffle::Shuffle;

/// A record with the place where it stood: partition and number in it. Equal records are sorted by it, so that the sort is
/// stable although the records meet in the order in which the workers come.
pub(crate) type Placed<T> = (T, (usize, usize));

/// Tells every record its place; what [`Sort`] reads.
#[derive(Clone)]
pub(crate) struct Places<R> {
    parent: R,
}

impl<R> Places<R> {
    pub(crate) fn new(parent: R) -> Self {
        Places { parent }
    }
}

impl<R: Rdd> Rdd for Places<R> {
    type Item = Placed<R::Item>;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        let mut next = 0;
        self.parent.compute(partition, task, |item| {
            next += 1;
            sink((item, (partition, next - 1)))
        })
    }
}

/// All records in the order of `compare`, through all partitions: `sort_by`, `sort_by_key`.
///
/// Every worker's records are sorted; splitters are chosen from a sample of them; every partition merges its share of each
/// worker's run. Equal records stay in one partition.
pub(crate) struct Sort<C> {
    name: &'static str,
    partitions: usize,
    compare: C,
}

/// Records per worker and partition that are looked at to find the splitters.
const SAMPLES: usize = 32;

impl<C> Sort<C> {
    pub(crate) fn new(name: &'static str, executor: &Executor, partitions: usize, compare: C) -> Self {
        let partitions = if partitions == 0 { executor.default_parallelism() } else { partitions };
        Sort { name, partitions, compare }
    }

    /// Sorts every list in a task of its own. A comparison that panics leaves all records in their list, so the task can be
    /// tried again.
    fn sort_each<T>(
        &self,
        lists: Vec<Vec<Placed<T>>>,
        executor: &Executor,
        job: &Job,
    ) -> Result<Vec<Vec<Placed<T>>>>
    where
        T: Data,
        C: Fn(&T, &T) -> Ordering + Sync,
    {
        let weight = lists.iter().map(Vec::len).sum::<usize>() * size_of::<Placed<T>>();
        let lists: Vec<_> = lists.into_iter().map(Mutex::new).collect();
        let stage = Stage { name: self.name, partitions: lists.len(), weight };
        executor.run(job, stage, |task| {
            let mut list = lists[task.partition()].lock().unwrap_or_else(PoisonError::into_inner);
            list.sort_by(|a, b| (self.compare)(&a.0, &b.0).then(a.1.cmp(&b.1)));
            std::mem::take(&mut *list)
        })
    }

    /// Where each sorted run is cut, so that the parts between the same two cuts of all runs belong to one partition.
    fn cuts<T>(&self, runs: &[Vec<Placed<T>>]) -> Vec<Vec<usize>>
    where
        C: Fn(&T, &T) -> Ordering,
    {
        let records: usize = runs.iter().map(Vec::len).sum();
        let step = (records / (SAMPLES * self.partitions)).max(1);
        let mut sample: Vec<&T> =
            runs.iter().flat_map(|run| run.iter().step_by(step)).map(|placed| &placed.0).collect();
        sample.sort_by(|a, b| (self.compare)(a, b));
        let splitters: Vec<&T> = (1..self.partitions)
            .filter_map(|partition| {
                sample.get((sample.len() * partition / self.partitions).max(1) - 1).copied()
            })
            .collect();
        let cut = |run: &Vec<Placed<T>>, splitter: &T| {
            run.partition_point(|placed| (self.compare)(&placed.0, splitter) != Ordering::Greater)
        };
        runs.iter().map(|run| splitters.iter().map(|splitter| cut(run, splitter)).collect()).collect()
    }
}

impl<T: Data, C: Fn(&T, &T) -> Ordering + Send + Sync + 'static> Shuffle<Placed<T>> for Sort<C> {
    type Local = Vec<Placed<T>>;
    type Out = T;

    fn name(&self) -> &'static str {
        self.name
    }

    fn partitions(&self) -> usize {
        self.partitions
    }

    fn local(&self) -> Vec<Placed<T>> {
        Vec::new()
    }

    #[inline]
    fn add(&self, local: &mut Vec<Placed<T>>, item: Placed<T>) {
        local.push(item);
    }

    fn merge(&self, locals: Vec<Vec<Placed<T>>>, executor: &Executor, job: &Job) -> Result<Vec<Vec<T>>> {
        let runs = self.sort_each(locals, executor, job)?;
        let cuts = executor.run_partition(job, self.name, 0, |_| self.cuts(&runs))?;
        let shares = share_out(runs, &cuts, self.partitions);
        let sorted = self.sort_each(shares, executor, job)?;
        Ok(sorted.into_iter().map(|part| part.into_iter().map(|placed| placed.0).collect()).collect())
    }
}

/// The order of the keys of pairs, turned round unless `ascending`.
pub(crate) fn by_key<K: Ord + 'static, V: 'static>(
    ascending: bool,
) -> impl Fn(&(K, V), &(K, V)) -> Ordering + Send + Sync + 'static {
    move |a, b| if ascending { a.0.cmp(&b.0) } else { b.0.cmp(&a.0) }
}

/// Gives every partition its part of each run.
fn share_out<P>(runs: Vec<Vec<P>>, cuts: &[Vec<usize>], partitions: usize) -> Vec<Vec<P>> {
    let mut shares: Vec<Vec<P>> = (0..partitions).map(|_| Vec::new()).collect();
    for (mut run, cuts) in runs.into_iter().zip(cuts) {
        for (partition, &cut) in cuts.iter().enumerate().rev() {
            shares[partition + 1].append(&mut run.split_off(cut));
        }
        shares[0].append(&mut run);
    }
    shares
}

#[cfg(test)]
mod tests {
    use crate::testing::rdd;
    use crate::{Actions, PairRddOps, RddOps};

    #[test]
    fn equal_keys_stay_in_order_and_together() {
        let pairs: Vec<(u32, u32)> = (0..1_000).map(|i| (i * 7 % 5, i)).collect();
        let sorted = rdd(pairs.clone(), 6).sort_by_key_in(3, true);
        let mut expected = pairs;
        expected.sort_by_key(|pair| pair.0);
        assert_eq!(sorted.collect().unwrap(), expected);
        let parts = sorted.glom().collect().unwrap();
        assert_eq!(parts.len(), 3);
        let keys = parts
            .iter()
            .map(|part| part.iter().map(|pair| pair.0).collect::<std::collections::BTreeSet<_>>());
        assert_eq!(keys.map(|keys| keys.len()).sum::<usize>(), 5, "no key is in two partitions");
    }

    #[test]
    fn partitions_are_of_similar_size() {
        let parts = rdd((0..10_000u32).map(|i| i.wrapping_mul(2_654_435_761)), 4).sort_by_in(4, Ord::cmp);
        for part in parts.glom().collect().unwrap() {
            assert!((2_000..3_000).contains(&part.len()), "{}", part.len());
        }
    }
}
