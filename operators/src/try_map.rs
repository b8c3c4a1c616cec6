use std::fmt;
use std::sync::Arc;

use millstream_engine::deliver::Sink;
use millstream_engine::job::Task;
use millstream_engine::rdd::{Data, Flow, Rdd};
use millstream_engine::{DStream, Time};
use serde::{Deserialize, Serialize};

use crate::{FilterMap, StreamOps};

operator! {
    /// What a function makes of each record, or why it fails: [`try_map`](crate::StreamOps::try_map).
    TryMap
}

impl<R, U, E, F> Rdd for TryMap<R, F>
where
    R: Rdd,
    U: Data,
    E: fmt::Display,
    F: Fn(&R::Item) -> Result<U, E> + Send + Sync + 'static,
{
    type Item = Result<U, Failed<R::Item>>;

    narrow!();

    #[inline]
    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(Self::Item) -> Flow) -> Flow {
        self.parent.compute(partition, task, |record| {
            let failed = |error: E| error.to_string();
            let outcome = (self.f)(&record).map_err(failed);
            sink(outcome.map_err(|reason| Failed { record, reason, partition }))
        })
    }
}

/// A record that a function has failed for, before it is known in which batch.
#[derive(Clone, Debug)]
pub struct Failed<T> {
    record: T,
    reason: String,
    partition: usize,
}

/// A record for which a function has failed, with the reason and where it was.
///
/// Displayed, it is one line, if the record and the reason are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeadLetter<T> {
    /// The batch that the record is in.
    pub batch: Time,
    /// Its partition in that batch.
    pub partition: usize,
    /// What the function said.
    pub reason: String,
    /// The record as it was given to the function.
    pub record: T,
}

impl<T: fmt::Display> fmt::Display for DeadLetter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeadLetter { batch, partition, reason, record } = self;
        write!(f, "batch {batch}, partition {partition}: {reason}: {record}")
    }
}

/// The two streams that come of [`try_map`](crate::StreamOps::try_map): the results, and the records that there are none of.
///
/// The function is called once for each record, so none is in both streams or in neither. If both streams are used, the outcomes
/// of a batch are kept in memory until it is complete.
#[must_use = "records that fail are neither results nor seen: use dead_letter, or succeeded and failed"]
pub struct Tried<R: Rdd>(DStream<R>);

impl<R: Rdd> Tried<R> {
    pub(crate) fn new(tried: DStream<R>) -> Self {
        Tried(tried)
    }
}

impl<T: Data, U: Data, R: Rdd<Item = Result<U, Failed<T>>>> Tried<R> {
    /// The results; the records for which the function fails are delivered to `sink`.
    #[track_caller]
    pub fn dead_letter<S>(&self, sink: S) -> DStream<impl Rdd<Item = U> + use<T, U, R, S>>
    where
        S: Sink<DeadLetter<T>>,
    {
        self.failed().save_to(sink);
        self.succeeded()
    }

    /// The results.
    #[track_caller]
    pub fn succeeded(&self) -> DStream<impl Rdd<Item = U> + use<T, U, R>> {
        self.0.filter_map(Result::ok)
    }

    /// The records for which the function fails.
    #[track_caller]
    pub fn failed(&self) -> DStream<impl Rdd<Item = DeadLetter<T>> + use<T, U, R>> {
        self.0.transform_at("failed", |rdd, batch| {
            let letter =
                move |Failed { record, reason, partition }| DeadLetter { batch, partition, reason, record };
            Ok(FilterMap::new(rdd, Arc::new(move |outcome: R::Item| outcome.err().map(letter))))
        })
    }
}

impl<R: Rdd> fmt::Debug for Tried<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tried").field(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use millstream_engine::BoxError;
    use millstream_engine::deliver::{Guarantee, PartitionRecords};
    use millstream_engine::testkit::TestContext;

    use super::*;

    type Letters = Vec<DeadLetter<String>>;

    /// Keeps what was committed.
    struct Desk(Arc<Mutex<Letters>>);

    impl Sink<DeadLetter<&'static str>> for Desk {
        type Staged = Letters;

        fn guarantee(&self) -> Guarantee {
            Guarantee::AtLeastOnce
        }

        fn prepare(
            &self,
            _batch: Time,
            _partition: usize,
            records: PartitionRecords<'_, DeadLetter<&'static str>>,
        ) -> Result<Letters, BoxError> {
            let mut staged = Letters::new();
            records.for_each(|DeadLetter { batch, partition, reason, record }| {
                staged.push(DeadLetter { batch, partition, reason, record: record.to_owned() });
                Ok(())
            })?;
            Ok(staged)
        }

        fn commit(&self, _batch: Time, staged: &[Letters]) -> Result<(), BoxError> {
            self.0.lock().map_err(|_| "poisoned")?.extend(staged.iter().flatten().cloned());
            Ok(())
        }

        fn abort(&self, _batch: Time, _staged: &[Letters]) -> Result<(), BoxError> {
            Ok(())
        }
    }

    #[test]
    fn what_fails_goes_to_the_dead_letters_and_the_rest_goes_on() {
        let (letters, calls) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
        let test = TestContext::new(Duration::from_secs(1)).unwrap();
        let words = test.input([vec!["1", "two", "3", "4"], vec![], vec!["five"]], 2).unwrap();
        let counted = Arc::clone(&calls);
        let tried = words.try_map(move |word: &&str| {
            counted.fetch_add(1, Ordering::SeqCst);
            word.parse::<u64>()
        });
        let numbers = test.collect(&tried.dead_letter(Desk(Arc::clone(&letters))));
        test.run(3).unwrap();
        assert_eq!(numbers.batches(), [vec![1, 3, 4], vec![], vec![]]);
        let reason = || "invalid digit found in string".to_owned();
        let letter = |batch, partition, record: &str| DeadLetter {
            batch: Time::from_millis(batch),
            partition,
            reason: reason(),
            record: record.to_owned(),
        };
        let mut letters = letters.lock().unwrap().clone();
        letters.sort();
        assert_eq!(letters, [letter(1_000, 0, "two"), letter(3_000, 1, "five")]);
        assert_eq!(letters[0].to_string(), "batch 1000 ms, partition 0: invalid digit found in string: two");
        assert_eq!(calls.load(Ordering::SeqCst), 5, "once for each record");
    }

    #[test]
    fn a_batch_without_an_rdd_stays_without_one() {
        let test = TestContext::new(Duration::from_secs(1)).unwrap();
        let words = test.input_with_gaps([Some(vec!["1"]), None, Some(vec!["2"])], 1).unwrap();
        let numbers = test.collect(&words.try_map(|word: &&str| word.parse::<u64>()).succeeded());
        test.run(3).unwrap();
        assert_eq!(numbers.timed().len(), 2);
    }
}
