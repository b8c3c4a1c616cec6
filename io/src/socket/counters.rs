use std::sync::{Arc, OnceLock};

use millstream_engine::StreamingContext;
use millstream_engine::observe::{Accumulator, LongAccumulator};
use millstream_engine::receive::{Lines, ReceiverContext};

/// What went wrong with the lines of one stream and was mended; shown with every batch among the accumulators.
#[derive(Clone, Debug)]
pub(crate) struct LineCounters {
    /// Lines that were longer than `receiver.max_line_bytes`.
    pub(crate) cut: LongAccumulator,
    /// Last lines without an end of connections that broke: each was delivered as if it had ended there.
    pub(crate) half: LongAccumulator,
    replaced: Replaced,
}

/// Invalid UTF-8 sequences that became U+FFFD, as the stream's block builder counts them.
#[derive(Clone, Default)]
struct Replaced(Arc<OnceLock<ReceiverContext<Lines>>>);

impl Accumulator for Replaced {
    fn show(&self) -> String {
        self.0.get().map_or(0, |cx| cx.builder().replaced()).to_string()
    }
}

impl std::fmt::Debug for Replaced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Replaced({})", self.show())
    }
}

impl LineCounters {
    /// The counters of the stream that reads from `source`, a name for people.
    pub(crate) fn new(context: &StreamingContext, source: &str) -> Self {
        let accumulators = context.accumulators();
        let replaced = Replaced::default();
        accumulators.register(format!("{source}: invalid UTF-8 replaced"), replaced.clone());
        LineCounters {
            cut: accumulators.long(format!("{source}: lines cut")),
            half: accumulators.long(format!("{source}: half lines")),
            replaced,
        }
    }

    /// Looks at the receiver's own counts from now on.
    pub(crate) fn follow(&self, cx: &ReceiverContext<Lines>) {
        let _ = self.replaced.0.set(cx.clone());
    }
}
