//! The options of programs that run until they are stopped.

use millstream::prelude::*;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::prelude::*;

/// How the program runs.
#[derive(clap::Args)]
pub(crate) struct Streaming {
    /// Length of a batch
    #[arg(long, default_value = "1s", value_name = "TIME")]
    interval: String,
    /// Where to run: local[N] with N threads, of which each receiver takes one, or local[*] with one per core
    #[arg(long, default_value = "local[*]", value_name = "MASTER")]
    master: Master,
}

impl Streaming {
    /// A context for the program, with what the environment (`MILLSTREAM_*`) sets. From now on, warnings go to standard error.
    pub(crate) fn context(&self, app_name: &str) -> Result<StreamingContext> {
        warn_on_stderr();
        let interval = format!("batch_interval={}", self.interval);
        let config = Config::new().layered()?.with_args([interval])?;
        StreamingContext::new(config.app_name(app_name).master(self.master))
    }
}

/// What a failed batch says is left out: it stops the program, which then says it. `RUST_LOG` asks for more or less.
fn warn_on_stderr() {
    let quiet = "warn,millstream_engine::context::scheduler=off".parse::<Targets>();
    let asked = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let Some(levels) = asked.or(quiet.ok()) else { return };
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_filter(levels);
    let _ = tracing_subscriber::registry().with(lines).try_init();
}
