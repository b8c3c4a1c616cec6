//! `PROGRAM WORKLOAD INPUT OUTPUT THREADS`, the same for every program.

use std::path::PathBuf;

use crate::Outcome;

/// What a program is asked to do.
#[derive(Clone, Debug)]
pub struct Arguments {
    /// The name of the workload.
    pub workload: String,
    /// A file, or a folder with a file for each batch.
    pub input: PathBuf,
    /// A folder that the results go into; it exists and is empty.
    pub output: PathBuf,
    /// On how many threads to work.
    pub threads: usize,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// When an argument is missing or the number of threads is none.
    pub fn from_command_line() -> Outcome<Self> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [workload, input, output, threads] = &arguments[..] else {
            return Err("usage: PROGRAM WORKLOAD INPUT OUTPUT THREADS".into());
        };
        let threads = threads.parse().map_err(|error| format!("THREADS {threads:?}: {error}"))?;
        Ok(Arguments { workload: workload.clone(), input: input.into(), output: output.into(), threads })
    }
}
