//! How much the benches do.

use std::time::Duration;

/// The environment variable with the size of a workload of bytes, in MB.
pub const BENCH_MB: &str = "BENCH_MB";

/// Megabytes of text where [`BENCH_MB`] says nothing: several times a usual last-level cache.
const DEFAULT_MB: usize = 64;

/// The seed of every workload.
pub const SEED: u64 = 20_190_701;

/// Bytes of a workload of text.
///
/// # Panics
/// When `BENCH_MB` is set to something other than a number above 0: a bench of another size than was asked for is worse than none.
#[expect(clippy::panic, reason = "this is the message to the person at the command line")]
pub fn bytes() -> usize {
    let megabytes = match std::env::var(BENCH_MB) {
        Err(_) => DEFAULT_MB,
        Ok(given) => match given.parse() {
            Ok(n) if n > 0 => n,
            _ => panic!("{BENCH_MB}={given} is not a number of megabytes"),
        },
    };
    megabytes * 1_000_000
}

/// `full` records with the default size of text, and as many more or fewer with another size.
pub fn scaled(full: usize) -> usize {
    (full as u64 * bytes() as u64 / (DEFAULT_MB as u64 * 1_000_000)).max(1) as usize
}

/// Samples of each measurement.
pub const SAMPLES: usize = 10;

/// How long a measurement lasts, at least one run per sample.
pub const MEASURE: Duration = Duration::from_secs(2);

/// How long a program runs before it is measured.
pub const WARM_UP: Duration = Duration::from_millis(500);

/// Compute threads that the engine is measured with: one, and all cores.
pub fn threads() -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    if cores == 1 { vec![1] } else { vec![1, cores] }
}
