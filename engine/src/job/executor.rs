use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use rayon::ThreadPool;
use rayon::prelude::*;

use super::task::{Job, Task};
use super::{KeyHashing, current, panics};
use crate::config::Config;
use crate::fs::RealFs;
use crate::storage::{Memory, Spill};
use crate::text::{self, ChunkPool};
use crate::{Error, Result};

/// What runs the tasks: the compute cores, the chunk pool and the limits of one context. Clones are the same executor.
#[derive(Clone)]
pub struct Executor(Arc<Inner>);

struct Inner {
    config: Config,
    /// The master's threads; asking the system anew reads several files.
    all_threads: usize,
    hasher: KeyHashing,
    chunks: ChunkPool,
    memory: Memory,
    spill: Spill,
    /// Cores that receivers occupy; set once, before the first task.
    receivers: AtomicUsize,
    pool: OnceLock<ThreadPool>,
    /// Stages that wait for compute threads or run on them; eager work makes way for them.
    stages: AtomicUsize,
}

/// What is run in one go: one task per partition.
#[derive(Clone, Copy, Debug)]
pub struct Stage<'a> {
    /// The operator, for error messages.
    pub name: &'a str,
    /// The number of tasks.
    pub partitions: usize,
    /// About how many bytes of input they have together; see [`Rdd::weight`](crate::rdd::Rdd::weight).
    pub weight: usize,
}

/// Idle chunks that the pool keeps for reuse; more are given back to the system.
const IDLE_CHUNKS_MAX: usize = 8_192;

/// The share of the memory, one part in so many, that idle chunks may have.
const IDLE_SHARE: usize = 8;

impl Executor {
    /// An executor for `config`; its threads start with the first stage that needs them.
    pub fn new(config: &Config) -> Self {
        let hasher = match config.hash_seed {
            Some(seed) => KeyHashing::with_seed(seed),
            None => KeyHashing::random(),
        };
        let memory_max = config.effective_memory_max();
        let idle_max = IDLE_CHUNKS_MAX.min(memory_max / IDLE_SHARE / config.segment_bytes);
        let chunks = ChunkPool::new(config.segment_bytes, idle_max);
        let dirs = config.effective_storage_dirs();
        Executor(Arc::new(Inner {
            config: config.clone(),
            all_threads: config.master.threads(),
            hasher,
            memory: Memory::new(memory_max, chunks.clone()),
            spill: Spill::new(Arc::new(RealFs), dirs, config.storage_max_bytes as u64),
            chunks,
            receivers: AtomicUsize::new(0),
            pool: OnceLock::new(),
            stages: AtomicUsize::new(0),
        }))
    }

    /// An executor with `threads` compute threads and default settings, for tests and tools.
    pub fn local(threads: usize) -> Self {
        Executor::new(&Config::new().master(crate::config::Master::Local(threads.max(1))))
    }

    /// The settings it was made from.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The hash function of every shuffle of this process.
    pub fn hasher(&self) -> &KeyHashing {
        &self.0.hasher
    }

    /// Where received and read bytes live.
    pub fn chunks(&self) -> &ChunkPool {
        &self.0.chunks
    }

    /// What is held in memory, against what may be.
    pub fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Where what memory cannot hold goes.
    pub fn spill(&self) -> &Spill {
        &self.0.spill
    }

    /// Leaves `receivers` threads of the master's number to receivers. Has no effect once the first stage has run.
    pub(crate) fn reserve(&self, receivers: usize) {
        self.0.receivers.store(receivers, Ordering::Release);
    }

    /// The threads that run tasks.
    pub fn threads(&self) -> usize {
        self.0.all_threads.saturating_sub(self.0.receivers.load(Ordering::Acquire)).max(1)
    }

    /// The number of partitions of a shuffle that does not name its own.
    pub fn default_parallelism(&self) -> usize {
        match self.0.config.default_parallelism {
            0 => self.threads(),
            n => n,
        }
    }

    /// Runs one task per partition and returns their results in partition order.
    ///
    /// Stages with one partition or little input run on the calling thread. A task that panics or [fails](Task::fail) is tried
    /// `task.max_failures` times in all.
    ///
    /// # Errors
    /// [`Error::Task`] with the first task that failed for good; [`Error::Stopped`] when the job was cancelled.
    pub fn run<T: Send>(&self, job: &Job, stage: Stage<'_>, f: impl Fn(&Task) -> T + Sync) -> Result<Vec<T>> {
        self.run_attempts(job, stage, 0, f)
    }

    /// The same, for tasks that have been tried `before` times already.
    pub(crate) fn run_attempts<T: Send>(
        &self,
        job: &Job,
        stage: Stage<'_>,
        before: usize,
        f: impl Fn(&Task) -> T + Sync,
    ) -> Result<Vec<T>> {
        let attempt = |partition| self.attempt(job, stage.name, partition, before, &f);
        if self.is_light(stage) {
            return (0..stage.partitions).map(attempt).collect();
        }
        self.0.stages.fetch_add(1, Ordering::AcqRel);
        let results = self
            .pool()
            .install(|| (0..stage.partitions).into_par_iter().with_max_len(1).map(attempt).collect());
        self.0.stages.fetch_sub(1, Ordering::AcqRel);
        results
    }

