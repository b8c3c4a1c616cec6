//! Lines of a file that are nothing but a key.

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};
use millstream::prelude::*;

use crate::once::{self, FileLines};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let count = |keys: &DStream<FileLines>| keys.map(|key| (key, 1)).reduce_by_key(|a, b| a + b);
    once::run(arguments, count, output::write_count)
}
