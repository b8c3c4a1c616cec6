use std::cmp::Ordering;
use std::sync::{Mutex, PoisonError};

use millstream_engine::Result;
use millstream_engine::job::{Executor, Job, Stage};
use millstream_engine::rdd::Data;
use millstream_engine::shuffle::Shuffle;

/// The first `n` records in the order of `compare`, in one partition: `top`, `take_ordered`.
///
/// A worker holds at most `2 * n` records.
pub(crate) struct Top<C> {
    name: &'static str,
    n: usize,
    compare: C,
}

impl<C> Top<C> {
    pub(crate) fn new(name: &'static str, n: usize, compare: C) -> Self {
        Top { name, n, compare }
    }

    /// Leaves the first `n` of `records`, in no order.
    fn cut<T>(&self, records: &mut Vec<T>)
    where
        C: Fn(&T, &T) -> Ordering,
    {
        if records.len() > self.n {
            records.select_nth_unstable_by(self.n, &self.compare);
            records.truncate(self.n);
        }
    }
}

impl<T: Data, C: Fn(&T, &T) -> Ordering + Send + Sync + 'static> Shuffle<T> for Top<C> {
    type Local = Vec<T>;
    type Out = T;

    fn name(&self) -> &'static str {
        self.name
    }

    fn partitions(&self) -> usize {
        1
    }

    fn local(&self) -> Vec<T> {
        Vec::new()
    }

    #[inline]
    fn add(&self, local: &mut Vec<T>, item: T) {
        if self.n > 0 {
            local.push(item);
            if local.len() >= self.n.saturating_mul(2) {
                self.cut(local);
            }
        }
    }

    fn merge(&self, locals: Vec<Vec<T>>, executor: &Executor, job: &Job) -> Result<Vec<Vec<T>>> {
        let records = Mutex::new(locals.into_iter().flatten().collect::<Vec<T>>());
        let stage = Stage { name: self.name, partitions: 1, weight: 0 };
        executor.run(job, stage, |_| {
            let mut records = records.lock().unwrap_or_else(PoisonError::into_inner);
            self.cut(&mut records);
            records.sort_by(&self.compare);
            std::mem::take(&mut *records)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::rdd;
    use crate::{Actions, RddOps};

    #[test]
    fn the_largest_in_descending_order() {
        let numbers = rdd([3, 1, 4, 1, 5, 9, 2, 6], 3);
        assert_eq!(numbers.top(3).unwrap(), [9, 6, 5]);
        assert_eq!(numbers.take_ordered(3).unwrap(), [1, 1, 2]);
        assert_eq!(numbers.top(0).unwrap(), []);
        assert_eq!(numbers.top(usize::MAX).unwrap().len(), 8);
        assert_eq!(numbers.clone().filter(|_| false).top(2).unwrap(), []);
    }
}
