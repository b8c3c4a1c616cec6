//! What every bench begins with.

use criterion::Criterion;
use millstream_bench::settings;

/// All programs of a bench, the engine and those beside it, use the same allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs a bench: few samples and short measurements, so that all benches together take minutes.
#[allow(dead_code, reason = "some benches measure by themselves")]
pub(crate) fn main(bench: impl FnOnce(&mut Criterion)) {
    let mut criterion = Criterion::default()
        .sample_size(settings::SAMPLES)
        .measurement_time(settings::MEASURE)
        .warm_up_time(settings::WARM_UP)
        .configure_from_args();
    bench(&mut criterion);
    criterion.final_summary();
}

/// Prints a line of a table that a bench makes by itself.
#[allow(dead_code, clippy::print_stdout, reason = "some benches leave it to criterion")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}
