//! A full disk is a matter of the machine, not of the batch: outputs wait for space, whatever `on_batch_failure` says.

use std::io::{Error as IoError, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::config::OnBatchFailure;
use millstream::deliver::{Guarantee, PartitionRecords, Sink};
use millstream::rdd::Parallelized;
use millstream::{BoxError, DStream, Error, Time};

use crate::support::{config, test_context};

/// So often the disk is full, then there is space.
#[derive(Clone, Default)]
struct Full(Arc<AtomicUsize>);

impl Full {
    fn times(times: usize) -> Self {
        Full(Arc::new(AtomicUsize::new(times)))
    }

    fn write(&self) -> Result<(), IoError> {
        let less = |times: usize| times.checked_sub(1);
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            Ok(_) => Err(ErrorKind::StorageFull.into()),
            Err(_) => Ok(()),
        }
    }
}

/// Counts what it is given, on a disk that is full at first.
#[derive(Clone, Default)]
struct Counting {
    prepare: Full,
    commit: Full,
    committed: Arc<AtomicUsize>,
}

impl Sink<u32> for Counting {
    type Staged = usize;

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn prepare(&self, _: Time, _: usize, records: PartitionRecords<'_, u32>) -> Result<usize, BoxError> {
        let mut count = 0;
        records.for_each(|_| {
            count += 1;
            Ok(())
        })?;
        self.prepare.write()?;
        Ok(count)
    }

    fn commit(&self, _: Time, staged: &[usize]) -> Result<(), BoxError> {
        self.commit.write()?;
        self.committed.fetch_add(staged.iter().sum(), Ordering::Relaxed);
        Ok(())
    }

    fn abort(&self, _: Time, _: &[usize]) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Runs three batches of ten with each reaction to failures.
fn with_each_reaction(define: impl Fn(&DStream<Parallelized<u32>>)) {
    for reaction in [OnBatchFailure::Stop, OnBatchFailure::Skip, OnBatchFailure::Retry] {
        let test = test_context(config().on_batch_failure(reaction).max_failures(1));
        define(&test.input(vec![(0..10).collect::<Vec<u32>>(); 3], 2).unwrap());
        test.run(3).unwrap();
    }
}

#[test]
fn an_output_that_meets_a_full_disk_waits_for_space() {
    let runs = AtomicUsize::new(0);
    with_each_reaction(|numbers| {
        let full = Full::times(2);
        numbers.output("write", move |_, _, _| {
            full.write().map_err(|error| Error::of_output(error.into(), || "write".to_owned()))
        });
        runs.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(runs.into_inner(), 3);
}

#[test]
fn a_sink_that_meets_a_full_disk_is_given_every_batch_once() {
    let mut sinks = Vec::new();
    let sinks = std::cell::RefCell::new(&mut sinks);
    with_each_reaction(|numbers| {
        let sink = Counting { prepare: Full::times(3), commit: Full::times(2), ..Counting::default() };
        sinks.borrow_mut().push(Arc::clone(&sink.committed));
        numbers.save_to(sink);
    });
    let committed: Vec<usize> =
        sinks.borrow().iter().map(|committed| committed.load(Ordering::Relaxed)).collect();
    assert_eq!(committed, [30, 30, 30]);
}
