use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Task};
use millstream_engine::rdd::{Flow, Rdd};

/// The partitions of two RDDs of the same records, one after the other: [`union`](crate::RddOps::union).
#[derive(Clone)]
pub struct Union<A, B> {
    first: A,
    second: B,
}

impl<A, B> Union<A, B> {
    pub(crate) fn new(first: A, second: B) -> Self {
        Union { first, second }
    }
}

impl<A: Rdd, B: Rdd<Item = A::Item>> Rdd for Union<A, B> {
    type Item = A::Item;

    fn executor(&self) -> &Executor {
        self.first.executor()
    }

    fn num_partitions(&self) -> usize {
        self.first.num_partitions() + self.second.num_partitions()
    }

    fn weight(&self) -> usize {
        self.first.weight().saturating_add(self.second.weight())
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.first.prepare(job)?;
        self.second.prepare(job)
    }

    #[inline]
    fn compute(&self, partition: usize, task: &Task, sink: impl FnMut(A::Item) -> Flow) -> Flow {
        match partition.checked_sub(self.first.num_partitions()) {
            None => self.first.compute(partition, task, sink),
            Some(partition) => self.second.compute(partition, task, sink),
        }
    }
}
