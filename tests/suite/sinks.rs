//! A sink has each batch once, wherever the program is cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use millstream::config::OnBatchFailure;
use millstream::deliver::{Guarantee, PartitionRecords, Sink};
use millstream::fs::{Fs, SimFs};
use millstream::job::{Executor, Flow, Job, Task};
use millstream::prelude::*;
use millstream::recovery::inspect;
use millstream::testkit::{PowerCut, TestContext};

const SECOND: Duration = Duration::from_secs(1);
const BATCHES: usize = 6;
const PARTITIONS: usize = 3;

type Totals = Vec<(u32, i64)>;

/// A database: it outlives the programs that write to it.
#[derive(Default)]
struct Table {
    /// What was prepared, by the number of its preparation.
    prepared: BTreeMap<u64, (i64, Totals)>,
    /// What everybody sees.
    seen: BTreeMap<u64, (i64, Totals)>,
    next: u64,
    /// The steps that were taken, in order.
    steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Begin(i64),
    /// A partition is about to be prepared.
    Preparing(i64),
    Prepared(i64),
    /// The commit begins; the log must know of it.
    Committing(i64),
    /// One more partition is seen.
    Seen(i64),
    Committed(i64),
    Abort(i64),
}

/// A program that writes to the table, until it dies.
#[derive(Clone)]
struct Process {
    table: Arc<Mutex<Table>>,
    disk: SimFs,
    death: Arc<Mutex<Death>>,
    commit_failures: Arc<AtomicUsize>,
}

#[derive(Default)]
struct Death {
    /// The number of the step at which it dies.
    at: Option<usize>,
    cut: Option<PowerCut>,
    /// What was left of the disk.
    left: Option<SimFs>,
}

impl Process {
    fn on(disk: SimFs, table: &Arc<Mutex<Table>>) -> Self {
        let (death, commit_failures) = (Arc::default(), Arc::default());
        Process { table: Arc::clone(table), disk, death, commit_failures }
    }

    fn dying(self, at: usize, cut: PowerCut) -> Self {
        *self.death.lock().unwrap() = Death { at: Some(at), cut: Some(cut), left: None };
        self
    }

    fn failing(self, commits: usize) -> Self {
        self.commit_failures.store(commits, Ordering::SeqCst);
        self
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a step and changes the table; a dead process does neither.
    fn step<T>(&self, step: Step, change: impl FnOnce(&mut Table) -> T) -> Result<T, BoxError> {
        let (mut table, mut death) = (self.table(), self.death.lock().unwrap());
        if death.left.is_some() {
            return Err("the process is dead".into());
        }
        let changed = change(&mut table);
        table.steps.push(step);
        if Some(table.steps.len()) == death.at {
            death.left = Some(self.disk.crash(death.cut.unwrap()));
            return Err("the process dies".into());
        }
        Ok(changed)
    }

    /// Runs the program for `batches` behind the batch `after`.
    fn run(&self, config: Config, after: usize, batches: usize) -> Result<(), Error> {
        let test = TestContext::with_config(config, Time::from_millis(after as i64 * 1_000))?;
        totals(&test).save_to(self.clone());
        test.go_on(Arc::new(self.disk.clone()) as Arc<dyn Fs>, "/checkpoint")?;
        test.run(batches)
    }
}

impl Sink<(u32, i64)> for Process {
    type Staged = u64;

    fn guarantee(&self) -> Guarantee {
        Guarantee::ExactlyOnce
    }

    fn begin(&self, batch: Time) -> Result<(), BoxError> {
        let batch = batch.as_millis() / 1_000;
        self.step(Step::Begin(batch), |table| table.prepared.retain(|_, (of, _)| *of != batch))
    }

