//! Where lines come from, as one word on the command line.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream::io::file::{TextReader, is_visible};
use millstream::prelude::*;

use crate::files;

/// A source of lines.
#[derive(Clone)]
pub(crate) enum Source {
    /// A server that sends lines.
    Connect { host: String, port: u16 },
    /// Any number of senders of lines.
    Listen(String),
    /// New files in a directory.
    Directory(PathBuf),
    /// A file, or all files in a directory.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

/// What may be written for a source, for `--help`.
pub(crate) const FORMS: &str = "Where the lines come from:
  tcp://HOST:PORT    a server that sends lines
  listen://ADDR      any number of senders; ADDR is HOST:PORT (port 0: one that is free) or unix:PATH
  dir:PATH           new files in a directory
  file:PATH          a file, or all files of a directory; the program ends when it is done
  -                  standard input; the program ends when it is done";

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
        let of = |prefix: &str| text.strip_prefix(prefix).filter(|rest| !rest.is_empty());
        of("listen://")
            .map(|address| Source::Listen(address.to_owned()))
            .or_else(|| of("dir:").map(|path| Source::Directory(path.into())))
            .or_else(|| of("file:").map(|path| Source::File(path.into())))
            .ok_or_else(|| "expected tcp://HOST:PORT, listen://ADDR, dir:PATH, file:PATH or -".to_owned())
    }
}

impl Source {
    /// True when the source comes to an end by itself.
    pub(crate) fn is_finite(&self) -> bool {
        matches!(self, Source::File(_) | Source::Stdin)
    }

    /// The lines of the source. `existing`: also those of the files that are in the directory now.
    pub(crate) fn lines(
        &self,
        ssc: &StreamingContext,
        existing: bool,
    ) -> Result<DStream<BoxRdd<Text>>, BoxError> {
        Ok(match self {
            Source::Connect { host, port } => ssc.socket_text_stream(host, *port)?.boxed(),
            Source::Listen(address) => {
                let (lines, server) = ssc.socket_server_text_stream(address)?;
                writeln!(io::stderr(), "listening on {}", server.address())?;
                lines.boxed()
            }
            Source::Directory(path) if existing => {
                // The files of now are named to both streams, so that none is taken twice and none falls between them.
                let now = files::visible_files(path)?;
                let names: HashSet<PathBuf> = now.iter().cloned().collect();
                let is_new = move |file: &std::path::Path| is_visible(file) && !names.contains(file);
                let new = ssc.file_stream(path, is_new, false, TextReader)?;
                once(ssc, now)?.union(&new).boxed()
            }
            Source::Directory(path) => {
                files::visible_files(path)?;
                ssc.text_file_stream(path)?.boxed()
            }
            Source::File(path) => once(ssc, files::find(std::slice::from_ref(path))?)?,
            Source::Stdin => ssc.reader_text_stream(io::stdin())?.boxed(),
        })
    }

    /// Runs the program to its end: that of the source, or until it is stopped.
    pub(crate) fn run_to_end(&self, ssc: &StreamingContext) -> Result<()> {
        ssc.start()?;
        if !self.is_finite() {
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

/// The lines of files in the first batch.
fn once(ssc: &StreamingContext, files: Vec<PathBuf>) -> Result<DStream<BoxRdd<Text>>> {
    let queue = RddQueue::new();
    queue.push(TextFiles::open(ssc.executor(), files)?);
    queue.close();
    Ok(ssc.queue_stream(&queue, true)?.boxed())
}

/// The number of records of all batches. It has every record computed, also those that are not printed.
pub(crate) fn count(stream: &DStream<impl Rdd>) -> Arc<AtomicU64> {
    let total = Arc::new(AtomicU64::new(0));
    let sum = Arc::clone(&total);
    stream.foreach_rdd(move |rdd, _| {
        sum.fetch_add(rdd.count()?, Ordering::Relaxed);
        Ok(())
    });
    total
}
