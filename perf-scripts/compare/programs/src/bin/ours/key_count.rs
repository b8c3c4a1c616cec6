//! Lines of a file that are nothing but a key.

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};
use millstream::prelude::*;

use crate::once;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let counts = once::run(arguments, |keys| keys.map(|key| (key, 1)).reduce_by_key(|a, b| a + b))?;
    Ok(output::write_counts(&arguments.output, counts)?)
}