    fn prepare(
        &self,
        batch: Time,
        _partition: usize,
        records: PartitionRecords<'_, (u32, i64)>,
    ) -> Result<u64, BoxError> {
        let (batch, mut taken) = (batch.as_millis() / 1_000, Vec::new());
        self.step(Step::Preparing(batch), |_| ())?;
        // The outcome is ignored: the engine must see for itself that a partition is not whole.
        let _ = records.for_each(|record| {
            taken.push(record);
            Ok(())
        });
        self.step(Step::Prepared(batch), |table| {
            table.next += 1;
            table.prepared.insert(table.next, (batch, taken));
            table.next
        })
    }

    fn commit(&self, batch: Time, staged: &[u64]) -> Result<(), BoxError> {
        let batch = batch.as_millis() / 1_000;
        self.step(Step::Committing(batch), |_| ())?;
        for number in staged {
            let is_there = self.step(Step::Seen(batch), |table| {
                let prepared = table.prepared.remove(number);
                table.seen.extend(prepared.map(|prepared| (*number, prepared)));
                table.seen.contains_key(number)
            })?;
            assert!(is_there, "batch {batch} is committed and was never prepared, or was cleared away");
        }
        let is_left = |left: usize| left.checked_sub(1);
        if self.commit_failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_left).is_ok() {
            return Err("the table is locked".into());
        }
        self.step(Step::Committed(batch), |_| ())
    }

    fn abort(&self, batch: Time, staged: &[u64]) -> Result<(), BoxError> {
        self.step(Step::Abort(batch.as_millis() / 1_000), |table| {
            table.prepared.retain(|number, _| !staged.contains(number));
            table.seen.retain(|number, _| !staged.contains(number));
        })
    }
}

/// A sum by key over all batches: what a batch gives depends on all before.
fn totals(test: &TestContext) -> DStream<impl Rdd<Item = (u32, i64)>> {
    let pairs = |batch: u32| (0..4 + batch).map(|i| (i % 4, i64::from(batch * 10 + i))).collect();
    let stream = test.input((0..BATCHES as u32).map(pairs), PARTITIONS).unwrap();
    stream.update_state_by_key(|values: &[i64], sum: Option<i64>| {
        Some(sum.unwrap_or(0) + values.iter().sum::<i64>())
    })
}

fn config() -> Config {
    let config = Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 4).default_parallelism(3);
    config.master(Master::Local(2))
}

/// What is seen of each batch, sorted.
fn seen(table: &Mutex<Table>) -> BTreeMap<i64, Totals> {
    let mut seen = BTreeMap::<i64, Totals>::new();
    for (batch, totals) in table.lock().unwrap().seen.values() {
        seen.entry(*batch).or_default().extend(totals);
    }
    seen.values_mut().for_each(|totals| totals.sort_unstable());
    seen
}

/// A run that nothing disturbs: what is seen, and its steps.
fn uninterrupted() -> (BTreeMap<i64, Totals>, Vec<Step>) {
    let table = Arc::default();
    Process::on(SimFs::new(), &table).run(config(), 0, BATCHES).unwrap();
    let steps = table.lock().unwrap().steps.clone();
    (seen(&table), steps)
}

#[test]
fn a_batch_is_prepared_and_then_committed() {
    let (seen, steps) = uninterrupted();
    assert_eq!(seen.len(), BATCHES);
    assert!(seen.values().all(|totals| totals.len() == 4), "{seen:?}");
    for batch in 1..=BATCHES as i64 {
        let mut expected = vec![Step::Begin(batch)];
        for _ in 0..PARTITIONS {
            expected.extend([Step::Preparing(batch), Step::Prepared(batch)]);
        }
        expected.push(Step::Committing(batch));
        expected.extend([Step::Seen(batch); PARTITIONS]);
        expected.push(Step::Committed(batch));
        let of_batch = |step: &Step| format!("{step:?}").ends_with(&format!("({batch})"));
        assert_eq!(steps.iter().copied().filter(of_batch).collect::<Vec<_>>(), expected);
    }
}

