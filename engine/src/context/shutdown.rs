//! Ctrl-C and SIGTERM stop the active context; a second signal ends the process at once.

use std::sync::Once;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::active;

/// Starts the thread that waits for signals, once per process.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| match Signals::new([SIGINT, SIGTERM]) {
        Ok(signals) => {
            let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(|| wait_for_signals(signals));
            if let Err(error) = thread {
                tracing::warn!(%error, "no thread for signals: Ctrl-C ends the process without a graceful stop");
            }
        }
        Err(error) => tracing::warn!(%error, "signals cannot be caught: Ctrl-C ends the process at once"),
    });
}

fn wait_for_signals(mut signals: Signals) {
    let mut stopping = false;
    for signal in signals.forever() {
        match active::get() {
            Some(context) if !stopping => {
                stopping = true;
                tracing::info!(signal, "stopping gracefully; a second signal ends the process at once");
                std::thread::spawn(move || context.stop_after_signal());
            }
            _ => std::process::exit(128 + signal),
        }
    }
}
