//! A program whose outputs are in another order after a crash, or that has one more or one less: each output has each batch once, or the
//! start is refused and says which outputs it means.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use millstream::deliver::{Guarantee, PartitionRecords, Sink};
use millstream::fs::{Fs, SimFs};
use millstream::prelude::*;
use millstream::recovery::inspect;
use millstream::testkit::{PowerCut, TestContext};

use crate::recovery::{SECOND, context};
use crate::support::eventually;

/// How often each output has had each batch, and the sum of what it got.
type Had = BTreeMap<(&'static str, i64), Vec<u32>>;

/// Where outputs put out to. It outlives the programs.
#[derive(Clone, Default)]
struct World {
    had: Arc<Mutex<Had>>,
    /// The output that fails at the batch of [`CUT`].
    broken: Option<&'static str>,
}

impl World {
    fn with(&self, broken: Option<&'static str>) -> World {
        World { had: Arc::clone(&self.had), broken }
    }

    fn take(&self, output: &'static str, batch: Time, sum: u32) -> Result<(), BoxError> {
        let batch = batch.as_millis() / 1_000;
        if self.broken == Some(output) && batch == CUT as i64 {
            return Err("it is broken".into());
        }
        self.had.lock().unwrap().entry((output, batch)).or_default().push(sum);
        Ok(())
    }
}

/// The batch in which the first program ends, which is before its first checkpoint, and the last batch of all.
const CUT: usize = 2;
const END: usize = 6;

/// What an output is in a program: a kind of its own, or that of the others, behind a stream with a name.
#[derive(Clone, Copy)]
enum Told {
    ByKind,
    ByName,
    /// A sink of the same type as the others, behind a stream with a name.
    Sink,
}

/// Each output has a number, which it adds to all batches: batch `i` is `[i]`.
fn add_of(output: &str) -> u32 {
    output.bytes().map(|byte| u32::from(byte) * 100).sum()
}

fn define(test: &TestContext, outputs: &[&'static str], told: Told, world: &World) {
    let numbers = test.input((1..=END as u32).map(|batch| vec![batch]), 1).unwrap();
    for output in outputs.iter().copied() {
        let (world, add) = (world.clone(), add_of(output));
        let added = numbers.map(move |number| number + add);
        let run = move |world: &World, rdd: Vec<u32>, time| world.take(output, time, rdd.iter().sum());
        match told {
            Told::ByKind => added.output(output, move |_, rdd, time| run(&world, rdd.collect()?, time)),
            Told::ByName => {
                added.named(output).output("save", move |_, rdd, time| run(&world, rdd.collect()?, time));
            }
            Told::Sink => added.named(output).save_to(Named { output, world }),
        }
    }
}

/// A sink whose commits need nothing but what was prepared.
struct Named {
    output: &'static str,
    world: World,
}

impl Sink<u32> for Named {
    type Staged = u32;

    fn guarantee(&self) -> Guarantee {
        Guarantee::AtLeastOnce
    }

    fn prepare(&self, _: Time, _: usize, records: PartitionRecords<'_, u32>) -> Result<u32, BoxError> {
        let mut sum = 0;
        records.for_each(|record| {
            sum += record;
            Ok(())
        })?;
        Ok(sum)
    }

    fn commit(&self, batch: Time, staged: &[u32]) -> Result<(), BoxError> {
        self.world.take(self.output, batch, staged.iter().sum())
    }

    fn abort(&self, _: Time, _: &[u32]) -> Result<(), BoxError> {
        Ok(())
    }
}

/// Runs a program with `before`, of which `broken` fails in batch [`CUT`], and then another with `after` on what the first has left.
fn changed(
    told: Told,
    before: &[&'static str],
    broken: &'static str,
    after: &[&'static str],
    config: impl Fn(Config) -> Config,
) -> Result<Had> {
    let (world, disk) = (World::default(), SimFs::new());
    let first = context(0, 2);
    define(&first, before, told, &world.with(Some(broken)));
    first.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint")?;
    let error = first.run(CUT).unwrap_err().to_string();
    assert!(error.contains("it is broken"), "{error}");
    // That the other has done the batch is in the log when that is closed; there is no checkpoint, as not all is complete.
    drop(first);
    let left = disk.crash(PowerCut::Kept);
    let settings = Config::new().batch_interval(SECOND).checkpoint_interval(SECOND * 3);
    let second = TestContext::with_config(config(settings), Time::from_millis(CUT as i64 * 1_000))?;
    define(&second, after, told, &world);
    second.go_on(Arc::new(left) as Arc<dyn Fs>, "/checkpoint")?;
    second.run(END - CUT)?;
    let had = world.had.lock().unwrap().clone();
    Ok(had)
}

fn same(config: Config) -> Config {
    config
}

/// Each of the outputs has each batch once, with its own records.
fn assert_once(had: &Had, outputs: &[&'static str]) {
    let all = |output: &&'static str| {
        let (output, add) = (*output, add_of(output));
        (1..=END as u32).map(move |batch| ((output, i64::from(batch)), vec![batch + add]))
    };
    assert_eq!(*had, outputs.iter().flat_map(all).collect::<Had>());
}

#[test]
fn outputs_that_are_swapped_have_each_batch_once() {
    for told in [Told::ByKind, Told::ByName, Told::Sink] {
        for broken in ["a", "b"] {
            assert_once(&changed(told, &["a", "b"], broken, &["b", "a"], same).unwrap(), &["a", "b"]);
        }
    }
}

#[test]
fn an_output_that_is_put_before_others_has_each_batch_and_they_have_none_twice() {
    for told in [Told::ByKind, Told::ByName, Told::Sink] {
        for broken in ["a", "b"] {
            let had = changed(told, &["a", "b"], broken, &["new", "a", "b"], same).unwrap();
            assert_once(&had, &["new", "a", "b"]);
        }
    }
}

#[test]
fn an_output_that_is_gone_takes_nothing_from_the_others() {
    for told in [Told::ByKind, Told::ByName] {
        let mut had = changed(told, &["gone", "a", "b"], "b", &["a", "b"], same).unwrap();
        had.retain(|(output, _), _| *output != "gone");
        assert_once(&had, &["a", "b"]);
    }
}

#[test]
fn an_output_that_may_be_another_by_a_new_name_is_not_guessed() {
    let start = |give_up: &str| {
        let config = |config: Config| config.drop_state(give_up);
        changed(Told::ByName, &["a", "b"], "b", &["renamed", "b"], config)
    };
    let error = start("none").unwrap_err().to_string();
    assert!(error.contains("\"save of a #1\" has done batch 2000 ms and is not in the program"), "{error}");
    assert!(error.contains("\"save of renamed #1\", of which nothing is known"), "{error}");
    assert!(
        error.contains("would put the batch out again") && error.contains("checkpoint.drop_state"),
        "{error}"
    );
    let mut had = start("save of a #1").unwrap();
    had.retain(|(output, _), _| *output != "a");
    assert_once(&had, &["renamed", "b"]);
}

fn log_says(disk: &SimFs, end: &str) -> bool {
    let mut says = false;
    inspect::dump(disk, Path::new("/checkpoint"), |_, _, words| says |= words.ends_with(end)).unwrap();
    says
}

/// Outputs that are alike in all but their path.
#[test]
fn outputs_into_files_are_known_by_their_paths() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).display().to_string();
    let life = |disk: SimFs, after: usize, outputs: &[&str]| {
        let test = context(after, 2);
        let numbers = test.input((1..=END as u32).map(|batch| vec![batch]), 1).unwrap();
        outputs.iter().for_each(|name| numbers.save_as_text_files(&path(name), ""));
        test.go_on(Arc::new(disk.clone()) as Arc<dyn Fs>, "/checkpoint").unwrap();
        test.run(2).unwrap();
        let last = format!("batch {} ms is done", (after + 2) * 1_000);
        eventually("that the last batch is done is written", || log_says(&disk, &last));
        // Before its end, which has a checkpoint.
        disk.crash(PowerCut::Kept)
    };
    let left = life(SimFs::new(), 0, &["a"]);
    let named =
        |name: &str| std::fs::read_dir(dir.path()).unwrap().any(|entry| *entry.unwrap().file_name() == *name);
    assert!(named("a-1000") && named("a-2000"));
    std::fs::remove_dir_all(path("a-2000")).unwrap();
    life(left, 2, &["new", "a"]);
    assert!(named("new-1000") && named("new-4000") && named("a-4000"));
    assert!(!named("a-2000"), "it was done and is not done again");
}