/// What another process must do with the batch in which one has died at `step`, with what was synced left, at least.
fn assert_completes(batch: i64, step: Step, cut: PowerCut, steps: &[Step]) {
    let (begins, commits) = (steps.contains(&Step::Begin(batch)), steps.contains(&Step::Committing(batch)));
    let what = format!("died at {step:?}, {cut:?}: {steps:?}");
    match step {
        Step::Begin(_) | Step::Preparing(_) | Step::Prepared(_) => assert!(begins && commits, "{what}"),
        // Known to be prepared, and not known to be done.
        Step::Committing(_) | Step::Seen(_) | Step::Committed(_) => assert!(!begins && commits, "{what}"),
        Step::Abort(_) => panic!("{what}"),
    }
}

#[test]
fn a_program_that_dies_at_any_step_of_its_sink_delivers_each_batch_once() {
    let (expected, steps) = uninterrupted();
    for cut in [PowerCut::Lost, PowerCut::Kept] {
        for (i, step) in steps.iter().enumerate() {
            let table = Arc::default();
            let first = Process::on(SimFs::new(), &table).dying(i + 1, cut);
            first.run(config(), 0, BATCHES).unwrap_err();
            let left = first.death.lock().unwrap().left.take().unwrap();
            let batch = table.lock().unwrap().steps.last().map(|step| of(*step)).unwrap();
            let before = std::mem::take(&mut table.lock().unwrap().steps);
            assert_eq!(before.last(), Some(step));
            let second = Process::on(left, &table);
            second.run(config(), batch as usize, BATCHES - batch as usize).unwrap();
            assert_completes(batch, *step, cut, &table.lock().unwrap().steps);
            assert_eq!(seen(&table), expected, "died at {step:?}, {cut:?}");
            assert!(
                table.lock().unwrap().prepared.is_empty(),
                "died at {step:?}: something is left prepared"
            );
        }
    }
}

fn of(step: Step) -> i64 {
    match step {
        Step::Begin(batch) | Step::Preparing(batch) | Step::Prepared(batch) | Step::Committing(batch) => {
            batch
        }
        Step::Seen(batch) | Step::Committed(batch) | Step::Abort(batch) => batch,
    }
}

#[test]
fn a_program_that_dies_again_and_again_delivers_each_batch_once() {
    let (expected, _) = uninterrupted();
    for life in 1..12 {
        let table = Arc::default();
        let (mut disk, mut after, mut lives) = (SimFs::new(), 0, 0);
        loop {
            let begun = table_steps(&table);
            let cut = if lives % 2 == 0 { PowerCut::Lost } else { PowerCut::Kept };
            // Each life is a little longer than the one before, so that it comes to an end.
            let process = Process::on(disk, &table).dying(begun + life + lives, cut);
            let outcome = process.run(config().inline_below_bytes(0), after, BATCHES - after);
            let Some(left) = process.death.lock().unwrap().left.take() else {
                break outcome.unwrap();
            };
            after = after.max(table.lock().unwrap().steps.last().map_or(0, |step| of(*step) as usize));
            (disk, lives) = (left, lives + 1);
        }
        assert!(lives > 1 && seen(&table) == expected, "lives of {life} steps: {:?}", seen(&table));
    }
}

fn table_steps(table: &Mutex<Table>) -> usize {
    table.lock().unwrap().steps.len()
}

#[test]
fn a_power_cut_at_any_operation_of_the_disk_delivers_each_batch_once() {
    let (expected, _) = uninterrupted();
    let whole = SimFs::new();
    Process::on(whole.clone(), &Arc::default()).run(config(), 0, BATCHES).unwrap();
    for at in 0..=whole.operations() {
        for cut in [PowerCut::Lost, PowerCut::Kept, PowerCut::Random(at)] {
            let (disk, table) = (SimFs::new(), Arc::default());
            disk.crash_after(at);
            let _ = Process::on(disk.clone(), &table).run(config(), 0, BATCHES);
            let after = table.lock().unwrap().steps.last().map_or(0, |step| of(*step) as usize);
            Process::on(disk.crash(cut), &table).run(config(), after, BATCHES - after).unwrap();
            assert_eq!(seen(&table), expected, "power cut at operation {at}, {cut:?}");
        }
    }
}

