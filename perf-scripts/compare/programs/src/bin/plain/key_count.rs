//! Lines of a file that are nothing but a key.

use std::collections::HashMap;
use std::fs;

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let text = fs::read_to_string(&arguments.input)?;
    let mut counts: HashMap<&str, u64, ahash::RandomState> = HashMap::default();
    for key in text.lines() {
        *counts.entry(key).or_insert(0) += 1;
    }
    Ok(output::write_counts(&arguments.output, counts)?)
}
