use millstream_engine::Result;
use millstream_engine::job::{Job, Stage, Task};
use millstream_engine::rdd::{Flow, Memo, Rdd};

/// Every record with its number, in the order of the partitions: [`zip_with_index`](crate::RddOps::zip_with_index).
///
/// When there is more than one partition, all but the last are computed once more beforehand, to be counted.
pub struct ZipWithIndex<R> {
    parent: R,
    /// The number of the first record of each partition.
    starts: Memo<Vec<u64>>,
}

impl<R: Rdd> ZipWithIndex<R> {
    pub(crate) fn new(parent: R) -> Self {
        ZipWithIndex { parent, starts: Memo::default() }
    }

    fn starts(&self, job: &Job) -> Result<Vec<u64>> {
        let counted = self.parent.num_partitions().saturating_sub(1);
        let stage = Stage { name: "zip_with_index", partitions: counted, weight: self.parent.weight() };
        let counts = self.parent.executor().run(job, stage, |task| {
            let mut count = 0;
            let _ = self.parent.compute(task.partition(), task, |_| {
                count += 1;
                Flow::Continue(())
            });
            count
        })?;
        let sums = counts.into_iter().scan(0, |sum, count: u64| {
            *sum += count;
            Some(*sum)
        });
        Ok(std::iter::once(0).chain(sums).collect())
    }
}

impl<R: Clone> Clone for ZipWithIndex<R> {
    fn clone(&self) -> Self {
        ZipWithIndex { parent: self.parent.clone(), starts: self.starts.clone() }
    }
}

impl<R: Rdd> Rdd for ZipWithIndex<R> {
    type Item = (R::Item, u64);

    narrow!(partitions of parent);

    fn prepare(&self, job: &Job) -> Result<()> {
        self.parent.prepare(job)?;
        self.starts.fill(|| self.starts(job))
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        let Some(starts) = self.starts.get() else {
            return task.fail("zip_with_index was read before it was prepared");
        };
        let mut next = starts[partition];
        self.parent.compute(partition, task, |item| {
            next += 1;
            sink((item, next - 1))
        })
    }
}
