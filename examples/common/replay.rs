//! Files run through the engine as one batch, and what came of them: for `word_count`, `ip_count` and `status_count`.

use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Instant;

use millstream::io::file::MendedLines;
use millstream::prelude::*;
use millstream::rdd::{Key, UnionAll};

use crate::files;
use crate::gauge::{Gauge, Gauged};

/// The options of a program that counts what is in files.
#[derive(clap::Args)]
pub(crate) struct Replay {
    /// Files to read; a directory stands for all its files whose names do not begin with a dot
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// How many of the most frequent keys to print
    #[arg(long, default_value_t = 20, value_name = "N")]
    pub(crate) top: usize,
    /// Also write every key with its count to this file, as key<TAB>count, sorted by the bytes of the key
    #[arg(long, value_name = "FILE.tsv")]
    output: Option<PathBuf>,
    /// How many threads to work with [default: one per core]
    #[arg(long, value_name = "N")]
    threads: Option<NonZero<usize>>,
}

/// The lines of the files.
pub(crate) type FileLines = UnionAll<Gauged<TextFiles>>;

/// What was counted.
pub(crate) struct Counts<K> {
    pairs: Vec<(K, u64)>,
    /// How many lines were read.
    pub(crate) lines: u64,
    bytes: u64,
    mended: MendedLines,
    threads: usize,
    elapsed: Duration,
}

/// Often enough that the context does not wait for the batch.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);
/// The longest that the engine takes: a longer line is cut, which could go through the middle of a word.
const LINE_BYTES_MAX: usize = (16 << 20) - 1;
/// The counts stand in a column behind keys of up to this length.
const KEY_WIDTH_MAX: usize = 60;
const BETWEEN_REPORTS: Duration = Duration::from_secs(1);
const MB: f64 = 1e6;

impl Replay {
    /// Runs the lines of the files through `count` and prints the most frequent keys. `unit` is what one count counts.
    pub(crate) fn run<K: Key + Ord + Display, R: Rdd<Item = (K, u64)>>(
        &self,
        unit: &str,
        count: impl FnOnce(&DStream<FileLines>) -> DStream<R>,
    ) -> Result<Counts<K>, BoxError> {
        let files = files::find(&self.paths)?;
        let output = self.open_output(&files)?;
        let mut counts = self.count(files, count)?;
        if let Some(file) = output {
            counts.write_to(file).map_err(|error| self.output_failed(error))?;
        }
        counts.print(self.top, unit)?;
        counts.tell_what_was_mended();
        Ok(counts)
    }

    /// Opens the output before the work, so that a mistake shows at once, and leaves what is in it until the work is done.
    fn open_output(&self, inputs: &[PathBuf]) -> Result<Option<File>, BoxError> {
        let Some(path) = &self.output else { return Ok(None) };
        let is_input =
            |input: &PathBuf| matches!((input.canonicalize(), path.canonicalize()), (Ok(a), Ok(b)) if a == b);
        if inputs.iter().any(is_input) {
            return Err(self.output_failed("it is one of the files to be read"));
        }
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        Ok(Some(file.map_err(|error| self.output_failed(error))?))
    }

    fn output_failed(&self, reason: impl Into<BoxError>) -> BoxError {
        let path = self.output.as_deref().unwrap_or("the output".as_ref());
        format!("cannot write {}: {}", path.display(), reason.into()).into()
    }

    fn count<K: Key, R: Rdd<Item = (K, u64)>>(
        &self,
        files: Vec<PathBuf>,
        count: impl FnOnce(&DStream<FileLines>) -> DStream<R>,
    ) -> Result<Counts<K>, BoxError> {
        let master = self.threads.map_or(Master::AllCores, |threads| Master::Local(threads.get()));
        let config =
            Config::new().master(master).batch_interval(BATCH_INTERVAL).max_line_bytes(LINE_BYTES_MAX);
        let ssc = StreamingContext::new(config)?;
        let files = TextFiles::open(ssc.executor(), files)?;
        let (bytes, mended) = (files.bytes(), files.mended().clone());
        let gauge = Gauge::new(files.num_partitions());
        let queue = RddQueue::new();
        let lines = ssc.queue_stream(&queue, true)?;
        queue.push(Gauged::new(files, gauge.clone()));
        queue.close();

        let counted = first_batch(&count(&lines));
        report_while(&gauge, bytes, || {
            ssc.start()?;
            ssc.await_end()
        })?;
        let measured = Arc::into_inner(counted).and_then(OnceLock::into_inner);
        let Measured { pairs, elapsed } = measured.ok_or("stopped before the end")?;
        Ok(Counts { pairs, lines: gauge.lines(), bytes, mended, threads: master.threads(), elapsed })
    }
}

