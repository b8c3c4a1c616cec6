//! What every example has: its allocator, its options, and how it ends.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use millstream::BoxError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a shell says of a program whose reader went away, as in `word_count FILE | head -1`.
const READER_GONE: u8 = 141;

/// Reads the options and runs the program: exit code 0 when it did all it was asked to, 1 with a message on standard error when
/// not, and 2 when the options are wrong.
pub(crate) fn run<O: Parser>(program: impl FnOnce(O) -> Result<(), BoxError>) -> ExitCode {
    match program(O::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_reader_gone(&*error) => ExitCode::from(READER_GONE),
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A batch says in words why its output failed, so the words are what there is to go by.
fn is_reader_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    kind == Some(io::ErrorKind::BrokenPipe) || error.to_string().contains("Broken pipe")
}