fn count(table: &Mutex<Table>, step: Step) -> usize {
    table.lock().unwrap().steps.iter().filter(|taken| **taken == step).count()
}

#[test]
fn a_commit_that_fails_stops_the_program_and_is_made_by_the_next() {
    let (expected, _) = uninterrupted();
    let table = Arc::default();
    let first = Process::on(SimFs::new(), &table).failing(1);
    let error = first.run(config(), 0, BATCHES).unwrap_err().to_string();
    assert!(
        error.contains("commit: the table is locked")
            && error.contains("save_to(suite::sinks::Process, exactly once)"),
        "{error}"
    );
    assert_eq!(count(&table, Step::Abort(1)), 0);
    let second = Process::on(first.disk.crash(PowerCut::Lost), &table);
    second.run(config(), 1, BATCHES - 1).unwrap();
    assert_eq!((count(&table, Step::Begin(1)), count(&table, Step::Committing(1))), (1, 2));
    assert_eq!(seen(&table), expected);
}

#[test]
fn a_commit_that_is_tried_again_needs_no_second_preparation() {
    let (expected, _) = uninterrupted();
    let table = Arc::default();
    let process = Process::on(SimFs::new(), &table).failing(2);
    process.run(config().on_batch_failure(OnBatchFailure::Retry), 0, BATCHES).unwrap();
    assert_eq!((count(&table, Step::Prepared(1)), count(&table, Step::Committing(1))), (PARTITIONS, 3));
    assert_eq!(seen(&table), expected);
}

#[test]
fn a_commit_that_is_given_up_is_aborted_and_never_made() {
    let (mut expected, _) = uninterrupted();
    let table = Arc::default();
    let first = Process::on(SimFs::new(), &table).failing(1).dying(12, PowerCut::Lost);
    let config = || config().on_batch_failure(OnBatchFailure::Skip);
    // It dies while it aborts: the log must have heard before that nothing is to be committed.
    first.run(config(), 0, 1).unwrap();
    let left = first.death.lock().unwrap().left.take().unwrap();
    assert_eq!(table.lock().unwrap().steps.last(), Some(&Step::Abort(1)));
    Process::on(left, &table).run(config(), 1, BATCHES - 1).unwrap();
    assert_eq!((count(&table, Step::Begin(1)), count(&table, Step::Committing(1))), (1, 1));
    expected.remove(&1);
    assert_eq!(seen(&table), expected);
}

#[test]
fn without_a_checkpoint_directory_a_failed_commit_is_aborted() {
    let table = Arc::default();
    let process = Process::on(SimFs::new(), &table).failing(1);
    let test = TestContext::with_config(config(), Time::default()).unwrap();
    totals(&test).save_to(process);
    test.run(1).unwrap_err();
    assert_eq!(count(&table, Step::Abort(1)), 1);
    assert!(seen(&table).is_empty() && table.lock().unwrap().prepared.is_empty());
}

/// An RDD of which the first attempts at one partition break off in the middle.
#[derive(Clone)]
struct Broken<R> {
    rdd: R,
    failures: Arc<AtomicUsize>,
}

impl<R: Rdd> Rdd for Broken<R> {
    type Item = R::Item;

    fn executor(&self) -> &Executor {
        self.rdd.executor()
    }

    fn num_partitions(&self) -> usize {
        self.rdd.num_partitions()
    }

    fn weight(&self) -> usize {
        self.rdd.weight()
    }

    fn prepare(&self, job: &Job) -> Result<()> {
        self.rdd.prepare(job)
    }

