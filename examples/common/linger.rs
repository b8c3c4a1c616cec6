//! Batches after the last lines, until a window has shown them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use millstream::InputStream;
use millstream::graph::{BatchInput, StartInfo};
use millstream::observe::{ReceiverInfo, StreamingListener};
use millstream::prelude::*;
use millstream::rdd::Parallelized;

/// Whether all lines of a source are in the batch that is being made and in those before. Asked once in each batch.
pub(crate) type AllGiven = Box<dyn Fn() -> bool + Send + Sync>;

/// An input without records that ends with the first window after another input has given everything. The engine goes on until
/// all inputs have ended; without this one it would stop between two windows.
pub(crate) struct Linger {
    slide: Duration,
    all_given: AllGiven,
    zero: OnceLock<Time>,
    is_over: AtomicBool,
}

impl Linger {
    pub(crate) fn new(slide: Duration, all_given: AllGiven) -> Self {
        Linger { slide, all_given, zero: OnceLock::new(), is_over: AtomicBool::new(false) }
    }
}

impl InputStream for Linger {
    type Rdd = Parallelized<()>;

    fn start(&self, start: &StartInfo) -> Result<()> {
        self.zero.get_or_init(|| start.zero);
        Ok(())
    }

    fn compute(&self, batch: &BatchInput<'_>) -> Result<Option<Parallelized<()>>> {
        let ends_window = |zero: &Time| batch.time().is_multiple_of(self.slide, *zero);
        if (self.all_given)() && self.zero.get().is_some_and(ends_window) {
            self.is_over.store(true, Ordering::Release);
        }
        Ok(None)
    }

    fn is_finished(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }
}

/// Whether all that a program's one receiver has received is in a batch.
pub(crate) fn receivers_have_ended(ssc: &StreamingContext) -> AllGiven {
    let has_stopped = Arc::new(AtomicBool::new(false));
    ssc.add_listener(Arc::new(Stopped(Arc::clone(&has_stopped))));
    // The receiver may stop when the batch that is being made has its blocks already: then the next one takes the rest.
    let had_stopped = AtomicBool::new(false);
    Box::new(move || had_stopped.swap(has_stopped.load(Ordering::Acquire), Ordering::AcqRel))
}

/// Notes that a receiver has stopped.
struct Stopped(Arc<AtomicBool>);

impl StreamingListener for Stopped {
    fn on_receiver_stopped(&self, _receiver: &ReceiverInfo) {
        self.0.store(true, Ordering::Release);
    }
}
