use std::ops::Deref;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::test_input::Shelf;
use super::{Collected, TestInput};
use crate::clock::{Clock, ManualClock};
use crate::config::{Config, Master, Place};
use crate::context::{CheckpointDir, ContextState, Scheduler, StreamingContext};
use crate::fs::Fs;
use crate::graph::DStream;
use crate::job::Stage;
use crate::rdd::{Data, Flow, Parallelized, Rdd};
use crate::recovery::CheckpointStore;
use crate::{Error, Result, Time};

/// A [`StreamingContext`] whose time is moved by the test. It is stopped when it is dropped.
pub struct TestContext {
    context: StreamingContext,
    clock: Arc<ManualClock>,
}

/// How long a batch of a test may take before the test fails.
const BATCH_MAX: Duration = Duration::from_secs(60);

impl TestContext {
    /// A context with two threads, whose clock begins at 0, so that batch `i` has the time `i * batch_interval`.
    ///
    /// # Errors
    /// When the interval is not allowed.
    pub fn new(batch_interval: Duration) -> Result<Self> {
        TestContext::with_config(Config::new().batch_interval(batch_interval), Time::default())
    }

    /// A context with other settings and another first time. Where `config` does not say, it has two threads and does not pin
    /// them.
    ///
    /// # Errors
    /// When a setting is out of range.
    pub fn with_config(config: Config, start: Time) -> Result<Self> {
        let mut config = config;
        if config.place("receiver.pin") == &Place::Default {
            config = config.pin_receivers(false);
        }
        if config.master == Master::AllCores {
            config = config.master(Master::Local(2));
        }
        let clock = Arc::new(ManualClock::new(start));
        let context = StreamingContext::with_clock(&config, Arc::clone(&clock) as _, false)?;
        Ok(TestContext { context, clock })
    }

    /// The clock.
    pub fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// A stream of the given batches, each in `partitions` partitions.
    ///
    /// # Errors
    /// After the first `run`.
    #[track_caller]
    pub fn input<T: Data>(
        &self,
        batches: impl IntoIterator<Item = Vec<T>>,
        partitions: usize,
    ) -> Result<DStream<Parallelized<T>>> {
        self.input_with_gaps(batches.into_iter().map(Some), partitions)
    }

    /// The same, where `None` is a batch without an RDD.
    ///
    /// # Errors
    /// After the first `run`.
    #[track_caller]
    pub fn input_with_gaps<T: Data>(
        &self,
        batches: impl IntoIterator<Item = Option<Vec<T>>>,
        partitions: usize,
    ) -> Result<DStream<Parallelized<T>>> {
        let interval = self.context.config().batch_interval;
        self.context.input_stream("Test stream", TestInput::new(batches, partitions, interval))
    }

    /// Collects what `stream` gives.
    #[track_caller]
    pub fn collect<R: Rdd>(&self, stream: &DStream<R>) -> Collected<R::Item> {
        let shelf: Shelf<R::Item> = Shelf::default();
        let filled = Arc::clone(&shelf);
        stream.output("collect", move |job, rdd, time| {
            rdd.prepare(job)?;
            let stage = Stage { name: "collect", partitions: rdd.num_partitions(), weight: rdd.weight() };
            let parts = rdd.executor().run(job, stage, |task| {
                let mut records = Vec::new();
                let _ = rdd.compute(task.partition(), task, |item| {
                    records.push(item);
                    Flow::Continue(())
                });
                records
            })?;
            filled.lock().unwrap_or_else(PoisonError::into_inner).insert(time, parts);
            Ok(())
        });
        Collected(shelf)
    }

    /// Goes on in `dir` where an earlier context has ended, as [`StreamingContext::get_or_create`] does.
    ///
    /// # Errors
    /// After the first `run`.
    pub fn go_on(&self, fs: Arc<dyn Fs>, dir: &str) -> Result<()> {
        let context = self.context.clone();
        StreamingContext::get_or_create_on(fs, dir, || Ok(context)).map(|_| ())
    }

    /// The same with the checkpoints in `store`, as [`StreamingContext::get_or_create_from`] does.
    ///
    /// # Errors
    /// After the first `run`.
    pub fn go_on_from(&self, fs: Arc<dyn Fs>, dir: &str, store: Arc<dyn CheckpointStore>) -> Result<()> {
        self.context.keep_in(CheckpointDir { fs, dir: dir.into(), store: Some(store), goes_on: true })
    }

    /// Starts the context if need be and runs the next `batches` batches to their end; before these, at the start, those that an
    /// earlier context has left to be made again, or has missed.
    ///
    /// # Errors
    /// What `start` says, and the first error of a batch that stops the context.
    pub fn run(&self, batches: usize) -> Result<()> {
        let starts = self.context.lifecycle() == ContextState::Initialized;
        self.context.start()?;
        if starts {
            self.wait_for(self.context.missed(self.clock.now()))?;
        }
        for _ in 0..batches {
            let target = self.scheduler()?.completed() + 1;
            self.clock.advance(self.context.config().batch_interval);
            self.wait_for(target)?;
        }
        Ok(())
    }

    /// The scheduler; of a context that was stopped, what stopped it.
    fn scheduler(&self) -> Result<Arc<Scheduler>> {
        if let Some(scheduler) = self.context.scheduler() {
            return Ok(scheduler);
        }
        self.context.await_termination_or_timeout(Duration::ZERO)?;
        Err(Error::State("the context was stopped".to_owned()))
    }

    /// Waits until so many batches are complete.
    fn wait_for(&self, target: u64) -> Result<()> {
        let done = self.scheduler()?.wait_until(BATCH_MAX, |completed, _| completed >= target);
        self.context.await_termination_or_timeout(Duration::ZERO)?;
        if done {
            return Ok(());
        }
        Err(Error::Stopped(format!("a batch was not done within {} s", BATCH_MAX.as_secs())))
    }
}

impl Deref for TestContext {
    type Target = StreamingContext;

    fn deref(&self) -> &StreamingContext {
        &self.context
    }
}

impl Drop for TestContext {
    fn drop(&mut self) {
        if let Err(error) = self.context.stop(false) {
            tracing::warn!(%error, "a test context could not be stopped");
        }
    }
}
