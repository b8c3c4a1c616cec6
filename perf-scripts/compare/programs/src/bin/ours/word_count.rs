//! Words of a file.

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};
use millstream::prelude::*;

use crate::once::{self, FileLines};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let count = |lines: &DStream<FileLines>| {
        let words = lines.flat_map(|line| line.split_ascii_whitespace());
        words.map(|word| (word, 1)).reduce_by_key(|a, b| a + b)
    };
    once::run(arguments, count, output::write_count)
}
