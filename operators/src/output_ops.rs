use std::io::Write;
use std::sync::{Arc, Mutex};
use std::vec::IntoIter;

use millstream_engine::rdd::Rdd;
use millstream_engine::{BoxError, Result, Time};

use crate::print::Page;
use crate::stream::{ItemOf, SharedOf, Stream};
use crate::{Actions, Show};

/// Records of a batch that `print` shows.
const PRINTED: usize = 10;

/// The output operations: what becomes of the batches of a stream. They make a stream run.
///
/// An output operation is called for every batch that has an RDD, in its job and in batch order. When it fails it may be called
/// again for the same batch, depending on `on_batch_failure`.
pub trait OutputOps: Stream {
    /// Prints the first ten records of each batch to the standard output.
    #[track_caller]
    fn print(&self)
    where
        Self::Rdd: Rdd<Item: Show>,
    {
        self.print_n(PRINTED);
    }

    /// Prints the first `n` records of each batch to the standard output. No more than `n + 1` records are computed.
    #[track_caller]
    fn print_n(&self, n: usize)
    where
        Self::Rdd: Rdd<Item: Show>,
    {
        self.stream().output("print", move |_, rdd, time| Page::of(&rdd, time, n)?.write_to_stdout());
    }

    /// The same to `writer`.
    #[track_caller]
    fn print_to<W: Write + Send + ?Sized + 'static>(&self, n: usize, writer: Arc<Mutex<W>>)
    where
        Self::Rdd: Rdd<Item: Show>,
    {
        self.stream().output("print", move |_, rdd, time| Page::of(&rdd, time, n)?.write_to(&writer));
    }

    /// Calls `f` with the RDD of each batch and its time, on the thread that runs the batch's job. What `f` does with the RDD is
    /// part of the job.
    #[track_caller]
    fn foreach_rdd<F>(&self, f: F)
    where
        F: Fn(SharedOf<Self>, Time) -> Result<(), BoxError> + Send + Sync + 'static,
    {
        self.stream().output("foreach_rdd", move |_, rdd, time| f(rdd, time));
    }

    /// Calls `f` with the number, the records and the batch time of each partition, in parallel. When `f` fails it is called
    /// again, up to `task.max_failures` times in all.
    #[track_caller]
    fn foreach_partition<F>(&self, f: F)
    where
        F: Fn(usize, IntoIter<ItemOf<Self>>, Time) -> Result<(), BoxError> + Send + Sync + 'static,
    {
        self.stream().output("foreach_partition", move |_, rdd, time| {
            Ok(rdd.foreach_partition(|partition, records| f(partition, records, time))?)
        });
    }

    /// Calls `f` with every record, in parallel.
    #[track_caller]
    fn foreach<F: Fn(ItemOf<Self>) + Send + Sync + 'static>(&self, f: F) {
        self.stream().output("foreach", move |_, rdd, _| Ok(rdd.foreach(&f)?));
    }
}

impl<S: Stream> OutputOps for S {}
