//! Where lines come from, as one word on the command line.

use std::collections::HashSet;
use std::io::{self, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use millstream::io::file::{TextReader, is_visible};
use millstream::prelude::*;

use crate::files;

#[path = "in_batches.rs"]
mod in_batches;
#[path = "linger.rs"]
mod linger;

use in_batches::InBatches;
use linger::{AllGiven, Linger, receivers_have_ended};

/// The options that say where the lines come from.
#[derive(clap::Args)]
pub(crate) struct Input {
    #[arg(value_name = "SOURCE", help = FORMS)]
    pub(crate) source: Source,
    /// With dir: also take the files that are in the directory already
    #[arg(long)]
    pub(crate) existing: bool,
}

/// A source of lines.
#[derive(Clone)]
pub(crate) enum Source {
    /// A server that sends lines.
    Connect { host: String, port: u16 },
    /// Any number of senders of lines.
    Listen(String),
    /// New files in a directory.
    Directory(PathBuf),
    /// A file, or all files in a directory, in one batch.
    File(PathBuf),
    /// The same, so many lines in each batch.
    Replay { lines: NonZero<usize>, path: PathBuf },
    /// Standard input.
    Stdin,
}

/// What may be written for a source, for `--help`.
pub(crate) const FORMS: &str = "Where the lines come from:
  tcp://HOST:PORT    a server that sends lines
  listen://ADDR      any number of senders; ADDR is HOST:PORT (port 0: one that is free) or unix:PATH
  dir:PATH           new files in a directory
  file:PATH          a file, or all files of a directory, sorted by name, in the first batch
  replay:N:PATH      the same, N lines in each batch
  -                  standard input
With file:, replay: and - the program ends when it has processed all lines, with windows when one has shown the last lines.";

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "-" {
            return Ok(Source::Stdin);
        }
        if let Some(address) = text.strip_prefix("tcp://") {
            let (host, port) = address.rsplit_once(':').ok_or("expected tcp://HOST:PORT")?;
            let port = port.parse().map_err(|error| format!("port {port:?}: {error}"))?;
            return Ok(Source::Connect { host: host.trim_matches(['[', ']']).to_owned(), port });
        }
        if let Some(replay) = text.strip_prefix("replay:") {
            let parts = replay.split_once(':').filter(|(_, path)| !path.is_empty());
            let (lines, path) = parts.ok_or("expected replay:N:PATH")?;
            let lines = lines.parse().map_err(|error| format!("{lines:?} lines in a batch: {error}"))?;
            return Ok(Source::Replay { lines, path: path.into() });
        }
        let of = |prefix: &str| text.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        of("listen://")
            .map(|address| Source::Listen(address.to_owned()))
            .or_else(|| of("dir:").map(|path| Source::Directory(path.into())))
            .or_else(|| of("file:").map(|path| Source::File(path.into())))
            .ok_or_else(|| {
                "expected tcp://HOST:PORT, listen://ADDR, dir:PATH, file:PATH, replay:N:PATH or -".to_owned()
            })
    }
}

impl Input {
    /// The lines of the source. `slide`: how often windows of them are put out, if so.
    pub(crate) fn lines(
        &self,
        ssc: &StreamingContext,
        slide: Option<Duration>,
    ) -> Result<DStream<BoxRdd<Text>>, BoxError> {
        let (lines, all_given) = self.open(ssc)?;
        if let (Some(slide), Some(all_given)) = (slide, all_given) {
            // An input that nobody reads is not asked.
            ssc.input_stream("Linger", Linger::new(slide, all_given))?.foreach_rdd(|_, _| Ok(()));
        }
        Ok(lines)
    }

    /// The lines, and for a source that has an end, whether all have been given.
    fn open(&self, ssc: &StreamingContext) -> Result<(DStream<BoxRdd<Text>>, Option<AllGiven>), BoxError> {
        Ok(match &self.source {
            Source::Connect { host, port } => (ssc.socket_text_stream(host, *port)?.boxed(), None),
            Source::Listen(address) => {
                let (lines, server) = ssc.socket_server_text_stream(address)?;
                writeln!(io::stderr(), "listening on {}", server.address())?;
                (lines.boxed(), None)
            }
            Source::Directory(path) => (directory(ssc, path, self.existing)?, None),
            Source::File(path) => {
                let queue = once(ssc, files::find(std::slice::from_ref(path))?)?;
                let lines = ssc.queue_stream(&queue, true)?.boxed();
                (lines, Some(Box::new(move || queue.is_empty())))
            }
            Source::Replay { lines, path } => {
                let files = TextFiles::open(ssc.executor(), files::find(std::slice::from_ref(path))?)?;
                let (input, all_given) = InBatches::new(files, *lines);
                (ssc.input_stream("Replay", input)?.boxed(), Some(all_given))
            }
            Source::Stdin => {
                let lines = ssc.reader_text_stream(io::stdin())?.boxed();
                (lines, Some(receivers_have_ended(ssc)))
            }
        })
    }

    /// Runs the program to its end: that of the source, or until it is stopped.
    pub(crate) fn run_to_end(&self, ssc: &StreamingContext) -> Result<()> {
        ssc.start()?;
        if !matches!(self.source, Source::File(_) | Source::Replay { .. } | Source::Stdin) {
            return ssc.await_termination();
        }
        match ssc.await_end()? {
            true => Ok(()),
            false => Err(Error::Stopped(
                "before the end of the source: what was processed is only a part".to_owned(),
            )),
        }
    }
}

/// The lines of new files in a directory; `existing`: also those of the files that are there now.
fn directory(ssc: &StreamingContext, path: &Path, existing: bool) -> Result<DStream<BoxRdd<Text>>, BoxError> {
    let now = files::visible_files(path)?;
    if !existing {
        return Ok(ssc.text_file_stream(path)?.boxed());
    }
    // The files of now are named to both streams, so that none is taken twice and none falls between them.
    let names: HashSet<PathBuf> = now.iter().cloned().collect();
    let is_new = move |file: &Path| is_visible(file) && !names.contains(file);
    let new = ssc.file_stream(path, is_new, false, TextReader)?;
    Ok(ssc.queue_stream(&once(ssc, now)?, true)?.union(&new).boxed())
}

/// A queue of one batch: the lines of files.
fn once(ssc: &StreamingContext, files: Vec<PathBuf>) -> Result<RddQueue<TextFiles>> {
    let queue = RddQueue::new();
    queue.push(TextFiles::open(ssc.executor(), files)?);
    queue.close();
    Ok(queue)
}
