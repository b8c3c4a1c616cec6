use std::cmp::Ordering;
use std::iter::Sum;
use std::vec::IntoIter;

use millstream_engine::job::Job;
use millstream_engine::rdd::{Data, Flow, Rdd};
use millstream_engine::shuffle::Wide;
use millstream_engine::{BoxError, Result};

use crate::Number;
use crate::fold::join;
use crate::run::{merge, run, stage, take_from};
use crate::top::Top;

/// What makes an RDD run.
///
/// Inside an output operation an action is part of its job; elsewhere it is a job of its own.
///
/// # Errors
/// Every action fails when a task failed as often as `task.max_failures` allows, or when the context is being stopped.
pub trait Actions: Rdd {
    /// All records, in the order of their partitions.
    ///
    /// # Errors
    /// See [`Actions`].
    fn collect(&self) -> Result<Vec<Self::Item>> {
        let mut parts = run(self, "collect", |records: &mut Vec<_>, item| records.push(item))?;
        if parts.len() == 1 {
            return Ok(parts.swap_remove(0));
        }
        let mut all = Vec::with_capacity(parts.iter().map(Vec::len).sum());
        parts.iter_mut().for_each(|part| all.append(part));
        Ok(all)
    }

    /// The number of records.
    ///
    /// # Errors
    /// See [`Actions`].
    fn count(&self) -> Result<u64> {
        Ok(run(self, "count", |n: &mut u64, _| *n += 1)?.into_iter().sum())
    }

