use millstream_engine::StreamingContext;
use millstream_engine::observe::LongAccumulator;

/// What was wrong with the lines of files and was mended. A part of a file that is read again counts again.
#[derive(Clone, Debug, Default)]
pub struct MendedLines {
    cut: LongAccumulator,
    replaced: LongAccumulator,
}

impl MendedLines {
    /// Counts that are shown with every batch.
    pub(crate) fn shown(context: &StreamingContext, source: &str) -> Self {
        let accumulators = context.accumulators();
        MendedLines {
            cut: accumulators.long(format!("{source}: lines cut")),
            replaced: accumulators.long(format!("{source}: invalid UTF-8 replaced")),
        }
    }

    /// Lines that were longer than `receiver.max_line_bytes`: their beginning was kept as a line, the rest was dropped.
    pub fn cut_lines(&self) -> u64 {
        self.cut.sum().unsigned_abs()
    }

    /// Invalid UTF-8 sequences that became U+FFFD.
    pub fn replaced(&self) -> u64 {
        self.replaced.sum().unsigned_abs()
    }

    pub(super) fn note_cut(&self, lines: u64) {
        if lines > 0 {
            self.cut.add(lines.cast_signed());
        }
    }

    pub(super) fn note_replaced(&self, sequences: u64) {
        if sequences > 0 {
            self.replaced.add(sequences.cast_signed());
        }
    }
}
