use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{BlockBuilder, BlockFormat, Lines};
use crate::block::Mark;
use crate::text::Text;
use crate::{BoxError, Result, Time};

/// Brings records from the outside world into blocks.
///
/// Each receiver has a supervisor thread, pinned to a core of its own. The supervisor calls [`on_start`](Receiver::on_start),
/// then [`poll`](Receiver::poll) over and over, and [`on_stop`](Receiver::on_stop) in the end or before a restart. A receiver
/// that reads by itself does so in `poll`; one that has threads of its own starts them in `on_start`, gives them a clone of the
/// [`ReceiverContext`], and ends them in `on_stop`.
///
/// An error or a panic in any of the three is reported to listeners, and the receiver is started again after
/// `receiver.restart_delay`, for ever.
pub trait Receiver: Send + 'static {
    /// What it stores: [`Lines`](super::Lines) of text, or [`Records`](super::Records) of a serializable type.
    type Format: BlockFormat;

    /// What the receiver is called in messages and figures, for example "Socket receiver".
    fn name(&self) -> String {
        "Custom receiver".to_owned()
    }

    /// Connects, or starts threads. Must not block for long.
    ///
    /// # Errors
    /// When the source cannot be reached; it is tried again after a delay.
    fn on_start(&mut self, cx: &ReceiverContext<Self::Format>) -> Result<(), BoxError>;

    /// Undoes what `on_start` did.
    fn on_stop(&mut self) {}

    /// Reads what there is, for `timeout` at the most. The default sleeps: threads of the receiver's own do the work.
    ///
    /// # Errors
    /// When the source is lost; it is started again after a delay.
    fn poll(&mut self, _cx: &ReceiverContext<Self::Format>, timeout: Duration) -> Result<(), BoxError> {
        std::thread::park_timeout(timeout);
        Ok(())
    }
}

/// Errors that wait for the supervisor to tell them; what does not fit is left out.
const ERRORS_MAX: usize = 1_000;

/// What the supervisor has been asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    Restart { reason: String, delay: Duration },
    Stop { reason: String },
}

/// A receiver's way into the engine. Clones may be given to any thread.
pub struct ReceiverContext<F>(Arc<Inner<F>>);

struct Inner<F> {
    stream: usize,
    builder: BlockBuilder<F>,
    restart_delay: Duration,
    command: Mutex<Option<Command>>,
    errors: Mutex<Vec<(String, String)>>,
    wake: Mutex<Box<dyn Fn() + Send>>,
    next_block: AtomicU64,
    /// How far the sources are that are told apart.
    marks: Mutex<BTreeMap<String, u64>>,
}

impl<F: BlockFormat> ReceiverContext<F> {
    pub(crate) fn new(stream: usize, builder: BlockBuilder<F>, restart_delay: Duration, now: Time) -> Self {
        ReceiverContext(Arc::new(Inner {
            stream,
            builder,
            restart_delay,
            command: Mutex::default(),
            errors: Mutex::default(),
            wake: Mutex::new(Box::new(|| ())),
            next_block: AtomicU64::new(now.as_millis().max(0) as u64),
            marks: Mutex::default(),
        }))
    }

    /// The id of the input stream.
    pub fn stream_id(&self) -> usize {
        self.0.stream
    }

    /// Where bytes are received into; for receivers that read by themselves.
    pub fn builder(&self) -> &BlockBuilder<F> {
        &self.0.builder
    }

    /// Stores one record in the current block. It waits for the rate limit and while there is no room; the record is not yet
    /// safe when it returns.
    ///
    /// # Errors
    /// When the receiver is being stopped.
    pub fn store(&self, item: &F::Item) -> Result<()> {
        self.0.builder.store(item)
    }

    /// Stores several records as one block and returns when the block is registered with its batch and, where the context has a
    /// checkpoint directory and `receiver.write_ahead_log` is on, durable: a reliable receiver may then acknowledge them. It is not
    /// rate limited.
    ///
    /// # Errors
    /// When the receiver is being stopped, or the log has failed.
    pub fn store_block(&self, items: impl IntoIterator<Item = F::Item>) -> Result<()> {
        self.0.builder.store_block(items, self.next_block())
    }

