//! The options of programs that run until they are stopped.

use millstream::prelude::*;

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
    /// A context for the program. From now on, warnings go to standard error.
    pub(crate) fn context(&self, app_name: &str) -> Result<StreamingContext> {
        warn_on_stderr();
        let interval = format!("batch_interval={}", self.interval);
        StreamingContext::new(Config::new().with_args([interval])?.app_name(app_name).master(self.master))
    }
}

/// What a failed batch says is left out: it stops the program, which then says it.
fn warn_on_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| "warn,millstream_engine::context::scheduler=off".into());
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