    /// Runs one task of a stage on the calling thread: for actions that may not need the other partitions.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_partition<T>(
        &self,
        job: &Job,
        name: &str,
        partition: usize,
        f: impl Fn(&Task) -> T,
    ) -> Result<T> {
        self.attempt(job, name, partition, 0, &f)
    }

    /// True while a stage of a job wants the compute threads.
    pub(crate) fn is_wanted(&self) -> bool {
        self.0.stages.load(Ordering::Acquire) > 0
    }

    /// The same, for tasks that consume what they work on and so cannot be tried again.
    pub(crate) fn run_once<T: Send>(
        &self,
        job: &Job,
        stage: Stage<'_>,
        f: impl Fn(&Task) -> T + Sync,
    ) -> Result<Vec<T>> {
        self.run_attempts(job, stage, self.0.config.max_failures - 1, f)
    }

    /// Runs `f` on a compute thread some time soon.
    pub(crate) fn spawn(&self, f: impl FnOnce() + Send + 'static) {
        self.pool().spawn(f);
    }

    /// Runs on the calling thread: because it is not worth waking others, or because the caller is a compute thread, which must not
    /// take up a foreign task while it waits.
    fn is_light(&self, stage: Stage<'_>) -> bool {
        stage.partitions <= 1
            || stage.weight < self.0.config.inline_below_bytes
            || rayon::current_thread_index().is_some()
    }

    fn attempt<T>(
        &self,
        job: &Job,
        stage: &str,
        partition: usize,
        before: usize,
        f: &impl Fn(&Task) -> T,
    ) -> Result<T> {
        let attempts = self.0.config.max_failures.max(before + 1);
        let mut reason = String::new();
        for attempt in before..attempts {
            if job.is_cancelled() {
                return Err(Error::Stopped(format!("{} in batch {}", job.name(), job.time())));
            }
            match run_once(job, partition, attempt, f) {
                Ok(value) => return Ok(value),
                Err(Failure { reason, is_refused: true }) => {
                    return Err(Error::Batch { time: job.time(), reason });
                }
                Err(failure) => reason = failure.reason,
            }
            tracing::warn!(batch = %job.time(), job = job.name(), stage, partition, attempt, %reason, "task failed");
        }
        let operator = format!("{stage} of {}", job.name());
        Err(Error::Task { operator, time: job.time(), partition, attempts, reason })
    }

    fn pool(&self) -> &ThreadPool {
        self.0.pool.get_or_init(|| start_pool(&self.0.config, self.threads()))
    }
}

impl std::fmt::Debug for Executor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Executor").field("threads", &self.threads()).finish_non_exhaustive()
    }
}

/// Why an attempt has failed.
struct Failure {
    reason: String,
    /// Another attempt would come to the same.
    is_refused: bool,
}

fn run_once<T>(job: &Job, partition: usize, attempt: usize, f: &impl Fn(&Task) -> T) -> Result<T, Failure> {
    let task = Task::new(job.time(), partition, attempt);
    let outcome = panics::catch(|| f(&task));
    text::release_credits();
    match (outcome, task.take_failure()) {
        (Ok(value), None) => Ok(value),
        (Ok(_), Some(reason)) => Err(Failure { reason, is_refused: task.is_refused() }),
        (Err(reason), _) => Err(Failure { reason, is_refused: false }),
    }
}

/// Compute thread `i` is pinned to core `i`; receivers take the cores from the other end.
fn start_pool(config: &Config, threads: usize) -> ThreadPool {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let pin = config.pin_receivers && threads < cores.len();
    let builder = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("compute-{i}"))
        .start_handler(move |i| {
            current::mark_engine_thread();
            if pin {
                core_affinity::set_for_current(cores[i]);
            }
        });
    #[expect(clippy::expect_used, reason = "a process that cannot start threads cannot run batches")]
    builder.build().expect("the system refused to start the compute threads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Time;

    fn stage() -> Stage<'static> {
        Stage { name: "test", partitions: 1, weight: 0 }
    }

    #[test]
    fn a_task_that_fails_is_tried_again_and_one_that_is_refused_is_not() {
        let executor = Executor::local(1);
        let (job, tried) = (Job::new(Time::default(), "test"), AtomicUsize::new(0));
        let attempt = |task: &Task, is_refused: bool| {
            tried.fetch_add(1, Ordering::Relaxed);
            let _ = if is_refused { task.refuse("it is too much") } else { task.fail("it is broken") };
        };
        let error = executor.run(&job, stage(), |task| attempt(task, false)).unwrap_err();
        assert!(matches!(error, Error::Task { .. }), "{error}");
        assert_eq!(tried.swap(0, Ordering::Relaxed), executor.config().max_failures);
        let error = executor.run(&job, stage(), |task| attempt(task, true)).unwrap_err();
        assert!(error.to_string().ends_with(": it is too much"), "{error}");
        assert_eq!(tried.into_inner(), 1);
    }
}