    /// The same with records of a source that counts them: these are those up to `number`. [`stored_of`](Self::stored_of) gives that
    /// number from then on, also after a restart, so that the source can be asked for what comes behind it, and nothing twice.
    ///
    /// # Errors
    /// As [`store_block`](Self::store_block).
    pub fn store_block_of(
        &self,
        source: &str,
        number: u64,
        items: impl IntoIterator<Item = F::Item>,
    ) -> Result<()> {
        let mark = Mark { source: source.to_owned(), number };
        self.0.builder.store_marked(items, self.next_block(), Some(mark))?;
        self.marks().insert(source.to_owned(), number);
        Ok(())
    }

    /// How many records of a source are safe, in this run and in earlier ones; 0 for one that nothing is known of.
    pub fn stored_of(&self, source: &str) -> u64 {
        self.marks().get(source).copied().unwrap_or(0)
    }

    fn next_block(&self) -> Time {
        Time::from_millis(self.0.next_block.fetch_add(1, Ordering::Relaxed) as i64)
    }

    fn marks(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on where the sources were when an earlier run ended.
    pub(crate) fn resume(&self, marks: BTreeMap<String, u64>) {
        *self.marks() = marks;
    }

    /// Tells listeners of an error; nothing else follows from it.
    pub fn report_error(&self, message: impl Into<String>, error: impl Into<String>) {
        let mut errors = self.0.errors.lock().unwrap_or_else(PoisonError::into_inner);
        if errors.len() < ERRORS_MAX {
            errors.push((message.into(), error.into()));
        }
        drop(errors);
        self.wake();
    }

    /// Has the receiver stopped and, after `receiver.restart_delay`, started again. Returns at once.
    pub fn restart(&self, reason: impl Into<String>) {
        self.restart_after(reason, self.0.restart_delay);
    }

    /// The same with another delay.
    pub fn restart_after(&self, reason: impl Into<String>, delay: Duration) {
        self.command(Command::Restart { reason: reason.into(), delay });
    }

    /// Ends the receiver for good: its source has no more data.
    pub fn stop(&self, reason: impl Into<String>) {
        self.command(Command::Stop { reason: reason.into() });
    }

    /// Has `wake` called when the supervisor must look up from [`Receiver::poll`] at once.
    pub fn set_waker(&self, wake: impl Fn() + Send + 'static) {
        *self.0.wake.lock().unwrap_or_else(PoisonError::into_inner) = Box::new(wake);
    }

    /// A stop outweighs a restart, and ends the waiting of those who store.
    pub(crate) fn command(&self, command: Command) {
        let stops = matches!(command, Command::Stop { .. });
        let mut current = self.0.command.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*current, Some(Command::Stop { .. })) {
            *current = Some(command);
        }
        drop(current);
        if stops {
            self.0.builder.close();
        }
        self.wake();
    }

    pub(crate) fn take_command(&self) -> Option<Command> {
        self.0.command.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    pub(crate) fn is_told_to_stop(&self) -> bool {
        let command = self.0.command.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*command, Some(Command::Stop { .. }))
    }

    pub(crate) fn restart_delay(&self) -> Duration {
        self.0.restart_delay
    }

    pub(crate) fn take_errors(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.0.errors.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn wake(&self) {
        (self.0.wake.lock().unwrap_or_else(PoisonError::into_inner))();
    }
}

impl ReceiverContext<Lines> {
    /// Stores the lines in `bytes`, which end with a line terminator or are taken to, as one block.
    ///
    /// # Errors
    /// When the receiver is being stopped.
    pub fn store_bytes(&self, bytes: &[u8]) -> Result<()> {
        self.store_block([lines(bytes)])
    }

    /// The same with lines of a source that counts them; see [`store_block_of`](Self::store_block_of).
    ///
    /// # Errors
    /// As [`store_block`](Self::store_block).
    pub fn store_bytes_of(&self, source: &str, number: u64, bytes: &[u8]) -> Result<()> {
        self.store_block_of(source, number, [lines(bytes)])
    }
}

/// Lines as one text: its encoding has the last line's end.
fn lines(bytes: &[u8]) -> Text {
    let lines = String::from_utf8_lossy(bytes);
    Text::from(lines.strip_suffix('\n').unwrap_or(&lines))
}

impl<F> Clone for ReceiverContext<F> {
    fn clone(&self) -> Self {
        ReceiverContext(Arc::clone(&self.0))
    }
}
