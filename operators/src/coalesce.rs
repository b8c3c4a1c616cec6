use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Flow, Rdd};

/// Fewer partitions, each made of neighbours, without moving a record: [`coalesce`](crate::RddOps::coalesce).
#[derive(Clone)]
pub struct Coalesce<R> {
    parent: R,
    partitions: usize,
}

impl<R: Rdd> Coalesce<R> {
    pub(crate) fn new(parent: R, partitions: usize) -> Self {
        let partitions = partitions.max(1).min(parent.num_partitions());
        Coalesce { parent, partitions }
    }

    /// The first of the parent's partitions that belongs to `partition`.
    fn first(&self, partition: usize) -> usize {
        self.parent.num_partitions() * partition / self.partitions
    }
}

impl<R: Rdd> Rdd for Coalesce<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        self.parent.executor()
    }

    fn num_partitions(&self) -> usize {
        self.partitions
    }

    fn weight(&self) -> usize {
        self.parent.weight()
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.parent.prepare(job)
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        (self.first(partition)..self.first(partition + 1))
            .try_for_each(|part| self.parent.compute(part, task, &mut sink))
    }
}
