use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::Time;
use crate::config::{Config, Master};
use crate::rdd::Shared;
use crate::text::unpooled_bytes;

const RECORDS: u64 = 100_000;
const PARTITIONS: usize = 4;

/// What counts how often its partitions are computed.
#[derive(Clone)]
struct Numbers {
    executor: Executor,
    computed: Arc<AtomicUsize>,
}

impl Rdd for Numbers {
    type Item = u64;

    fn executor(&self) -> &Executor {
        &self.executor
    }

    fn num_partitions(&self) -> usize {
        PARTITIONS
    }

    fn weight(&self) -> usize {
        0
    }

    fn prepare(&self, _job: &Job) -> Result<()> {
        Ok(())
    }

    fn compute(&self, partition: usize, _task: &Task, mut sink: impl FnMut(u64) -> Flow) -> Flow {
        self.computed.fetch_add(1, Ordering::Relaxed);
        (0..RECORDS).filter(|n| n % PARTITIONS as u64 == partition as u64).try_for_each(&mut sink)
    }
}

struct Bed {
    numbers: Numbers,
    dir: tempfile::TempDir,
}

/// A bed with so much memory for kept records.
fn bed(memory: usize) -> Bed {
    let dir = tempfile::tempdir().unwrap();
    // Texts of other tests count, too: the process has one memory.
    let config = Config::new().master(Master::Local(1)).memory_max((memory + unpooled_bytes()).max(1));
    let executor = Executor::new(&config.storage_dir(dir.path()));
    Bed { numbers: Numbers { executor, computed: Arc::default() }, dir }
}

impl Bed {
    fn kept(&self, level: StorageLevel) -> Shared<Numbers> {
        Shared::new(self.numbers.clone(), Some(Keep::at(level)))
    }

    fn computed(&self) -> usize {
        self.numbers.computed.swap(0, Ordering::Relaxed)
    }

    fn spilled(&self) -> u64 {
        self.numbers.executor.spill().bytes()
    }
}

fn sum(rdd: &Shared<Numbers>) -> Result<u64> {
    let job = Job::new(Time::default(), "sum");
    rdd.prepare(&job)?;
    let stage = Stage { name: "sum", partitions: PARTITIONS, weight: 0 };
    let sums = rdd.executor().run(&job, stage, |task| {
        let mut sum = 0;
        let _ = rdd.compute(task.partition(), task, |n| {
            sum += n;
            Flow::Continue(())
        });
        sum
    })?;
    Ok(sums.iter().sum())
}

const SUM: u64 = RECORDS * (RECORDS - 1) / 2;

const LEVELS: [StorageLevel; 10] = [
    StorageLevel::MEMORY_ONLY,
    StorageLevel::MEMORY_ONLY_2,
    StorageLevel::MEMORY_ONLY_SER,
    StorageLevel::MEMORY_ONLY_SER_2,
    StorageLevel::MEMORY_AND_DISK,
    StorageLevel::MEMORY_AND_DISK_2,
    StorageLevel::MEMORY_AND_DISK_SER,
    StorageLevel::MEMORY_AND_DISK_SER_2,
    StorageLevel::DISK_ONLY,
    StorageLevel::DISK_ONLY_2,
];

#[test]
fn with_memory_every_level_computes_once() {
    for level in LEVELS {
        let bed = bed(1 << 30);
        let rdd = bed.kept(level);
        assert_eq!(
            (sum(&rdd).unwrap(), sum(&rdd).unwrap(), bed.computed()),
            (SUM, SUM, PARTITIONS),
            "{level}"
        );
        assert_eq!(bed.spilled() > 0, !level.uses_memory(), "{level}");
        let kept = bed.numbers.executor.memory().status().kept;
        let plain = RECORDS as usize * 8;
        match (level.uses_memory(), level.is_serialized()) {
            (false, _) => assert_eq!(kept, 0, "{level}"),
            (true, true) => assert!(kept > plain / 8 && kept < plain / 2, "{level}: {kept}"),
            (true, false) => assert!(kept >= plain, "{level}: {kept}"),
        }
        drop(rdd);
        assert_eq!((bed.numbers.executor.memory().status().kept, bed.spilled()), (0, 0), "{level}");
    }
}