    fn compute(&self, partition: usize, task: &Task, mut sink: impl FnMut(R::Item) -> Flow) -> Flow {
        let mut given = 0;
        self.rdd.compute(partition, task, |item| {
            given += 1;
            let is_left = |left: usize| left.checked_sub(1);
            let breaks = partition == 1 && given == 2;
            if breaks && self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, is_left).is_ok() {
                return task.fail("the file is gone");
            }
            sink(item)
        })
    }
}

/// One batch whose second partition breaks off so many times.
fn broken(failures: usize) -> (Arc<Mutex<Table>>, Result<()>) {
    let table = Arc::default();
    let test = TestContext::with_config(config().max_failures(3), Time::default()).unwrap();
    let failures = Arc::new(AtomicUsize::new(failures));
    let stream = test.input([(0..12).map(|i| (i, 1)).collect()], PARTITIONS).unwrap();
    let broken = stream.lift("broken", move |rdd| Broken { rdd, failures: Arc::clone(&failures) });
    broken.save_to(Process::on(SimFs::new(), &table));
    let outcome = test.run(1);
    (table, outcome)
}

#[test]
fn what_a_failed_task_has_prepared_is_aborted() {
    let (table, outcome) = broken(2);
    outcome.unwrap();
    assert_eq!((count(&table, Step::Prepared(1)), count(&table, Step::Abort(1))), (PARTITIONS + 2, 2));
    assert_eq!(seen(&table)[&1], (0..12).map(|i| (i, 1)).collect::<Totals>());
}

#[test]
fn when_a_partition_cannot_be_prepared_the_others_are_aborted() {
    let (table, outcome) = broken(3);
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("after 3 attempt(s): the file is gone"), "{error}");
    assert_eq!(count(&table, Step::Committing(1)), 0);
    assert!(seen(&table).is_empty() && table.lock().unwrap().prepared.is_empty());
}

/// What the output is called in the log.
const OUTPUT: &str = "save_to(Process) of update_state_by_key #1";

/// A disk on which batch 2 is prepared and not committed.
fn uncommitted() -> (SimFs, Arc<Mutex<Table>>) {
    let (_, steps) = uninterrupted();
    let table = Arc::default();
    let at = steps.iter().position(|step| *step == Step::Committing(2)).unwrap() + 1;
    let process = Process::on(SimFs::new(), &table).dying(at, PowerCut::Lost);
    process.run(config(), 0, 2).unwrap_err();
    let left = process.death.lock().unwrap().left.take().unwrap();
    (left, table)
}

#[test]
fn what_is_prepared_is_shown() {
    let (disk, _) = uncommitted();
    let mut shown = BTreeSet::new();
    inspect::dump(&disk, Path::new("/checkpoint"), |_, _, words| {
        shown.insert(words);
    })
    .unwrap();
    let said = |words: &str| shown.iter().any(|shown| shown.starts_with(words));
    assert!(
        said(&format!("{OUTPUT} of batch 2000 ms is prepared: "))
            && said(&format!("{OUTPUT} of batch 1000 ms is done")),
        "{shown:?}"
    );
}

#[test]
fn a_program_without_the_sink_does_not_start_until_its_batch_is_given_up() {
    let start = |config: Config| {
        let (disk, _) = uncommitted();
        let test = TestContext::with_config(config, Time::from_millis(2_000)).unwrap();
        let collected = test.collect(&totals(&test));
        test.go_on(Arc::new(disk) as Arc<dyn Fs>, "/checkpoint").unwrap();
        test.run(1).map(|()| collected.batches().len())
    };
    let error = start(config()).unwrap_err().to_string();
    let told = format!("{OUTPUT:?} has prepared batch 2000 ms for suite::sinks::Process");
    assert!(error.contains(&told), "{error}");
    assert!(error.contains("is not in the program") && error.contains("checkpoint.drop_state"), "{error}");
    assert_eq!(start(config().drop_state(OUTPUT)).unwrap(), 3, "the new output has done none of the batches");
}