    /// The first `n` records. Partitions are computed one after the other, on this thread, and only as far as they are needed.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.take(2)?, [1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn take(&self, n: usize) -> Result<Vec<Self::Item>> {
        if n == 0 {
            return Ok(Vec::new());
        }
        let job = Job::current();
        self.prepare(&job)?;
        let mut records = Vec::new();
        for partition in 0..self.num_partitions() {
            records.append(&mut take_from(self, &job, partition, n - records.len())?);
            if records.len() == n {
                break;
            }
        }
        Ok(records)
    }

    /// The first record, computing no more than that; `None` when there are none.
    ///
    /// # Errors
    /// See [`Actions`].
    fn first(&self) -> Result<Option<Self::Item>> {
        Ok(self.take(1)?.pop())
    }

    /// True when there are no records; computes at most one.
    ///
    /// # Errors
    /// See [`Actions`].
    fn is_empty(&self) -> Result<bool> {
        Ok(self.first()?.is_none())
    }

    /// All records brought together by `f`, which must be associative and commutative; `None` when there are none.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.reduce(|a, b| a + b)?, Some(6));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn reduce(&self, f: impl Fn(Self::Item, Self::Item) -> Self::Item + Sync) -> Result<Option<Self::Item>> {
        let add = |all: &mut Option<_>, item| *all = join(all.take(), Some(item), &f);
        merge(self, "reduce", run(self, "reduce", add)?, &f)
    }

    /// All records brought together by `f`, beginning with `zero`, which must be neutral: every partition begins with it, and so
    /// does the merge of the partitions.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2, 3], 2);
    /// assert_eq!(rdd.fold(0, |a, b| a + b)?, 6);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn fold(
        &self,
        zero: Self::Item,
        f: impl Fn(Self::Item, Self::Item) -> Self::Item + Sync,
    ) -> Result<Self::Item> {
        self.aggregate(zero, &f, &f)
    }

    /// All records taken in by `add`, beginning with a neutral `zero` in each partition; `join` brings the partitions together.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec!["a", "bcd"], 2);
    /// assert_eq!(rdd.aggregate(0, |n, s| n + s.len(), |a, b| a + b)?, 4);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn aggregate<A: Data>(
        &self,
        zero: A,
        add: impl Fn(A, Self::Item) -> A + Sync,
        join: impl Fn(A, A) -> A + Sync,
    ) -> Result<A> {
        let add = |all: &mut Option<A>, item| {
            *all = Some(add(all.take().unwrap_or_else(|| zero.clone()), item));
        };
        let mut parts = vec![Some(zero.clone())];
        parts.append(&mut run(self, "aggregate", add)?);
        Ok(merge(self, "aggregate", parts, join)?.unwrap_or(zero))
    }

    /// Calls `f` with every record, in parallel.
    ///
    /// # Errors
    /// See [`Actions`].
    fn foreach(&self, f: impl Fn(Self::Item) + Sync) -> Result<()> {
        run(self, "foreach", |(): &mut (), item| f(item)).map(drop)
    }

    /// Calls `f` with the number and the records of every partition, in parallel. The records of a partition are held in memory
    /// meanwhile. When `f` fails it is called again, up to `task.max_failures` times in all.
    ///
    /// # Errors
    /// See [`Actions`]; also when `f` fails for good.
    fn foreach_partition(
        &self,
        f: impl Fn(usize, IntoIter<Self::Item>) -> Result<(), BoxError> + Sync,
    ) -> Result<()> {
        let job = Job::current();
        self.prepare(&job)?;
        self.executor().run(&job, stage(self, "foreach_partition"), |task| {
            let mut records = Vec::new();
            let flow = self.compute(task.partition(), task, |item| {
                records.push(item);
                Flow::Continue(())
            });
            if flow.is_continue()
                && let Err(error) = f(task.partition(), records.into_iter())
            {
                let _ = task.fail(error.to_string());
            }
        })?;
        Ok(())
    }

    /// The sum of all records: of each partition in order, then of the partitions in order.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1.5, 2.5], 2);
    /// assert_eq!(rdd.sum()?, 4.0);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn sum(&self) -> Result<Self::Item>
    where
        Self::Item: Sum,
    {
        let plus = |a: Self::Item, b: Self::Item| [a, b].into_iter().sum();
        let add = |all: &mut Option<Self::Item>, item| *all = join(all.take(), Some(item), plus);
        let sum = merge(self, "sum", run(self, "sum", add)?, plus)?;
        Ok(sum.unwrap_or_else(|| std::iter::empty().sum()))
    }

    /// The mean of all records; `None` when there are none.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![1, 2], 2);
    /// assert_eq!(rdd.mean()?, Some(1.5));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn mean(&self) -> Result<Option<f64>>
    where
        Self::Item: Number,
    {
        let parts = run(self, "mean", |(sum, count): &mut (f64, u64), item| {
            *sum += item.as_f64();
            *count += 1;
        })?;
        let (sum, count) = parts.into_iter().fold((0.0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        Ok((count > 0).then(|| sum / count as f64))
    }

    /// The smallest record; `None` when there are none.
    ///
    /// # Errors
    /// See [`Actions`].
    fn min(&self) -> Result<Option<Self::Item>>
    where
        Self::Item: Ord,
    {
        self.min_by(Ord::cmp)
    }

    /// The largest record; `None` when there are none.
    ///
    /// # Errors
    /// See [`Actions`].
    fn max(&self) -> Result<Option<Self::Item>>
    where
        Self::Item: Ord,
    {
        self.max_by(Ord::cmp)
    }

    /// The first record in the order of `compare`; for floating point numbers that is `f64::total_cmp`.
    ///
    /// # Errors
    /// See [`Actions`].
    fn min_by(
        &self,
        compare: impl Fn(&Self::Item, &Self::Item) -> Ordering + Sync,
    ) -> Result<Option<Self::Item>> {
        self.reduce(|a, b| if compare(&b, &a).is_lt() { b } else { a })
    }

    /// The last record in the order of `compare`.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![0.5, 2.5, 1.0], 2);
    /// assert_eq!(rdd.max_by(f64::total_cmp)?, Some(2.5));
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn max_by(
        &self,
        compare: impl Fn(&Self::Item, &Self::Item) -> Ordering + Sync,
    ) -> Result<Option<Self::Item>> {
        self.reduce(|a, b| if compare(&b, &a).is_gt() { b } else { a })
    }

    /// The `n` largest records, the largest first.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![3, 1, 2], 2);
    /// assert_eq!(rdd.top(2)?, [3, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn top(&self, n: usize) -> Result<Vec<Self::Item>>
    where
        Self::Item: Ord,
    {
        Wide::new(self.clone(), Top::new("top", n, |a: &Self::Item, b: &Self::Item| b.cmp(a))).collect()
    }

    /// The `n` records with the largest keys, the largest first.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![("a", 1), ("b", 3), ("c", 2)], 2);
    /// assert_eq!(rdd.top_by(1, |pair| pair.1)?, [("b", 3)]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn top_by<K: Ord>(
        &self,
        n: usize,
        key: impl Fn(&Self::Item) -> K + Send + Sync + 'static,
    ) -> Result<Vec<Self::Item>> {
        let compare = move |a: &Self::Item, b: &Self::Item| key(b).cmp(&key(a));
        Wide::new(self.clone(), Top::new("top_by", n, compare)).collect()
    }

    /// The `n` smallest records, the smallest first.
    ///
    /// ```
    /// # use millstream_engine::{job::Executor, rdd::Parallelized};
    /// # use millstream_operators::prelude::*;
    /// let rdd = Parallelized::new(Executor::local(2), vec![3, 1, 2], 2);
    /// assert_eq!(rdd.take_ordered(2)?, [1, 2]);
    /// # Ok::<(), millstream_engine::Error>(())
    /// ```
    ///
    /// # Errors
    /// See [`Actions`].
    fn take_ordered(&self, n: usize) -> Result<Vec<Self::Item>>
    where
        Self::Item: Ord,
    {
        Wide::new(self.clone(), Top::new("take_ordered", n, Ord::cmp)).collect()
    }
}