#[test]
fn without_memory_a_level_with_disk_spills_and_one_without_computes_again() {
    for level in LEVELS {
        let bed = bed(0);
        let rdd = bed.kept(level);
        assert_eq!((sum(&rdd).unwrap(), sum(&rdd).unwrap()), (SUM, SUM), "{level}");
        let runs = if level.uses_disk() { 1 } else { 3 };
        assert_eq!((bed.computed(), bed.spilled() > 0), (runs * PARTITIONS, level.uses_disk()), "{level}");
        assert_eq!(bed.numbers.executor.memory().status().kept, 0, "{level}");
    }
}

#[test]
fn the_oldest_makes_room_and_is_read_all_the_same() {
    for level in LEVELS {
        // Room for one of the two.
        let size = if level.is_serialized() { 250 << 10 } else { 1 << 20 };
        let bed = bed(size + size / 2);
        let (first, second) = (bed.kept(level), bed.kept(level));
        assert_eq!((sum(&first).unwrap(), sum(&second).unwrap()), (SUM, SUM), "{level}");
        assert!(bed.numbers.executor.memory().status().kept <= size + size / 2);
        bed.computed();
        assert_eq!((sum(&first).unwrap(), sum(&second).unwrap()), (SUM, SUM), "{level}");
        assert_eq!(bed.computed() > 0, !level.uses_disk(), "{level}");
    }
}

#[test]
fn records_that_cannot_be_had_again_stay_or_go_to_disk() {
    for level in LEVELS {
        let bed = bed(0);
        let rdd = Shared::new(bed.numbers.clone(), Some(Keep::at(level).once()));
        assert_eq!(
            (sum(&rdd).unwrap(), sum(&rdd).unwrap(), bed.computed()),
            (SUM, SUM, PARTITIONS),
            "{level}"
        );
        while bed.numbers.executor.memory().evict_one() {}
        assert_eq!((sum(&rdd).unwrap(), bed.computed()), (SUM, 0), "{level}");
    }
}

#[test]
fn what_the_disk_has_lost_is_computed_again() {
    let bed = bed(1 << 30);
    let rdd = bed.kept(StorageLevel::DISK_ONLY);
    assert_eq!(sum(&rdd).unwrap(), SUM);
    let area = std::fs::read_dir(bed.dir.path()).unwrap().next().unwrap().unwrap().path();
    for file in std::fs::read_dir(area).unwrap().map(|file| file.unwrap().path()) {
        std::fs::write(file, "nothing of it is left").unwrap();
    }
    bed.computed();
    assert_eq!((sum(&rdd).unwrap(), bed.computed()), (SUM, PARTITIONS));
}

#[test]
fn with_a_disk_that_refuses_records_are_computed_again_or_stay_and_only_disk_alone_fails_the_batch() {
    let bed = bed(0);
    std::fs::remove_dir_all(bed.dir.path()).unwrap();
    std::fs::write(bed.dir.path(), "no directory").unwrap();
    for level in [StorageLevel::MEMORY_AND_DISK, StorageLevel::MEMORY_AND_DISK_SER] {
        let rdd = bed.kept(level);
        assert_eq!((sum(&rdd).unwrap(), sum(&rdd).unwrap()), (SUM, SUM), "{level}");
        assert_eq!(bed.computed(), 3 * PARTITIONS, "{level}");
        let once = Shared::new(bed.numbers.clone(), Some(Keep::at(level).once()));
        assert_eq!(
            (sum(&once).unwrap(), sum(&once).unwrap(), bed.computed()),
            (SUM, SUM, PARTITIONS),
            "{level}"
        );
        while bed.numbers.executor.memory().evict_one() {}
        assert_eq!((sum(&once).unwrap(), bed.computed()), (SUM, 0), "{level}");
    }
    let error = sum(&bed.kept(StorageLevel::DISK_ONLY)).unwrap_err().to_string();
    assert!(error.contains("cannot spill to") && error.contains("storage.dir"), "{error}");
}
