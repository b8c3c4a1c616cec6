use std::io;
use std::panic::resume_unwind;
use std::thread;

use tokio::runtime::{Builder, Handle, Runtime};

/// Runs what a client does on the thread that waits for it: those who call here have nothing else to do.
#[derive(Debug)]
pub(super) struct Blocking {
    /// There until this is dropped.
    runtime: Option<Runtime>,
}

impl Blocking {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Blocking { runtime: Some(Builder::new_current_thread().enable_all().build()?) })
    }

    /// What comes of `future`. Also on a thread of another runtime: a program may start its context from an async function.
    pub(super) fn wait<T: Send>(&self, future: impl Future<Output = T> + Send) -> T {
        let runtime = self.runtime.as_ref().expect("the runtime lives as long as its owner");
        if Handle::try_current().is_err() {
            return runtime.block_on(future);
        }
        thread::scope(|scope| {
            let waiting = scope.spawn(|| runtime.block_on(future));
            waiting.join().unwrap_or_else(|panic| resume_unwind(panic))
        })
    }
}

impl Drop for Blocking {
    /// A runtime must not be dropped within another one in the ordinary way.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
