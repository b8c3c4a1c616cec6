//! Workloads inside one process on 1, 2, .. threads, for a curve of how the engine scales.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use millstream::Text;
use millstream::io::file::TextFiles;
use millstream::io::format::access_log;
use millstream::job::Executor;
use millstream::operators::prelude::*;
use millstream::rdd::{Parallelized, Rdd};
use millstream_bench::workload::access_log::AccessLog;
use millstream_bench::workload::keys::{Keys, Spread};
use millstream_bench::{check, input, process, settings, workload};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Runs a workload on several numbers of threads, in turn, and says as a JSON line what each run took
///
/// The answer of each number of threads is checked before its first sample.
#[derive(Parser)]
struct Options {
    /// What to run
    #[arg(long, value_enum)]
    workload: Kind,
    /// The numbers of threads
    #[arg(long, value_delimiter = ',', default_value = "1")]
    threads: Vec<usize>,
    /// Size of the input
    #[arg(long, default_value_t = 256)]
    mb: usize,
    /// Samples per number of threads
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Where the file of the word count is made and removed
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    folder: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Words of a file in the page cache, counted
    WordCount,
    /// Lines of an access log from blocks in memory, counted by client
    AccessLog,
    /// Numbers in memory, counted by one of 1,000 keys
    KeyedCount,
    /// Numbers in memory, counted by one of 1,000,000 keys
    ManyKeys,
}

/// A workload whose input is made: everything but the executor.
trait Workload {
    /// Bytes of the input, for MB/s.
    fn bytes(&self) -> u64;

    /// Lays out the input for an executor; what it gives is run, and checked when asked to.
    fn prepare<'a>(&'a self, executor: &Executor) -> Outcome<Box<dyn Fn(bool) + 'a>>;
}

fn main() -> Outcome {
    let options = Options::parse();
    if options.threads.contains(&0) || options.mb == 0 || options.repeats == 0 {
        return Err("--threads, --mb and --repeats must be above 0".into());
    }
    let bytes = options.mb * 1_000_000;
    match options.workload {
        Kind::WordCount => measure(&options, &WordCount::new(bytes, &options.folder)?),
        Kind::AccessLog => measure(&options, &AccessLog::generate(settings::SEED, bytes)),
        Kind::KeyedCount => measure(&options, &Keyed::new(bytes, 1_000)),
        Kind::ManyKeys => measure(&options, &Keyed::new(bytes, 1_000_000)),
    }
}

/// Takes the numbers of threads in turn, so that a neighbour who takes the machine for a while hurts all of them.
fn measure(options: &Options, workload: &impl Workload) -> Outcome {
    for repeat in 0..options.repeats {
        for threads in &options.threads {
            let executor = Executor::local(*threads);
            let run = workload.prepare(&executor)?;
            run(repeat == 0);
            let (cpu, begin) = (process::cpu_time().unwrap_or_default(), Instant::now());
            run(false);
            let (seconds, cpu) =
                (begin.elapsed(), process::cpu_time().unwrap_or_default().saturating_sub(cpu));
            say(*threads, repeat, seconds, cpu, workload.bytes());
        }
    }
    Ok(())
}

fn say(threads: usize, repeat: usize, seconds: Duration, cpu: Duration, bytes: u64) {
    let sample = json!({
        "threads": threads,
        "repeat": repeat,
        "seconds": seconds.as_secs_f64(),
        "cpu_s": cpu.as_secs_f64(),
        "bytes": bytes,
    });
    // Nobody reads any more: then there is nobody to tell.
    let _ = writeln!(io::stdout(), "{sample}");
}

struct WordCount {
    text: workload::text::Text,
    path: PathBuf,
}

impl WordCount {
    fn new(bytes: usize, folder: &Path) -> Outcome<Self> {
        let text = workload::text::Text::generate(settings::SEED, bytes);
        let path = folder.join(format!("millstream-scale-{}.txt", std::process::id()));
        fs::write(&path, &text.bytes).map_err(|error| {
            format!("cannot write {}: {error}; name a folder with room by --folder", path.display())
        })?;
        Ok(WordCount { text, path })
    }
}

impl Drop for WordCount {
    fn drop(&mut self) {
        // It lies in a folder for temporary files.
        let _ = fs::remove_file(&self.path);
    }
}

impl Workload for WordCount {
    fn bytes(&self) -> u64 {
        self.text.bytes.len() as u64
    }

    fn prepare<'a>(&'a self, executor: &Executor) -> Outcome<Box<dyn Fn(bool) + 'a>> {
        let lines = TextFiles::open(executor, [self.path.as_path()])?;
        Ok(Box::new(move |is_checked| {
            let words = lines.clone().flat_map(|line| line.split_whitespace());
            let counts = words.map(|word| (word, 1u64)).reduce_by_key(|a, b| a + b);
            let counts = collect(&counts);
            if is_checked {
                let expected = self.text.word_counts().map(|(word, n)| (Text::from(word), n));
                check::same_counts("word count", counts, expected);
            }
        }))
    }
}

impl Workload for AccessLog {
    fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn prepare<'a>(&'a self, executor: &Executor) -> Outcome<Box<dyn Fn(bool) + 'a>> {
        let blocks = input::blocks(executor, &self.bytes);
        Ok(Box::new(move |is_checked| {
            let clients = blocks.clone().filter_map(|line| access_log::client(&line).map(Text::from));
            let counts = collect(&clients.map(|client| (client, 1u64)).reduce_by_key(|a, b| a + b));
            if is_checked {
                let expected = self.by_client().map(|(client, n)| (Text::from(client), n));
                check::same_counts("access log", counts, expected);
            }
        }))
    }
}

struct Keyed(Keys);

impl Keyed {
    fn new(bytes: usize, cardinality: usize) -> Self {
        Keyed(Keys::generate(settings::SEED, bytes / size_of::<u64>(), cardinality, Spread::Uniform))
    }
}

/// Map partitions: enough for many cores, each large enough to be worth a task.
const SLICES: usize = 256;

impl Workload for Keyed {
    fn bytes(&self) -> u64 {
        size_of_val(self.0.rows.as_slice()) as u64
    }

    fn prepare<'a>(&'a self, executor: &Executor) -> Outcome<Box<dyn Fn(bool) + 'a>> {
        let rows = Parallelized::new(executor.clone(), self.0.rows.clone(), SLICES);
        Ok(Box::new(move |is_checked| {
            let counts = collect(&rows.clone().map(|key| (key, 1u64)).reduce_by_key(|a, b| a + b));
            if is_checked {
                let mut different = 0;
                for (key, count) in counts {
                    check::same("keyed count", count, self.0.count(key));
                    different += 1;
                }
                check::same("keyed count", different, self.0.different);
            }
        }))
    }
}

#[expect(clippy::expect_used, reason = "a figure of a failed task would be worth nothing")]
fn collect<R: Rdd>(rdd: &R) -> Vec<R::Item> {
    black_box(rdd.collect().expect("no task fails"))
}
