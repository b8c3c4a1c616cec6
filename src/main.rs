//! The tools of those who run programs: what a checkpoint directory holds, and whether it is sound.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use millstream::BoxError;

#[path = "cli/checkpoint.rs"]
mod checkpoint;
#[path = "cli/wal.rs"]
mod wal;

/// Looks into the checkpoint directories of Millstream programs
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  millstream checkpoint show /var/lib/counts
  millstream checkpoint verify /var/lib/counts
  millstream wal dump /var/lib/counts | tail
  millstream wal verify /var/lib/counts
Nothing is changed, and a running program is not disturbed. The exit code is 0 when all is sound, 1 when something is not, 2 when
the command is wrong."
)]
struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Checkpoints of windows, states and positions
    Checkpoint {
        #[command(subcommand)]
        action: CheckpointAction,
    },
    /// The write-ahead log: received records, what each batch was made of, which outputs are done
    Wal {
        #[command(subcommand)]
        action: WalAction,
    },
}

#[derive(Subcommand)]
enum CheckpointAction {
    /// Show what each checkpoint holds, the newest first
    Show {
        /// The program's checkpoint directory, or the URL of its checkpoints in an object store
        dir: PathBuf,
    },
    /// Read all of each checkpoint and check it, and the log
    Verify {
        /// The program's checkpoint directory, or the URL of its checkpoints in an object store, which the log is no part of
        dir: PathBuf,
    },
}

#[derive(Subcommand)]
enum WalAction {
    /// Show every sound record, in order
    Dump {
        /// The program's checkpoint directory
        dir: PathBuf,
    },
    /// Read all of the log and say what is no sound record
    Verify {
        /// The program's checkpoint directory
        dir: PathBuf,
    },
}

fn main() -> ExitCode {
    let out = &mut io::stdout().lock();
    let sound = match Options::parse().what {
        What::Checkpoint { action: CheckpointAction::Show { dir } } => checkpoint::show(&dir, out),
        What::Checkpoint { action: CheckpointAction::Verify { dir } } => checkpoint::verify(&dir, out),
        What::Wal { action: WalAction::Dump { dir } } => wal::dump(&dir, out),
        What::Wal { action: WalAction::Verify { dir } } => wal::verify(&dir, out),
    };
    match sound {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if is_reader_gone(&*error) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told when this fails.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `millstream wal dump DIR | head` ends when head does.
fn is_reader_gone(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// What a command came to: whether all is sound.
type Outcome = Result<bool, BoxError>;