impl<R: Rdd> Actions for R {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use crate::testing::rdd;
    use crate::{Actions, RddOps};

    /// Records that count how many of them were computed.
    fn counted(partitions: usize) -> (impl millstream_engine::rdd::Rdd<Item = i32>, Arc<AtomicUsize>) {
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let records = rdd(0..100, partitions).inspect(move |_| {
            count.fetch_add(1, Relaxed);
        });
        (records, seen)
    }

    #[test]
    fn take_computes_no_more_than_it_gives() {
        for (n, partitions) in [(0, 3), (1, 1), (5, 4), (25, 4), (26, 4), (100, 7)] {
            let (records, seen) = counted(partitions);
            assert_eq!(records.take(n).unwrap(), (0..n as i32).collect::<Vec<_>>());
            assert_eq!(seen.load(Relaxed), n, "take({n}) of {partitions} partitions");
        }
        assert_eq!(counted(3).0.take(1_000).unwrap().len(), 100);
    }

    #[test]
    fn first_and_is_empty_compute_one_record() {
        let (records, seen) = counted(4);
        assert_eq!(records.first().unwrap(), Some(0));
        assert!(!records.is_empty().unwrap());
        assert_eq!(seen.load(Relaxed), 2);
        let none = records.filter(|_| false);
        assert_eq!((none.first().unwrap(), none.is_empty().unwrap()), (None, true));
    }

    #[test]
    fn nothing_has_no_sum_but_zero() {
        let none = rdd(Vec::<i64>::new(), 3);
        assert_eq!((none.sum().unwrap(), none.mean().unwrap()), (0, None));
        assert_eq!((none.min().unwrap(), none.reduce(|a, _| a).unwrap()), (None, None));
        assert_eq!(none.fold(0, |a, b| a + b).unwrap(), 0);
    }

    #[test]
    fn the_error_of_a_partition_fails_the_action() {
        let error =
            rdd(0..10, 2).foreach_partition(|p, _| if p == 1 { Err("disk full".into()) } else { Ok(()) });
        let error = error.unwrap_err().to_string();
        assert!(error.contains("foreach_partition") && error.contains("partition 1"), "{error}");
        assert!(error.contains("disk full"), "{error}");
    }
}
