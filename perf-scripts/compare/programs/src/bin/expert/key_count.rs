//! Lines of a file that are nothing but a key.

use compare_programs::arguments::Arguments;
use compare_programs::{Outcome, output};

use crate::pieces;
use crate::table::Table;

pub(crate) fn run(arguments: &Arguments) -> Outcome {
    let mut counts = Table::new();
    pieces::for_each(&arguments.input, |piece| {
        pieces::lines(&piece, |key| counts.add(key));
        piece
    })?;
    Ok(output::write_counts(&arguments.output, counts.iter())?)
}