/// What a batch gave, and how long its work took.
struct Measured<K> {
    pairs: Vec<(K, u64)>,
    elapsed: Duration,
}

/// What the first batch gives.
fn first_batch<K: Key, R: Rdd<Item = (K, u64)>>(counts: &DStream<R>) -> Arc<OnceLock<Measured<K>>> {
    let counted = Arc::new(OnceLock::new());
    let result = Arc::downgrade(&counted);
    counts.foreach_rdd(move |rdd, _| {
        let begin = Instant::now();
        let pairs = rdd.collect()?;
        if let Some(result) = result.upgrade() {
            // The batches behind the first one are empty.
            let _ = result.set(Measured { pairs, elapsed: begin.elapsed() });
        }
        Ok(())
    });
    counted
}

/// Does the work, and tells people every second how far it is.
fn report_while<T>(gauge: &Gauge, bytes: u64, work: impl FnOnce() -> T) -> T {
    thread::scope(|scope| {
        let (end, ended) = mpsc::channel::<()>();
        if io::stderr().is_terminal() {
            scope.spawn(move || {
                while ended.recv_timeout(BETWEEN_REPORTS) == Err(RecvTimeoutError::Timeout) {
                    let (done, all) = (gauge.done() * bytes as f64 / MB, bytes as f64 / MB);
                    let _ = writeln!(io::stderr(), "{done:.0} of {all:.0} MB");
                }
            });
        }
        let outcome = work();
        drop(end);
        outcome
    })
}

impl<K: Ord + Display> Counts<K> {
    /// The sum of all counts.
    pub(crate) fn total(&self) -> u64 {
        self.pairs.iter().map(|(_, count)| count).sum()
    }

    /// Writes all keys, sorted by their bytes, in place of what is in the file.
    fn write_to(&mut self, file: File) -> io::Result<()> {
        self.pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        let mut file = BufWriter::with_capacity(1 << 20, file);
        self.pairs.iter().try_for_each(|(key, count)| writeln!(file, "{key}\t{count}"))?;
        file.flush()
    }

    /// The `n` most frequent keys, the most frequent first, and among equals the smallest.
    fn top(&mut self, n: usize) -> &[(K, u64)] {
        let by_count = |a: &(K, u64), b: &(K, u64)| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0));
        let n = n.min(self.pairs.len());
        if n < self.pairs.len() {
            self.pairs.select_nth_unstable_by(n, by_count);
        }
        let top = &mut self.pairs[..n];
        top.sort_unstable_by(by_count);
        top
    }

    /// Lines that were cut and bytes that are no text would otherwise go unnoticed.
    fn tell_what_was_mended(&self) {
        let (cut, replaced) = (self.mended.cut_lines(), self.mended.replaced());
        if cut > 0 {
            eprintln!("{cut} line(s) longer than {LINE_BYTES_MAX} bytes were cut");
        }
        if replaced > 0 {
            eprintln!("{replaced} invalid UTF-8 sequence(s) were replaced by U+FFFD");
        }
    }

    fn print(&mut self, top: usize, unit: &str) -> io::Result<()> {
        let (total, distinct) = (self.total(), self.pairs.len());
        let mut out = BufWriter::new(io::stdout().lock());
        let top: Vec<_> = self.top(top).iter().map(|(key, count)| (key.to_string(), count)).collect();
        let width = top.iter().map(|(key, _)| key.chars().count()).max().unwrap_or(0).min(KEY_WIDTH_MAX);
        for (key, count) in &top {
            writeln!(out, "{key:width$} {count:>10}")?;
        }
        let (mb, seconds) = (self.bytes as f64 / MB, self.elapsed.as_secs_f64().max(1e-9));
        writeln!(
            out,
            "{total} {unit}, {distinct} distinct, in {} lines, {mb:.1} MB, {seconds:.3} s with {} thread(s): \
             {:.1} MB/s, {:.0} records/s",
            self.lines,
            self.threads,
            mb / seconds,
            self.lines as f64 / seconds
        )?;
        out.flush()
    }
}
